import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { ClipData } from './clips.ts';
import { containerData } from './container-clips.ts';
import { type Image, missingEngine } from './docker.ts';
import { missingRecognitionServer, startRecognitionServer } from './recognition-server.ts';
import { missingStandin } from './standin.ts';
import { buildStandinImage } from './standin-image.ts';
import type { TritonServer } from './triton.ts';

/** The card's path: an image of the real program on the stand-in, and a real Triton server with all networks. */
export interface Card extends AsyncDisposable {
  readonly image: Image;
  readonly server: TritonServer;
  /** The descriptions of its models, without weights. */
  readonly descriptions: string;
  /** The clips and people of the test data, with cameras in containers. */
  readonly data: ClipData;
}

/** Why there is no such path here, or false. */
export async function missingCard(): Promise<string | false> {
  return missingEngine() || missingStandin() || (await missingRecognitionServer());
}

export async function startCard(): Promise<Card> {
  await using parts = new AsyncDisposableStack();
  const served = parts.use(await startRecognitionServer());
  const image = parts.use(await buildStandinImage());
  const { server, descriptions } = served;
  const data = containerData(served.data, image);
  const owned = parts.move();
  return { image, server, descriptions, data, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** `config/deepstream.yaml` with the values of this place: where Triton, broker and cameras are, and no GPU. */
export async function shippedConfig(
  card: Pick<Card, 'image' | 'server' | 'descriptions'>,
  place: { readonly mqtt: string; readonly sources: Readonly<Record<string, string>> },
): Promise<ConfigInput> {
  const text = await readFile(resolve(import.meta.dirname, '../../config/deepstream.yaml'), 'utf8');
  const shipped: ConfigInput = parse(text, { merge: true });
  return {
    ...shipped,
    inference: { ...shipped.inference, url: card.server.url, repository: card.descriptions },
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
