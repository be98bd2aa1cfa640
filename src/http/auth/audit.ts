import type { Principal } from '../../core/access.ts';
import type { Context } from '../../core/context.ts';
import { errorText } from '../../core/errors.ts';
import { FloodGate } from '../../core/log.ts';
import type { AuditRow, AuditStore } from '../../core/store.ts';

/** Writing down who did what. What was done is answered without waiting for its row; a row that is lost is counted and said. */

export type AuditDetails = AuditRow['details'];

export interface AuditNotes extends AsyncDisposable {
  /** That somebody did something, now; `via` says by which door they were let in. */
  note(by: Pick<Principal, 'user' | 'via'>, action: string, subject: string, details?: AuditDetails): void;
}

/** Rows on their way to the store. */
const maxWaiting = 500;

export function createAuditNotes(store: Pick<AuditStore, 'add'>, ctx: Context): AuditNotes {
  const lost = ctx.metrics.counter('sightline_audit_lost_total', 'Rows of the audit trail that could not be stored.');
  const flood = new FloodGate(ctx.log, ctx.clock);
  const waiting = new Set<Promise<void>>();

  async function write(row: AuditRow): Promise<void> {
    const { actor, action, subject } = row;
    try {
      await store.add(row);
    } catch (error) {
      lost.inc();
      flood.error('audit row was lost', { actor, action, subject, reason: errorText(error) });
    }
  }

  return {
    note: ({ user, via }, action, subject, details = {}) => {
      if (waiting.size >= maxWaiting) {
        lost.inc();
        flood.error('audit row was lost', { actor: user, action, subject, reason: `${maxWaiting} rows wait for the disk` });
        return;
      }
      const row = { at: ctx.clock.now(), actor: user, action, subject, details: { via, ...details } };
      const writing = write(row).finally(() => waiting.delete(writing));
      waiting.add(writing);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(waiting);
      flood[Symbol.dispose]();
    },
  };
}
