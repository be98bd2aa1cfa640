/** The load that both ends know. */
export interface Load {
  readonly socketPath: string;
  readonly dataDir: string;
  readonly cameras: number;
  readonly workers: number;
  readonly fps: number;
  /** Every how many frames a detector looks. */
  readonly detectEvery: number;
  readonly objects: number;
  readonly seconds: number;
  /** People on a list who are in view all the time, each in front of one camera. */
  readonly listed: number;
  /** Models that find the objects, where they are not those of the bench's own workers. */
  readonly models?: readonly string[];
  /** Addresses of the cameras, for a worker that opens them. */
  readonly sources?: readonly string[];
}

export const token = 'bench';

export function cameraName(index: number): string {
  return `camera-${index}`;
}

export function workerName(index: number): string {
  return `software-${index}`;
}

export function camerasOf(load: Load, worker: number): readonly number[] {
  return Array.from({ length: load.cameras }, (_, index) => index).filter((index) => index % load.workers === worker);
}
