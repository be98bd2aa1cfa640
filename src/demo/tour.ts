import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../core/context.ts';
import type { Control } from '../core/control.ts';
import type { DemoAlert, DemoFacts, DemoView } from '../core/demo.ts';
import { errorText } from '../core/errors.ts';
import { redact } from '../core/redact.ts';
import type { AlertListenerOptions } from './listener.ts';
import type { DemoPlace } from './place.ts';
import { createSilences } from './silences.ts';

/** What is put before the viewer while the demo runs: alerts from the broker, and from the ledger why nobody was told of others. */

const keptPictures = 1000;
const pollMs = 1000;
/** How far back the ledger is looked at: rows of a track come when it ends. */
const ledgerWindowMs = 60_000;

export interface TourOptions {
  readonly view: DemoView;
  readonly place: DemoPlace;
  /** The film has an end: cameras go away with it, which is no news. */
  readonly finite: boolean;
  onAlert(): void;
}

/** What comes from the broker, put before the viewer. */
export function createTour({ view, place, finite, onAlert }: TourOptions) {
  const told = new Set<string>();
  let facts: DemoFacts | undefined;
  let toured = false;
  let pictures = 0;

  /** Undefined when there is none to save or no place for it. */
  async function savePicture(alert: DemoAlert, jpeg: Uint8Array | undefined): Promise<string | undefined> {
    if (!place.kept || jpeg === undefined || pictures >= keptPictures || !/^[\w-]{1,64}$/.test(alert.id)) return undefined;
    pictures += 1;
    const folder = join(place.directory, 'pictures');
    const path = join(folder, `${alert.id}.jpg`);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(path, jpeg, { mode: 0o600 });
      return path;
    } catch (error) {
      view.show({ kind: 'warning', text: `a picture could not be saved: ${errorText(error)}` });
      return undefined;
    }
  }

  async function tell(alert: DemoAlert, jpeg: Uint8Array | undefined): Promise<void> {
    const picture = await savePicture(alert, jpeg);
    view.show({ kind: 'alert', alert: picture === undefined ? alert : { ...alert, picture } });
    told.add(alert.name);
    if (toured || facts === undefined || !facts.listed.every((name) => told.has(name))) return;
    toured = true;
    // Who was listed meanwhile and has been told of is nobody to propose.
    view.show({ kind: 'toured', facts: { ...facts, listed: [...new Set([...facts.listed, ...told])] } });
  }

  return {
    begin: (known: DemoFacts) => {
      facts = known;
      view.show({ kind: 'ready', facts });
    },
    listener: (address: DemoFacts['broker']): Pick<AlertListenerOptions, 'onAlert' | 'onCamera' | 'onConnection'> => ({
      onAlert: (alert, jpeg) => {
        onAlert();
        void tell(alert, jpeg);
      },
      onCamera: (camera, state, reason) => {
        if (state === 'failed' || (state === 'away' && !finite))
          view.show({ kind: 'warning', text: `camera ${camera} is ${state}${reason === undefined ? '' : `: ${reason}`}` });
      },
      onConnection: (trouble) => {
        if (trouble !== undefined) {
          const text = `the broker ${address.url} cannot be reached: ${redact(trouble)}; alerts wait, it is tried again`;
          view.show({ kind: 'warning', text });
        } else if (address.own) view.show({ kind: 'note', text: `connected to the broker ${address.url}` });
      },
    }),
  };
}

/** Looks at ledger and history every second, as `sightline why` does. */
export function followSilences(view: DemoView, control: Control, ignored: readonly string[], ctx: Context): Disposable {
  const silences = createSilences();
  let failed = false;
  return ctx.clock.every(pollMs, async () => {
    const to = ctx.clock.now();
    const window = { from: Math.max(0, to - ledgerWindowMs), to, limit: 1000 };
    try {
      const { rows } = await control.call('ledger.query', window, ctx.signal);
      const { alerts } = await control.call('alerts.list', window, ctx.signal);
      const visits = alerts.map(({ entry, cameras, firstSeenAt, lastSeenAt }) => ({
        name: entry?.name ?? '',
        cameras,
        from: firstSeenAt,
        to: lastSeenAt,
      }));
      for (const silence of silences.from(rows, visits, ignored)) view.show({ kind: 'silence', silence });
      failed = false;
    } catch (error) {
      if (ctx.signal.aborted) return;
      if (!failed) view.show({ kind: 'warning', text: `the ledger does not answer: ${errorText(error)}` });
      failed = true;
    }
  });
}
