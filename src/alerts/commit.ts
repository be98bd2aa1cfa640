import type { AlertEvent, LedgerRow } from '../core/alerts.ts';
import type { AlertCommit, CooldownRecord, EpisodeRecord } from '../core/store.ts';

/** Gathers what one or several decisions leave behind into one transaction. */
export interface CommitBuilder {
  event(event: AlertEvent): void;
  episode(record: EpisodeRecord): void;
  cooldown(record: CooldownRecord): void;
  ledger(rows: readonly LedgerRow[]): void;
  add(commit: AlertCommit): void;
  /** What was gathered since the last take; undefined when that is nothing. */
  take(outputs: readonly string[]): AlertCommit | undefined;
}

export interface CommitLimits {
  readonly events: number;
  readonly ledger: number;
  /** One was dropped: updates first, then the oldest. */
  readonly dropped: (what: 'event' | 'ledger') => void;
}

export function createCommitBuilder(limits?: CommitLimits): CommitBuilder {
  let events: AlertEvent[] = [];
  let ledger: LedgerRow[] = [];
  // The newest state of an episode and the newest time of a cooldown are the only ones that count.
  let episodes = new Map<string, EpisodeRecord>();
  let cooldowns = new Map<string, CooldownRecord>();

  function bound(): void {
    if (limits === undefined) return;
    while (events.length > limits.events) {
      const update = events.findIndex(({ step }) => step.state === 'updated');
      events.splice(Math.max(0, update), 1);
      limits.dropped('event');
    }
    while (ledger.length > limits.ledger) {
      ledger.shift();
      limits.dropped('ledger');
    }
  }

  return {
    event: (event) => void events.push(event),
    episode: (record) => void episodes.set(record.id, record),
    cooldown: (record) => void cooldowns.set(record.key, record),
    ledger: (rows) => void ledger.push(...rows),
    add: (commit) => {
      events.push(...commit.events);
      ledger.push(...commit.ledger);
      for (const record of commit.episodes) episodes.set(record.id, record);
      for (const record of commit.cooldowns) cooldowns.set(record.key, record);
      bound();
    },
    take: (outputs) => {
      if (events.length + ledger.length + episodes.size + cooldowns.size === 0) return undefined;
      const taken = { events, ledger, episodes: [...episodes.values()], cooldowns: [...cooldowns.values()], outputs };
      events = [];
      ledger = [];
      episodes = new Map();
      cooldowns = new Map();
      return taken;
    },
  };
}
