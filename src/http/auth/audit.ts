import type { Principal } from '../../core/access.ts';
import type { Clock } from '../../core/clock.ts';
import type { AuditRow, AuditStore } from '../../core/store.ts';

/** Writing down who did what. What was done is answered without waiting for its row. */

export type AuditDetails = AuditRow['details'];

export interface AuditNotes {
  /** That somebody did something, now; `via` says by which door they were let in. */
  note(by: Pick<Principal, 'user' | 'via'>, action: string, subject: string, details?: AuditDetails): void;
}

export function createAuditNotes(store: Pick<AuditStore, 'add'>, clock: Pick<Clock, 'now'>): AuditNotes {
  return {
    note: ({ user, via }, action, subject, details = {}) => {
      void store.add({ at: clock.now(), actor: user, action, subject, details: { via, ...details } });
    },
  };
}
