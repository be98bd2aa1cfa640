import { protocolVersion } from '../bridge/server.ts';
import type { DeepStreamConfig } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Finding } from '../core/doctor.ts';
import { isSightlineError, isSystemError } from '../core/errors.ts';
import { createContainerFindings } from '../doctor/container-findings.ts';
import { checkInContainer } from '../workers/container-check.ts';
import { ContainerFiles, plainUser } from '../workers/container-files.ts';
import { createDockerEngine, type DockerEngine } from '../workers/docker-engine.ts';

/** `sightline doctor --first-hour`: what a container finds of image and card, for each GPU. */

export interface ContainerLook {
  readonly settings: DeepStreamConfig;
  readonly dataDir: string;
  readonly onProgress: (words: string) => void;
}

/** The program gives each of its checks two minutes; all of them together take this long on no card. */
const limitMs = 10 * 60_000;
/** A check that takes longer is named, and again after as long. */
const sayEveryMs = 5000;

export async function* lookInContainers(look: ContainerLook, clock: Clock, signal: AbortSignal): AsyncGenerator<Finding> {
  const { settings, dataDir } = look;
  // Not bound to the signal: what was started is removed in any case.
  const docker = await createDockerEngine({ socketPath: settings.socket, clock });
  try {
    if ((await docker.imageId(settings.image)) === undefined) {
      yield skipped('there is no image to start');
      return;
    }
  } catch (error) {
    if (!isSightlineError(error)) throw error;
    yield skipped('the engine cannot be asked');
    return;
  }
  const user = await new ContainerFiles(dataDir).user().catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return plainUser;
    throw error;
  });
  for (const gpu of settings.gpus) {
    const where = settings.gpus.length === 1 ? '' : ` (GPU ${gpu})`;
    for await (const finding of lookInOne(docker, { ...look, gpu, user }, clock, signal))
      yield { ...finding, subject: `${finding.subject}${where}` };
  }
}

function skipped(seen: string): Finding {
  return { subject: 'program in the container', verdict: 'skip', seen };
}

async function* lookInOne(
  docker: DockerEngine,
  look: ContainerLook & { readonly gpu: string; readonly user: { readonly uid: number; readonly gid: number } },
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const { settings, gpu, user, onProgress } = look;
  const findings = createContainerFindings({ protocol: protocolVersion, encoder: settings.encoder.kind });
  let sinceMs = clock.mono();
  using _ = clock.every(sayEveryMs, () => {
    const seconds = Math.round((clock.mono() - sinceMs) / 1000);
    if (1000 * seconds >= sayEveryMs) onProgress(`in a container: ${findings.at ?? 'starting'}, for ${seconds} s`);
  });
  try {
    for await (const said of checkInContainer(docker, { settings, gpu, user, limitMs }, clock, signal)) {
      sinceMs = clock.mono();
      yield* typeof said === 'string' ? findings.line(said) : findings.end(said);
    }
  } catch (error) {
    if (!isSightlineError(error)) throw error;
    yield { subject: 'program in the container', verdict: 'fail', seen: error.message, remedy: remedyOf(error.code) };
  }
}

function remedyOf(code: string): string {
  if (code === 'container.gpu')
    return 'install nvidia-container-toolkit (above), or set deepstream.gpuAccess (Jetson: runtime)';
  if (code === 'container.image') return 'build the image: make deepstream-image (docs/deepstream.md); or set deepstream.image';
  if (code === 'container.engine') return 'look at: journalctl -u docker';
  return 'look at what the engine says; deepstream has the settings of containers (docs/configuration.md)';
}
