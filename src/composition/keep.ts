import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Context } from '../core/context.ts';
import { findIdentity } from '../core/file-identity.ts';
import type { InferenceEngine } from '../core/inference.ts';
import type { Embedder, Thresholds } from '../core/models.ts';
import { Scope } from '../core/scope.ts';
import { refuseServed } from '../core/socket-file.ts';
import type { EntryRecord, Store } from '../core/store.ts';
import type { MatchKind } from '../core/types.ts';
import { requestTracer, startEngine } from '../inference/engine.ts';
import { startImageDecoding } from '../models/image.ts';
import { startStore } from '../store/store.ts';
import type { Space } from '../watchlist/spaces.ts';
import { startWatchlist, type Watchlist } from '../watchlist/watchlist.ts';
import { type ClipFiles, createClipFiles } from './clip-files.ts';
import { createDescriptions } from './descriptions.ts';
import { type Erasing, startErasing } from './erasing.ts';
import { createRecognition, type Recognition } from './recognition.ts';

/** What is kept and who can be told apart: store, networks and watchlist. The daemon builds on it; a command without a daemon uses it alone. */
export interface Keep extends AsyncDisposable {
  readonly store: Store;
  readonly engine: InferenceEngine;
  readonly recognition: Recognition;
  readonly watchlist: Watchlist;
  /** As the configuration says, or the models. */
  thresholds(config: Config['models']): Readonly<Record<MatchKind, Thresholds>>;
  readonly erasing: Erasing;
  readonly clips: ClipFiles;
  /** Called with entries that are no longer matched, before they are erased. */
  onRemove(listener: (entry: EntryRecord) => void): void;
  /** Called once an entry is erased: what was read of it before must be forgotten. */
  onErased(listener: () => void): void;
  /** Awaited before an entry is erased: what is under way about it must be given up. When it rejects, the erasure is tried again later. */
  beforeErase(listener: (entryId: string) => Promise<void>): void;
}

const stopWithinMs = 4000;

/** Rejects with `daemon.running` when another process owns the data directory. */
export async function startKeep(config: Config, ctx: Context): Promise<Keep> {
  const scope = new Scope({ clock: ctx.clock, log: ctx.log, deadlineMs: stopWithinMs });
  try {
    // The lock is in the database: where that was deleted, only its socket tells of a daemon, and a new one must not be made beside it.
    const gone = (await findIdentity(join(config.dataDir, 'sightline.db'))) === undefined;
    if (gone) await refuseServed(join(config.dataDir, 'control.sock'));
    startImageDecoding();
    // Beside one another: each loads native code, in a thread of its own.
    const [stored, started] = await Promise.allSettled([
      startStore({ directory: config.dataDir }, ctx),
      startEngine(config.inference, ctx),
    ]);
    if (stored.status === 'fulfilled') scope.use('store', stored.value);
    if (started.status === 'fulfilled') scope.use('inference', started.value);
    if (stored.status === 'rejected') throw stored.reason;
    if (started.status === 'rejected') throw started.reason;
    const [store, engine] = [stored.value, started.value];
    const erasing = scope.use('erasing', await startErasing(store.clock, ctx));
    const beginTrace = requestTracer(config.inference);
    const recognition = scope.use('recognition', await createRecognition(config.models, engine, beginTrace, ctx));
    const descriptions = await createDescriptions(config, recognition.embedders.appearance, engine, ctx);
    let removed: (entry: EntryRecord) => void = () => {};
    let erased = () => {};
    let beforeErase: (entryId: string) => Promise<void> = async () => {};
    const clips = createClipFiles(config.dataDir, store.clips, (entryId) =>
      watchlist.has(entryId) ? watchlist.get(entryId).entry.name : undefined,
    );
    const thresholds = recognition.thresholds(config.models);
    const { face, appearance } = recognition.embedders;
    try {
      await clips.reconcile();
    } catch (error) {
      ctx.log.error({ err: error }, 'folder of clips cannot be used');
    }
    const watchlist: Watchlist = scope.use(
      'watchlist',
      await startWatchlist(
        {
          store: {
            ...store.watchlist,
            erase: async (entryId) => {
              await beforeErase(entryId);
              // Files first: their rows say which they are.
              await clips.eraseEntry(entryId);
              await store.watchlist.erase(entryId);
              erased();
            },
          },
          lists: config.lists,
          spaces: {
            ...(face === undefined ? {} : { face: spaceOf(face, thresholds.face) }),
            ...(appearance === undefined ? {} : { appearance: spaceOf(appearance, thresholds.appearance) }),
            ...(descriptions.space === undefined ? {} : { description: descriptions.space }),
          },
          noSpace: (kind) => (kind === 'description' ? descriptions.missing : recognition.noModels(kind)),
          photos: recognition.photos,
          descriptions: descriptions.tools,
          audit: (row) => store.audit.add(row),
          onRemove: (entry) => removed(entry),
          mayExpire: erasing.allowed,
        },
        ctx,
      ),
    );
    return {
      store,
      erasing,
      engine,
      recognition,
      watchlist,
      thresholds: (models) => ({ ...recognition.thresholds(models), description: descriptions.thresholds(models) }),
      clips,
      onRemove: (listener) => {
        removed = listener;
      },
      onErased: (listener) => {
        erased = listener;
      },
      beforeErase: (listener) => {
        beforeErase = listener;
      },
      [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
    };
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

function spaceOf({ space, dimensions }: Embedder, { open }: Thresholds): Space {
  return { name: space, dimensions, threshold: open };
}
