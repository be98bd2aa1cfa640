import type { Context } from '../core/context.ts';
import { errorText, isSightlineError } from '../core/errors.ts';
import type { AuditRow, AuditStore } from '../core/store.ts';

/**
 * The way of audit rows to the disk: one after the other, in the order in which they were made. While the disk takes none they are kept
 * here, so that what happened on a full disk is in the trail once there is room.
 */

export interface AuditRows extends AsyncDisposable {
  /** As `AuditStore` has it. */
  add: AuditStore['add'];
  /** The store may take writes again. */
  retry(): void;
  /** Resolves once every row given so far is stored or kept: a reader sees what was done before it asked. */
  settled(): Promise<void>;
}

/** Rows that wait; what comes beyond is lost. */
export const maxAuditRows = 500;

interface Waiting {
  readonly row: AuditRow;
  readonly settled: PromiseWithResolvers<void>;
}

export function createAuditRows(write: (row: AuditRow) => Promise<void>, { log, metrics }: Context): AuditRows {
  const lost = metrics.counter('sightline_audit_lost_total', 'Rows of the audit trail that could not be stored.');
  const waiting: Waiting[] = [];
  const depth = metrics.gauge('sightline_audit_waiting', 'Rows of the audit trail that wait for the disk.');
  let writing: Promise<void> | undefined;
  /** Why the oldest could not be written. */
  let trouble: string | undefined;
  let closed = false;

  /** Each has its line, whole: the log is the only place it is then in. */
  function lose(row: AuditRow, reason: string): void {
    lost.inc();
    log.error({ ...row, reason }, 'audit row was lost');
  }

  async function drain(): Promise<void> {
    try {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        if (!(await stored(next.row))) {
          for (const { settled } of waiting) settled.resolve();
          return;
        }
        waiting.shift();
        depth.set(waiting.length);
        next.settled.resolve();
      }
    } finally {
      // With nothing in between: a row that comes now begins anew.
      writing = undefined;
    }
  }

  /** False: it has to wait. */
  async function stored(row: AuditRow): Promise<boolean> {
    try {
      await write(row);
      trouble = undefined;
    } catch (error) {
      if (isSightlineError(error) && error.details['lasting'] !== true) {
        if (trouble === undefined) log.warn({ reason: errorText(error) }, 'audit rows wait in memory, the store takes none');
        trouble = errorText(error);
        return false;
      }
      lose(row, errorText(error));
    }
    return true;
  }

  function retry(): void {
    if (waiting.length === 0) return;
    writing ??= drain();
  }

  return {
    add: async (row) => {
      if (closed || waiting.length >= maxAuditRows) {
        lose(row, closed ? 'the store is closed' : (trouble ?? `${maxAuditRows} rows wait for the disk`));
        return;
      }
      const settled = Promise.withResolvers<void>();
      waiting.push({ row, settled });
      depth.set(waiting.length);
      if (trouble !== undefined && writing === undefined) settled.resolve();
      else retry();
      await settled.promise;
    },
    retry,
    settled: async () => await waiting.at(-1)?.settled.promise,
    [Symbol.asyncDispose]: async () => {
      closed = true;
      await writing;
      retry();
      await writing;
      for (const { row } of waiting.splice(0)) lose(row, trouble ?? 'the store is closed');
      depth.set(0);
    },
  };
}
