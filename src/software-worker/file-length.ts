/** Whether a file is as long as its container says. Pure. */
export interface FileLength {
  /** From the first picture's time stamp to the latest. */
  readonly mediaMs: number;
  readonly pictures: number;
  /** How long the last picture lasts; undefined when nobody says. */
  readonly lastMs: number | undefined;
  readonly statedMs: number;
}

/** Containers count the length of sound in, round, and begin with a gap: less than all of these is missing from no file. */
const tolerated = { ms: 500, intervals: 2, share: 0.02 } as const;

function intervalMs({ mediaMs, pictures }: FileLength): number {
  return pictures > 1 ? mediaMs / (pictures - 1) : 0;
}

/** The last picture's time counts. */
export function playedMs(file: FileLength): number {
  return file.mediaMs + (file.lastMs ?? intervalMs(file));
}

/** So much is missing that the file was cut off. */
export function breaksOff(file: FileLength): boolean {
  const { ms, intervals, share } = tolerated;
  return file.statedMs - playedMs(file) > Math.max(ms, intervals * intervalMs(file), share * file.statedMs);
}
