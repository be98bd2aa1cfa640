import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import type { ConfigInput } from '../../src/config/schema.ts';
import { type ClipData, realData } from './clips.ts';
import { containerData } from './container-clips.ts';
import { dataPath } from './data.ts';
import { temporaryDirectory } from './directory.ts';
import type { Image } from './docker.ts';
import { realRepository, testWeights } from './repository.ts';
import { buildStandinImage } from './standin-image.ts';
import { servedData, startTriton, type TritonServer, withoutWeights } from './triton.ts';

/** The card's path: an image of the real program on the stand-in, and a real Triton server with all networks. */
export interface Card extends AsyncDisposable {
  readonly image: Image;
  readonly server: TritonServer;
  /** The descriptions of its models, without weights. */
  readonly repository: string;
  /** The clips and people of the test data, with cameras in containers. */
  readonly data: ClipData;
}

export const cardModels = ['centerface', 'face_embed', 'yolox_nano', 'person_embed', 'clip_visual'] as const;
/** OSNet behind the tensors of CLIP's image side: what stands for CLIP, whose weights are not at hand. */
const clipWeights = testWeights['person_embed_224'] ?? '';

export async function startCard(): Promise<Card> {
  await using parts = new AsyncDisposableStack();
  const whole = parts.use(await realRepository());
  await mkdir(join(whole.directory, 'clip_visual/1'));
  await symlink(dataPath(clipWeights), join(whole.directory, 'clip_visual/1/model.onnx'));
  const folder = parts.use(await temporaryDirectory());
  const repository = await withoutWeights(whole.directory, join(folder.path, 'models'));
  const flags = ['--model-control-mode=explicit', ...cardModels.map((model) => `--load-model=${model}`)];
  const server = parts.use(await startTriton({ repository: whole.directory, flags }));
  const image = parts.use(await buildStandinImage());
  const data = containerData(servedData(realData, server, repository), image);
  const owned = parts.move();
  return { image, server, repository, data, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** `config/deepstream.yaml` with the values of this place: where Triton, broker and cameras are, and no GPU. */
export async function shippedConfig(
  card: Pick<Card, 'image' | 'server' | 'repository'>,
  place: { readonly mqtt: string; readonly sources: Readonly<Record<string, string>> },
): Promise<ConfigInput> {
  const text = await readFile(resolve(import.meta.dirname, '../../config/deepstream.yaml'), 'utf8');
  const shipped: ConfigInput = parse(text, { merge: true });
  return {
    ...shipped,
    inference: { ...shipped.inference, url: card.server.url, repository: card.repository },
    deepstream: { ...shipped.deepstream, image: card.image.name, gpuAccess: 'none' },
    mqtt: { ...shipped.mqtt, url: place.mqtt },
    cameras: Object.fromEntries(
      Object.entries(shipped.cameras ?? {}).map(([name, camera]) => {
        const source = place.sources[name];
        if (source === undefined) throw new Error(`config/deepstream.yaml has a camera ${name} that the test has not`);
        return [name, { ...camera, source: withAddress(camera.source, source) }];
      }),
    ),
  };
}

/** The login as it is written in the file, the rest as the test has it. */
function withAddress(shipped: string, source: string): string {
  const login = /^rtsp:\/\/([^@/]*@)/.exec(shipped)?.[1];
  if (login === undefined) throw new Error(`config/deepstream.yaml has a source without a login: ${shipped}`);
  return source.replace(/^rtsp:\/\//, `rtsp://${login}`);
}
