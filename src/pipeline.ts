import type { LatestByKey } from './core/queue.ts';
import type { Candidate, Embedding, FrameMeta, MatchResult, Sighting, TrackChange, TrackKey } from './core/types.ts';
import { trackKey } from './core/types.ts';

/**
 * The path of a frame through the daemon:
 *
 *   bridge ─▶ tracks ──────────────────────────────▶ alerts ─▶ outbox ─▶ outputs
 *               └▶ candidates ─▶ embed ─▶ match ───────▲
 *
 * `seeFrame` is the fast loop: called for every frame as it arrives, it only reduces and never waits. `recognise` is the slow
 * loop: it takes the newest crop of each waiting track, embeds a batch, asks the watchlist and hands sightings to the alerts.
 */
export interface Stages {
  readonly tracks: { update(frame: FrameMeta): readonly TrackChange[] };
  /** Which crops of a frame deserve an embedding; told of tracks that ended. */
  readonly candidates: { see(changes: readonly TrackChange[]): void; of(frame: FrameMeta): readonly Candidate[] };
  /** One waiting candidate per track; a newer one replaces it. */
  readonly waiting: LatestByKey<TrackKey, Candidate>;
  /** In order; undefined where a crop could not be embedded (counted by whoever could not), `later` where nothing can do it at the moment. */
  embed(batch: readonly Candidate[], signal: AbortSignal): Promise<readonly (Embedding | 'later' | undefined)[]>;
  /** In order, one answer for each kind of entry that the crop is compared with; none at all when the watchlist cannot be searched (counted there). */
  match(
    embeddings: readonly { readonly kind: Candidate['kind']; readonly embedding: Embedding }[],
  ): Promise<readonly (readonly MatchResult[])[]>;
  readonly alerts: {
    seeFrame(frame: FrameMeta, changes: readonly TrackChange[]): void;
    seeSighting(sighting: Sighting): void;
  };
  /** Called after every batch; `error` when it failed as a whole, and only it is lost. */
  batchDone(error?: unknown): void;
  readonly now: { mono(): number };
  /** Crops of the next batch at most. */
  batchSize(): number;
}

export function seeFrame(stages: Stages, frame: FrameMeta): void {
  const changes = stages.tracks.update(frame);
  stages.alerts.seeFrame(frame, changes);
  stages.candidates.see(changes);
  for (const candidate of stages.candidates.of(frame)) stages.waiting.put(trackKey(candidate.track), candidate);
}

/** Runs until `waiting` is closed and empty. */
export async function recognise(stages: Stages, signal: AbortSignal): Promise<void> {
  for await (const batch of stages.waiting.batches(() => stages.batchSize())) {
    try {
      await recogniseBatch(stages, batch, signal);
    } catch (error) {
      stages.batchDone(error);
      continue;
    }
    stages.batchDone();
  }
}

async function recogniseBatch(stages: Stages, batch: readonly Candidate[], signal: AbortSignal): Promise<void> {
  const embeddings = await stages.embed(batch, signal);
  const embeddedMs = stages.now.mono();
  const embedded = batch.flatMap((candidate, index) => {
    const embedding = embeddings[index];
    if (embedding === 'later') stages.waiting.putBack(trackKey(candidate.track), candidate);
    return embedding === undefined || embedding === 'later' ? [] : [{ candidate, embedding }];
  });
  if (embedded.length === 0) return;
  const results = await stages.match(embedded.map(({ candidate, embedding }) => ({ kind: candidate.kind, embedding })));
  const matchedMs = stages.now.mono();
  for (const [index, { candidate, embedding }] of embedded.entries()) {
    for (const result of results[index] ?? []) {
      const { kind } = result;
      stages.alerts.seeSighting({
        ...candidate,
        kind,
        embedding,
        result,
        stages: { ...candidate.stages, embeddedMs, matchedMs },
      });
    }
  }
}
