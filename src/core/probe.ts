/**
 * A look at one camera before it is configured: what arrives, when, and whether its faces are worth comparing. `probe/` measures and
 * judges, `cli/camera.ts` shows it. Times are milliseconds, heights pixels of the source.
 */

export interface ProbeRequest {
  /** As `source` of a camera in the configuration: `${NAME}` stands for a variable of the environment. */
  readonly source: string;
  /** Key of the camera in the YAML; absent: made from the address. */
  readonly name?: string;
  /** How long a camera is watched, and how much of a file is played. */
  readonly seconds: number;
  readonly transport: 'tcp' | 'udp';
  /** Frames a second that the detector looks at. */
  readonly fps: number;
  /** Face detector of the repository; absent: the configured one, else one that has weights. */
  readonly detector?: string;
  /** Configuration whose engine, model repository and face detector are meant. */
  readonly config?: string;
  /** Model repository, instead. */
  readonly repository?: string;
}

export interface ProbeProgress {
  readonly state: 'opening' | 'watching';
  /** Of `seconds`: wall time of a camera, media time of a file. */
  readonly seconds: number;
  readonly frames: number;
  readonly faces: number;
}

export interface StreamFigures {
  readonly live: boolean;
  /** How it came: `tcp`, `udp`, `http`, `file` or `pipeline`. */
  readonly transport: ProbeTransport;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Which decoder: `software`, `vaapi`, ... */
  readonly decode: string;
  /** Media time between the first frame and the last one. */
  readonly mediaMs: number;
  readonly frames: number;
  /** Undefined with fewer than two frames. */
  readonly fps?: number;
  readonly declaredFps?: number;
  readonly kbitPerSecond?: number;
  readonly keyFrames: {
    readonly count: number;
    /** Undefined with fewer than two. */
    readonly meanIntervalMs?: number;
    /** The interval that was not over at the end counts. */
    readonly longestIntervalMs: number;
  };
  /** Frames that have to be waited for before one can be shown, and the time this takes. */
  readonly bFrames: { readonly depth: number; readonly delayMs: number };
  /** Gaps in the time stamps, in frames; undefined when the frame rate varies, so that nobody can tell. */
  readonly lostFrames?: number;
  /** Frames that came and were not decoded, because this machine was too far behind. */
  readonly skipped: number;
  readonly undecodable: number;
  /** Times that the source went away and came back. */
  readonly interruptions: number;
  /** Times that the time stamps began anew while the source stayed. */
  readonly newTimeLines: number;
  /** Of a camera. */
  readonly arrival?: {
    /** By how much later than usual the latest 5 % of frames came. */
    readonly jitterMs: number;
    readonly longestGapMs: number;
  };
  /** Of an RTSP camera. */
  readonly clock?: ClockFigures;
}

export type ProbeTransport = 'tcp' | 'udp' | 'http' | 'file' | 'pipeline';

export type ClockFigures =
  | { readonly senderReports: false }
  | {
      readonly senderReports: true;
      /** The camera's clock minus this machine's; what the way here takes makes it negative. */
      readonly aheadMs: number;
      /** Times that it was set while it was watched. */
      readonly jumps: number;
    };

/** Why a face is not worth comparing. */
export type FaceFlaw = 'too_small' | 'small' | 'blurred' | 'turned' | 'tilted' | 'cut_off' | 'uncertain';

export interface FaceFigures {
  /** Faces seen, each in every frame that the detector looked at. */
  readonly looks: number;
  /** Faces followed through the picture; the same person may count more than once. */
  readonly tracks: number;
  /** Those that the detector saw only once. */
  readonly briefTracks: number;
  /** Absent when there were none. */
  readonly heightPx?: { readonly p10: number; readonly median: number; readonly p90: number };
  /** Median over the tracks of their highest face. */
  readonly bestHeightPx?: number;
  readonly histogram: readonly { readonly fromPx: number; readonly toPx?: number; readonly looks: number }[];
  /** Good enough that a comparison says something about the person; a track with at least two such looks. */
  readonly usableLooks: number;
  readonly usableTracks: number;
  readonly flaws: Readonly<Record<FaceFlaw, number>>;
}

export interface DetectorFigures {
  readonly model: string;
  readonly fps: number;
  /** Frames that it looked at. */
  readonly looks: number;
  /** Frames that were due while it was busy, but for those of the first moments. */
  readonly missed: number;
  readonly msPerLook?: number;
  /** Why it does not work. */
  readonly failing?: string;
}

export interface Finding {
  /** Stable, for machines. */
  readonly code: string;
  readonly severity: 'note' | 'warning';
  /** What it is and what would help. */
  readonly text: string;
}

export interface ProbeVerdict {
  /** `unknown`: no face came into view, or nobody could look for one. */
  readonly faces: 'good' | 'fair' | 'poor' | 'unknown';
  readonly summary: string;
  readonly findings: readonly Finding[];
}

export interface ProbeReport {
  /** The address without credentials. */
  readonly source: string;
  /** Whether it was stopped before its time. */
  readonly stopped: boolean;
  readonly stream: StreamFigures;
  /** What runs the detector. */
  readonly engine: 'embedded' | 'triton';
  /** Absent when there is no detector: `noDetector` says why and what to do. */
  readonly detector?: DetectorFigures;
  readonly faces?: FaceFigures;
  readonly noDetector?: string;
  readonly verdict: ProbeVerdict;
  /** The camera as the configuration takes it, credentials as `${NAME}`. */
  readonly yaml: string;
  /** Variables that the YAML needs and that are not set, or stand for what was written out. */
  readonly variables: readonly string[];
  /** User or password stood in the address itself. */
  readonly writtenOut: boolean;
}
