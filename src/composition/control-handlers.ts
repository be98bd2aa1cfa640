import type { AlertRoom } from '../alerts/history.ts';
import { explain } from '../alerts/why.ts';
import type { ControlHandlers, EntryView, ReferenceSummary, ReloadView, StatusView } from '../core/control.ts';
import { SightlineError } from '../core/errors.ts';
import type { Member, MemberReference } from '../watchlist/members.ts';
import type { CameraOutages } from './camera-outages.ts';
import type { EventFeed } from './event-feed.ts';
import type { Keep } from './keep.ts';
import type { UserHandlers } from './user-handlers.ts';

/** What only a running daemon has; a command that opened the store by itself refuses what needs it. */
export interface Running {
  readonly alerts: AlertRoom;
  readonly feed: EventFeed;
  readonly outages: Pick<CameraOutages, 'of'>;
  reload(): Promise<ReloadView>;
  status(): Promise<StatusView>;
}

export interface ControlParts {
  readonly keep: Keep;
  readonly running?: Running;
  readonly users: UserHandlers;
  /** Wall clock, milliseconds. */
  now(): number;
}

function notRunning(method: string): SightlineError {
  return new SightlineError('control.unavailable', `${method} needs a running daemon; start one with sightline run`, {
    details: { method },
  });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** The handlers of the control socket. Callers are admins: the socket is for the owner of the data directory alone. */
export function createControlHandlers({ keep, running, users, now }: ControlParts): ControlHandlers {
  const { store, watchlist } = keep;

  function need(method: string): Running {
    if (running === undefined) throw notRunning(method);
    return running;
  }

  /** Without a daemon nobody knows which cameras there are: what was asked is answered. */
  async function requireCamera(camera: string): Promise<void> {
    const cameras = (await running?.status())?.cameras.map((known) => known.camera);
    if (cameras === undefined || cameras.includes(camera)) return;
    const there = cameras.length === 0 ? 'the configuration has none' : `the configuration has ${cameras.join(', ')}`;
    throw new SightlineError('control.request', `there is no camera ${camera}; ${there}`, { details: { camera } });
  }

  async function storedAlert(id: string) {
    const found = await store.alerts.get(id);
    if (found === undefined)
      throw new SightlineError('alert.unknown', `there is no alert ${id}; "sightline alerts list" shows those there are`, {
        details: { id },
      });
    return found.alert;
  }

  return {
    status: () => need('status').status(),
    'config.reload': () => need('config.reload').reload(),
    'alerts.list': (query) => store.alerts.list(query),
    'alerts.show': async ({ id }) => ({ alert: await storedAlert(id) }),
    'alerts.snapshot': async ({ id }) => {
      const alert = await storedAlert(id);
      const jpeg = await store.alerts.snapshot(alert.id);
      if (jpeg !== undefined) return { jpegBase64: base64(jpeg) };
      throw new SightlineError('alert.unknown', `alert ${id} has no snapshot any more`, { details: { id } });
    },
    'alerts.act': async ({ id, step, actor, reason }) => {
      const event = await need('alerts.act').alerts.act({
        alertId: id,
        state: step,
        actor,
        ...(reason === undefined ? {} : { reason }),
      });
      await store.audit.add({ at: now(), actor, action: `alert.${step}`, subject: id, details: {} });
      return { alert: event.alert, step: event.step };
    },
    'alerts.tail': ({ cameras }, signal) => need('alerts.tail').feed.listen(cameras, signal),
    why: async ({ camera, at, windowMs, timeZone }) => {
      const from = at - windowMs;
      const to = at + windowMs;
      // Both give what reaches into the window, whenever it began.
      const rows = await store.ledger.query({ camera, from, to, limit: 1000 });
      const { alerts } = await store.alerts.list({ from, to, camera, limit: 1000 });
      if (rows.length + alerts.length === 0) await requireCamera(camera);
      const format = timeFormat(timeZone);
      const watched = running?.outages.of(camera);
      return { lines: explain({ camera, at, windowMs, rows, alerts, watched, formatTime: (ms) => format.format(ms) }) };
    },
    'ledger.query': async (query) => ({ rows: await store.ledger.query(query) }),
    'watchlist.enrol': async ({ photoBase64, ...request }, signal) => {
      const { entry, reference, warnings } = await watchlist.enrol(
        { ...request, photo: Buffer.from(photoBase64, 'base64') },
        signal,
      );
      return { entry, reference: summary(reference), warnings };
    },
    'watchlist.describe': async (request, signal) => {
      const { entry, reference, warnings } = await watchlist.describe(request, signal);
      return { entry, reference: summary(reference), warnings };
    },
    'watchlist.list': async ({ list }) => ({
      entries: watchlist
        .list()
        .filter(({ entry }) => list === undefined || entry.list === list)
        .map(memberView),
    }),
    'watchlist.show': async ({ entry }) => memberView(watchlist.get(entry)),
    'watchlist.image': async ({ referenceId }) => ({ jpegBase64: base64(await watchlist.image(referenceId)) }),
    'watchlist.remove': async ({ entry: idOrName, actor }) => {
      const { entry } = watchlist.get(idOrName);
      await watchlist.remove(entry.id, actor);
      return { entry };
    },
    'watchlist.removeReference': async ({ referenceId, actor }) => {
      await watchlist.removeReference(referenceId, actor);
      return { removed: referenceId };
    },
    'watchlist.export': ({ list, actor }) => watchlist.export(list, actor),
    'watchlist.import': ({ record, actor }, signal) => watchlist.import(record, actor, signal),
    ...users,
  };
}

function timeFormat(timeZone: string): Intl.DateTimeFormat {
  try {
    // Swedish writes dates as ISO 8601 does.
    return new Intl.DateTimeFormat('sv-SE', { timeZone, timeStyle: 'medium', dateStyle: 'short' });
  } catch (cause) {
    throw new SightlineError('control.request', `${timeZone} is no time zone; write an IANA name such as Europe/Berlin`, {
      cause,
    });
  }
}

function memberView({ entry, references }: Member): EntryView {
  return { entry, references: references.map(summary) };
}

function summary(reference: MemberReference): ReferenceSummary {
  return reference;
}
