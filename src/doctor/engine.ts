import Docker from 'dockerode';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { EngineFacts } from './gpu-findings.ts';

/** Asks a Docker engine what it is and has; starts nothing. */

export interface EngineLook {
  readonly engine: EngineFacts;
  /** Whether the image is there; undefined when the engine cannot be asked. */
  readonly hasImage: boolean | undefined;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const wordsOf: Readonly<Record<string, string>> = {
  ENOENT: 'no engine listens there',
  ECONNREFUSED: 'no engine listens there any more',
  EACCES: 'this user may not ask it',
};

async function isThere(image: Docker.Image): Promise<boolean> {
  try {
    await image.inspect();
    return true;
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return false;
    throw error;
  }
}

/** `CDISpecDirs` alone says little; newer engines list the devices that they found. */
interface EngineInfo {
  readonly Runtimes?: Readonly<Record<string, unknown>>;
  readonly DiscoveredDevices?: readonly { readonly ID?: string }[];
}

export async function lookAtEngine(
  ask: { readonly socket: string; readonly image: string; readonly timeoutMs: number },
  clock: Clock,
  signal: AbortSignal,
): Promise<EngineLook> {
  const { socket, image, timeoutMs } = ask;
  using limit = clock.deadline(timeoutMs, signal);
  const docker = new Docker({ socketPath: socket, timeout: timeoutMs });
  const late = new Promise<never>((_, reject) => {
    limit.signal.addEventListener('abort', () => reject(limit.signal.reason), { once: true });
  });
  const inTime = async <T>(answer: Promise<T>) => await Promise.race([answer, late]);
  try {
    const version = await inTime(docker.version());
    const info: EngineInfo = await inTime(docker.info());
    const hasImage = await inTime(isThere(docker.getImage(image)));
    return {
      engine: {
        socket,
        version: version.Version,
        apiVersion: version.ApiVersion,
        runtimes: Object.keys(info.Runtimes ?? {}),
        cdiDevices: (info.DiscoveredDevices ?? []).flatMap(({ ID }) => (ID === undefined ? [] : [ID])),
      },
      hasImage,
    };
  } catch (error) {
    signal.throwIfAborted();
    const code = codeOf(error);
    const words = limit.signal.aborted ? `no answer within ${timeoutMs / 1000} s` : (wordsOf[code] ?? errorText(error));
    return { engine: { socket, trouble: { code, words } }, hasImage: undefined };
  }
}
