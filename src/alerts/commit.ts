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
  readonly events: number;
  readonly ledgerRows: number;
}

export function createCommitBuilder(): CommitBuilder {
  let events: AlertEvent[] = [];
  let ledger: LedgerRow[] = [];
  // The newest state of an episode and the newest time of a cooldown are the only ones that count.
  let episodes = new Map<string, EpisodeRecord>();
  let cooldowns = new Map<string, CooldownRecord>();

  const builder: CommitBuilder = {
    event: (event) => void events.push(event),
    episode: (record) => void episodes.set(record.id, record),
    cooldown: (record) => void cooldowns.set(record.key, record),
    ledger: (rows) => void ledger.push(...rows),
    add: (commit) => {
      events.push(...commit.events);
      ledger.push(...commit.ledger);
      for (const record of commit.episodes) episodes.set(record.id, record);
      for (const record of commit.cooldowns) cooldowns.set(record.key, record);
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
    get events() {
      return events.length;
    },
    get ledgerRows() {
      return ledger.length;
    },
  };
  return builder;
}
