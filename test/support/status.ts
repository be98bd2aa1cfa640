import type { StatusView } from '../../src/core/control.ts';

/** What a daemon says of itself that watches nothing yet. */
export const emptyStatus: StatusView = {
  version: '1',
  pid: 1,
  startedAt: 0,
  configFile: 's.yaml',
  parts: [],
  cameras: [],
  watchlist: { entries: 0, references: 0, descriptions: 0 },
  alerts: { open: 0 },
  outbox: { waiting: 0, dead: 0 },
};
