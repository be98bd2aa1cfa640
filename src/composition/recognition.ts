import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import type { PartState } from '../core/control.ts';
import { errorText, isAbort, isSightlineError, SightlineError } from '../core/errors.ts';
import type { InferenceEngine, InferOptions } from '../core/inference.ts';
import type { Embedder, Thresholds } from '../core/models.ts';
import { type BeginTrace, type Trace, traceField } from '../core/trace.ts';
import type { Candidate, CropKind, Embedding } from '../core/types.ts';
import { createBatcher } from '../inference/batcher.ts';
import { type CropEmbedder, createCropEmbedder } from '../models/embed-crops.ts';
import { createDetector, createEmbedder } from '../models/kinds.ts';
import { createPhotoTools, type PhotoTools } from '../models/photo-tools.ts';
import { serverParts } from './server-parts.ts';

/** The models that the daemon itself uses: embedders for crops, detectors for photos. */
export interface Recognition extends Disposable {
  /** Absent where the repository has none that serves: of a kind that no camera compares, for the others are checked before. */
  readonly embedders: Readonly<Partial<Record<CropKind, Embedder>>>;
  /** Which models are missing for a kind, all of them: `model.missing`, or `model.invalid` where the first is there and cannot serve. */
  readonly noModels: (kind: CropKind) => SightlineError;
  /** The embedders' thresholds with what the configuration says instead; without an embedder nothing is ever like anything. */
  thresholds(config: Config['models']): Readonly<Record<CropKind, Thresholds>>;
  readonly photos: PhotoTools;
  /**
   * For the slow loop: in order, undefined where a crop gave none. A run that fails as a whole is counted and gives none at all, or `later`
   * where no server can run it at the moment.
   */
  embed(batch: readonly Candidate[], signal: AbortSignal): Promise<readonly (Embedding | 'later' | undefined)[]>;
  /** Loads ahead what `kinds` need; what cannot be is said by `parts` and tried again, every half minute and with the next request. */
  warm(kinds: readonly CropKind[]): Promise<void>;
  parts(): readonly PartState[];
}

/** What is compared of the subject of a photo. */
const compared = { face: 'face', body: 'appearance' } as const satisfies Record<string, CropKind>;
const kinds: readonly CropKind[] = ['face', 'appearance'];
/** A crop that waited longer is worth less than the track's next one. */
const liveDeadlineMs = 2000;
/** A person waits for an enrolment, the first one perhaps for the model to load. */
const photoDeadlineMs = 30_000;
/** What gives nonsense is compared with its file so often while there are crops. */
const mendEveryMs = 5000;
/** An odd crop can look like a model that gives nonsense; so many runs in a row without one good vector do not. */
const uselessRuns = 3;
/** What is known of such a model counts no longer when no run has borne it out for so long. */
const evidenceMs = 300_000;
/** How often what did not work is tried without a crop that asks for it: at night there may be none for hours. */
const retryMs = 30_000;

/** Higher than any cosine but that of a vector with itself. */
const nothing: Thresholds = { open: 1, keep: 1, margin: 1 };

