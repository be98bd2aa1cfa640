/** A refused alert says nothing of a topic for longer: the next one may come in weeks, and the broker may have been mended meanwhile. */
const lapseAfterMs = 3_600_000;
/** Refusing topics that are remembered; one of them is named. */
const topicsNoted = 1000;

/** An attempt to publish an alert message. */
export interface Attempt {
  /** Alike for all attempts with the same message, on whatever topic. */
  readonly dedupe: string;
  readonly monoMs: number;
}

/**
 * What the broker refuses, by topic. A complaint ends when the topic takes a message. One about an alert ends also when its message
 * was taken elsewhere (on the topic of late ones), or an hour after the last refusal; a state is told again until it is taken, and
 * the complaint stays. Pure.
 */
export interface Refusals {
  /** `alert` absent: a retained state. */
  refused(topic: string, reason: string, alert?: Attempt): void;
  taken(topic: string, alert?: Attempt): void;
  /** Ends what has lapsed by now. */
  lapse(monoMs: number): void;
  clear(): void;
  readonly topics: Iterable<string>;
  /** For people; undefined when nothing is refused. */
  readonly words: string | undefined;
}

export function createRefusals(): Refusals {
  const refusals = new Map<string, { readonly reason: string; readonly alert: Attempt | undefined }>();

  function end(ended: (alert: Attempt) => boolean): void {
    for (const [topic, { alert }] of refusals) if (alert !== undefined && ended(alert)) refusals.delete(topic);
  }

  return {
    refused: (topic, reason, alert) => {
      if (refusals.has(topic) || refusals.size < topicsNoted) refusals.set(topic, { reason, alert });
    },
    taken: (topic, alert) => {
      refusals.delete(topic);
      if (alert !== undefined) end(({ dedupe }) => dedupe === alert.dedupe);
    },
    lapse: (monoMs) => end((alert) => monoMs - alert.monoMs >= lapseAfterMs),
    clear: () => refusals.clear(),
    get topics() {
      return refusals.keys();
    },
    get words() {
      const [first] = refusals;
      if (first === undefined) return undefined;
      const [topic, { reason }] = first;
      const others = refusals.size === 1 ? '' : ` and ${refusals.size - 1} more`;
      return `the broker refuses messages to ${topic}${others}: ${reason}`;
    },
  };
}
