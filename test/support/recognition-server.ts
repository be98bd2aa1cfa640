import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasMosquitto } from './broker.ts';
import { type ClipData, realData } from './clips.ts';
import { dataPath, missingTool } from './data.ts';
import { temporaryDirectory } from './directory.ts';
import { installedProgram } from './programs.ts';
import { missingModels, realRepository, testWeights } from './repository.ts';
import { loadOnly, missingTriton, servedData, startTriton, type TritonServer, withoutWeights } from './triton.ts';

/** A real Triton server with all networks of the main job, which nothing else has the weights of. */
export interface RecognitionServer extends AsyncDisposable {
  readonly server: TritonServer;
  /** What it serves. */
  readonly repository: string;
  /** The descriptions of its models, without weights. */
  readonly descriptions: string;
  /** The clips and people of the test data. */
  readonly data: ClipData;
}

/** The main job's, and what stands for CLIP: OSNet behind the tensors of its image side, since its own weights are not at hand. */
const served = ['centerface', 'face_embed', 'yolox_nano', 'person_embed', 'clip_visual'];
const clipStandin = 'person_embed_224';

/** Why the main job cannot be played with such a server, or false. */
export async function missingRecognitionServer(): Promise<string | false> {
  return (
    missingModels(...served.map((model) => (model === 'clip_visual' ? clipStandin : model))) ||
    missingTool(hasMosquitto, 'mosquitto') ||
    missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
    (await missingTriton())
  );
}

export async function startRecognitionServer(): Promise<RecognitionServer> {
  await using parts = new AsyncDisposableStack();
  const { directory: repository } = parts.use(await realRepository());
  // With the description as it is shipped.
  await mkdir(join(repository, 'clip_visual/1'));
  await symlink(dataPath(testWeights[clipStandin] ?? ''), join(repository, 'clip_visual/1/model.onnx'));
  const folder = parts.use(await temporaryDirectory());
  const descriptions = await withoutWeights(repository, join(folder.path, 'models'));
  const server = parts.use(await startTriton({ repository, flags: loadOnly(...served) }));
  const data = servedData(realData, server, descriptions);
  const owned = parts.move();
  return { server, repository, descriptions, data, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