/** `beginTrace` is asked once for each run that embeds crops of tracks. */
export async function createRecognition(
  config: Config['models'],
  engine: InferenceEngine,
  beginTrace: BeginTrace,
  ctx: Context,
): Promise<Recognition> {
  const failedRuns = ctx.metrics.counter('sightline_embed_failures_total', 'Embedding runs that failed as a whole', ['kind']);
  /** By kind and by the setting that names them: models that cannot serve. */
  const lacking: Record<CropKind, Map<string, SightlineError>> = { face: new Map(), appearance: new Map() };

  async function found<T>(kind: CropKind, setting: keyof Config['models'], make: () => Promise<T>): Promise<T | undefined> {
    try {
      return await make();
    } catch (error) {
      if (!isSightlineError(error, 'model.unknown') && !isSightlineError(error, 'model.invalid')) throw error;
      lacking[kind].set(setting, error);
      return undefined;
    }
  }

  const embedder = (kind: CropKind) =>
    found(kind, kind, async () => {
      const model = config[kind];
      const description = await engine.describe(model);
      // Triton's engine puts requests together itself, for each of its servers.
      const infer = engine.name === 'triton' ? engine.infer : createBatcher(engine.infer, description, ctx);
      const made = createEmbedder(description, infer);
      if (made.kind === kind) return made;
      throw new SightlineError('model.invalid', `models.${kind}: ${model} is an embedder for ${made.kind}, not for ${kind}`, {
        details: { model, kind: made.kind },
      });
    });
  const detector = (kind: CropKind, setting: 'enrolment' | 'enrolmentBody') =>
    found(kind, setting, async () => createDetector(await engine.describe(config[setting]), engine.infer));
  const embedders = { face: await embedder('face'), appearance: await embedder('appearance') };
  const detectors = { face: await detector('face', 'enrolment'), appearance: await detector('appearance', 'enrolmentBody') };
  const croppers: Record<CropKind, CropEmbedder | undefined> = {
    face: embedders.face && createCropEmbedder(embedders.face, ctx),
    appearance: embedders.appearance && createCropEmbedder(embedders.appearance, ctx),
  };

  function noModels(kind: CropKind): SightlineError {
    const [first, ...others] = lacking[kind];
    const all = first === undefined ? [] : [first, ...others];
    const what = kind === 'face' ? 'faces' : 'bodies';
    const names = all.map(([setting]) => `models.${setting}`).join(' and ');
    return new SightlineError(
      first?.[1].code === 'model.invalid' ? 'model.invalid' : 'model.missing',
      `${what} need ${names}: ${all.map(([, { message }]) => message).join('; ')}; a running daemon sees them after a restart`,
      { details: { kind, settings: all.map(([setting]) => setting) } },
    );
  }

  function there<T>(kind: CropKind, part: T | undefined): T {
    if (part === undefined) throw noModels(kind);
    return part;
  }

  /** Why embedders cannot be used. */
  const unavailable = new Map<CropKind, string>();
  /** Runs since the last good vector that gave nothing usable, and why the latest did not. */
  const bad = new Map<CropKind, { readonly runs: number; readonly reason: string; readonly atMs: number }>();
  const mendedMs: Record<CropKind, number> = { face: Number.NEGATIVE_INFINITY, appearance: Number.NEGATIVE_INFINITY };

  function options(stream: string, withinMs: number, priority: 'live' | 'background', signal: AbortSignal): InferOptions {
    return { signal, deadlineMs: ctx.clock.mono() + withinMs, stream, priority };
  }

  async function embedKind(
    kind: CropKind,
    batch: readonly Candidate[],
    signal: AbortSignal,
  ): Promise<readonly (Embedding | 'later' | undefined)[]> {
    if (batch.length === 0) return [];
    const trace = beginTrace();
    try {
      const cropper = there(kind, croppers[kind]);
      const embeddings = await cropper.embed(
        batch.map(({ crop }) => crop),
        { ...options('recognition', liveDeadlineMs, 'live', signal), ...(trace === undefined ? {} : { trace }) },
      );
      unavailable.delete(kind);
      const { trouble } = cropper;
      if (trouble !== undefined) {
        gaveNothing(kind, trouble, trace);
        mend(kind);
      } else if (embeddings.some((embedding) => embedding !== undefined)) bad.delete(kind);
      return trace === undefined ? embeddings : embeddings.map((embedding) => embedding && { ...embedding, trace: trace.id });
    } catch (error) {
      if (isSightlineError(error, 'inference.unavailable')) {
        failedRuns.inc({ kind });
        return batch.map(() => 'later');
      }
      if (!isAbort(error)) {
        failedRuns.inc({ kind });
        const reason = errorText(error);
        if (unavailable.get(kind) !== reason) sayFailed(kind, error, trace);
        unavailable.set(kind, reason);
      }
      return batch.map(() => undefined);
    }
  }

  function mend(kind: CropKind): void {
    const nowMs = ctx.clock.mono();
    if (nowMs < mendedMs[kind] + mendEveryMs) return;
    mendedMs[kind] = nowMs;
    void warm([kind]);
  }

  function sayFailed(kind: CropKind, error: unknown, trace: Trace | undefined): void {
    ctx.log.error({ kind, model: config[kind], err: error, ...traceField(trace) }, 'crops cannot be embedded');
  }

  function gaveNothing(kind: CropKind, error: unknown, trace: Trace | undefined): void {
    failedRuns.inc({ kind });
    const before = useless(kind);
    bad.set(kind, { runs: (bad.get(kind)?.runs ?? 0) + 1, reason: errorText(error), atMs: ctx.clock.mono() });
    if (useless(kind) !== before) sayFailed(kind, error, trace);
  }

  /** Why an embedder that runs is of no use; undefined while it may be. */
  function useless(kind: CropKind): string | undefined {
    const known = bad.get(kind);
    if (known === undefined || known.runs < uselessRuns) return undefined;
    return ctx.clock.mono() < known.atMs + evidenceMs ? known.reason : undefined;
  }

  async function warm(wanted: readonly CropKind[]): Promise<void> {
    for (const kind of wanted) {
      try {
        // What was of no use is judged anew once it is another.
        if (await engine.load(there(kind, embedders[kind]).model)) bad.delete(kind);
        unavailable.delete(kind);
      } catch (error) {
        // Until a server can run it, the engine's state says why not.
        if (isSightlineError(error, 'inference.unavailable')) {
          unavailable.delete(kind);
          continue;
        }
        const reason = errorText(error);
        if (unavailable.get(kind) !== reason)
          ctx.log.error({ kind, model: config[kind], err: error }, 'embedder cannot be loaded');
        unavailable.set(kind, reason);
      }
    }
  }

  function uselessOnes(): (readonly [CropKind, string])[] {
    return kinds.flatMap((kind) => {
      const reason = useless(kind);
      return reason === undefined ? [] : [[kind, reason]];
    });
  }

  /** Embedders that wait for the engine, or for a server, to come back. */
  function withoutEngine(): (readonly [CropKind, string])[] {
    const states = engine.states();
    return kinds.flatMap((kind) => {
      const state = states.find(({ model }) => model === embedders[kind]?.model);
      return state?.state === 'unavailable' ? [[kind, state.reason]] : [];
    });
  }

  const retrying = ctx.clock.every(retryMs, () => warm([...new Set([...unavailable.keys(), ...bad.keys()])]));

  return {
    embedders: {
      ...(embedders.face === undefined ? {} : { face: embedders.face }),
      ...(embedders.appearance === undefined ? {} : { appearance: embedders.appearance }),
    },
    noModels,
    thresholds: ({ thresholds }) => {
      const merged = (kind: CropKind): Thresholds => {
        const { open, keep, margin } = thresholds[kind];
        const own = embedders[kind]?.thresholds ?? nothing;
        const opens = open ?? own.open;
        return { open: opens, keep: keep ?? Math.min(own.keep, opens), margin: margin ?? own.margin };
      };
      return { face: merged('face'), appearance: merged('appearance') };
    },
    photos: createPhotoTools({
      detector: async (subject) => there(compared[subject], detectors[compared[subject]]),
      embedder: async (subject) => there(compared[subject], embedders[compared[subject]]),
      options: (signal) => options('enrolment', photoDeadlineMs, 'background', signal),
    }),
    embed: async (batch, signal) => {
      const of = (kind: CropKind) => batch.filter((candidate) => candidate.kind === kind);
      const [faces, bodies] = await Promise.all([
        embedKind('face', of('face'), signal),
        embedKind('appearance', of('appearance'), signal),
      ]);
      const next = { face: 0, appearance: 0 };
      return batch.map(({ kind }) => (kind === 'face' ? faces[next.face++] : bodies[next.appearance++]));
    },
    warm,
    parts: () => [
      ...serverParts(engine.name, engine.servers?.() ?? [], engine.states()),
      ...[...new Map([...uselessOnes(), ...unavailable, ...withoutEngine()])].map(([kind, reason]) => ({
        name: `embedder ${kind}`,
        ready: false,
        reason,
      })),
    ],
    [Symbol.dispose]: () => {
      retrying[Symbol.dispose]();
      for (const cropper of Object.values(croppers)) cropper?.[Symbol.dispose]();
    },
  };
}
