/** What `sightline doctor` finds out about the machine, before somebody relies on it. */

export const verdicts = ['pass', 'warn', 'fail', 'skip'] as const;

/**
 * `pass`; `warn`: it works, but not as it should, or it cannot be told; `fail`: what the configuration asks for will not work;
 * `skip`: nothing here needs it.
 */
export type Verdict = (typeof verdicts)[number];

export interface Finding {
  /** What was looked at: `disk`, `clock`, `docker`, … */
  readonly subject: string;
  readonly verdict: Verdict;
  /** In words; never a credential. */
  readonly seen: string;
  /** What to do; only where the verdict asks for it. */
  readonly remedy?: string;
}

export interface DoctorRequest {
  /** Configuration file; absent: only what any configuration needs. */
  readonly config?: string;
  /** Walks the checks of a new GPU machine too, whether a camera asks for DeepStream or not. */
  readonly firstHour: boolean;
  /** For each answer over a network. */
  readonly timeoutMs: number;
  /** What it is at, in words, where that takes long. */
  readonly onProgress?: (words: string) => void;
}

/** Findings in the order in which they are there; none of the checks ends the others. */
export type Examine = (request: DoctorRequest, signal: AbortSignal) => AsyncIterable<Finding>;
