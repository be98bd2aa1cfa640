import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import type { InferenceEngine } from '../core/inference.ts';
import { type PemSetting, type PemTexts, readPemFiles } from '../core/pem-files.ts';
import { refuseFile } from '../core/setting-files.ts';
import { type BeginTrace, createTracer } from '../core/trace.ts';
import { readTritonUrl } from '../core/triton-url.ts';
import { startEmbedded } from './embedded.ts';

export type EngineSettings = Config['inference'];

/**
 * Starts the engine that the settings name, for the daemon and for its workers. Waits for no server. Rejects with `model.missing` when the embedded
 * engine has no repository, with `config.invalid` for addresses and certificates that cannot be used.
 */
export async function startEngine(settings: EngineSettings, ctx: Context): Promise<InferenceEngine> {
  const { repository, threads, url: urls, sharedMemory, queueTimeout } = settings;
  if (settings.engine === 'embedded') return await startEmbedded({ repository, threads }, ctx);
  const tls = urls.some((url) => readTritonUrl(url)?.tls === true) ? () => readTls(settings) : undefined;
  // gRPC is loaded where it is used.
  const [{ startTritonEngine }, { FallbackEngine }] = await Promise.all([import('./triton.ts'), import('./fallback.ts')]);
  const triton = await startTritonEngine(
    {
      urls,
      repository,
      sharedMemory,
      queueTimeout,
      client: { headers: settings.headers },
      ...(tls === undefined ? {} : { tls }),
    },
    ctx,
  );
  if (settings.fallback === 'none') return triton;
  return new FallbackEngine(triton, () => startEmbedded({ repository, threads }, ctx), ctx);
}

/** Traces of the requests that go to servers, as many as the settings say. */
export function requestTracer({ engine, traceRatio }: EngineSettings): BeginTrace {
  return createTracer(engine === 'triton' ? traceRatio : 0);
}

/** What the certificates are now. Rejects with `config.invalid`. */
async function readTls(settings: EngineSettings): Promise<PemTexts> {
  const nameOf = (setting: PemSetting) => `inference.${setting}`;
  const { texts, troubles } = await readPemFiles(settings, nameOf);
  const [trouble] = troubles;
  if (trouble !== undefined) throw refuseFile(nameOf(trouble.setting), trouble.path, trouble.says);
  return texts;
}
