import { isReady, type StatusView } from '../core/control.ts';
import type { GpuView } from '../core/gpus.ts';
import type { ServedModelView } from '../core/served-models.ts';
import type { CameraState } from '../core/types.ts';
import { type Command, type CommandIo, noPositionals, parse } from './command.ts';
import { oneLine } from './printable.ts';
import { sessionHelp, sessionOptions, withDaemon } from './session.ts';
import { count, dateTime, table } from './text.ts';

export const status: Command = {
  help: `Says what the running daemon and its cameras are doing.

Usage: sightline status

${sessionHelp}

Exit codes: 0 every part that is needed is ready, 1 some part is not, or no daemon runs.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, sessionOptions);
    noPositionals(positionals);
    const view = await withDaemon(values, io, services, (control) => control.call('status', {}, io.signal));
    if (values.json === true) io.out(JSON.stringify(view));
    else for (const line of show(view, io)) io.out(line);
    return isReady(view.parts) ? 0 : 1;
  },
};

function show(view: StatusView, io: CommandIo): string[] {
  const since = dateTime(view.startedAt, io.timeZone);
  const reload = view.lastReload;
  const cameras = new Set(view.cameras.map(({ camera }) => `camera ${camera}`));
  return [
    `sightline ${view.version}, process ${view.pid}, running since ${since} with ${view.configFile}`,
    ...table([
      ...view.parts
        .filter(({ name }) => !cameras.has(name))
        .map(({ name, ready, needed, reason }) => [
          name,
          ready ? 'ready' : needed === false ? 'degraded' : 'not ready',
          reason ?? '',
        ]),
      ...view.cameras.map(({ camera, state }) => [`camera ${camera}`, state.state, cameraText(state, io)]),
    ]),
    ...(view.served ?? []).map(servedText),
    ...(view.gpus ?? []).map(gpuText),
    `watchlist: ${watchlistText(view.watchlist)}`,
    `alerts: ${view.alerts.open} open`,
    `outbox: ${view.outbox.waiting} waiting, ${view.outbox.dead} refused`,
    ...(reload === undefined ? [] : [`last reload: ${reload.state} at ${dateTime(reload.at, io.timeZone)}`, ...reload.issues]),
  ];
}

function watchlistText({ entries, references, descriptions }: StatusView['watchlist']): string {
  const pictures = `${count(entries, 'entry', 'entries')}, ${count(references - descriptions, 'picture')}`;
  return descriptions === 0 ? pictures : `${pictures}, ${count(descriptions, 'description')}`;
}

function cameraText(state: CameraState, io: CommandIo): string {
  const since = `since ${dateTime(state.since, io.timeZone)}`;
  if (state.state === 'live') {
    const trouble = state.reason === undefined ? '' : `; ${state.reason}`;
    return `${state.width} x ${state.height} ${state.codec}, decoded by ${state.decode}, ${since}${trouble}`;
  }
  return state.reason === undefined ? since : `${state.reason}, ${since}`;
}

/** One line: how busy a card is, and with whose work. */
function gpuText({
  uuid,
  name,
  workers,
  utilization,
  decoder,
  encoder,
  memoryUsedBytes,
  memoryBytes,
  celsius,
}: GpuView): string {
  const share = (what: string, of: number | undefined) => (of === undefined ? [] : [`${what} ${Math.round(100 * of)} %`]);
  const gib = (bytes: number) => (bytes / 1024 ** 3).toFixed(1);
  const parts = [
    ...share('busy', utilization),
    ...share('decoder', decoder),
    ...share('encoder', encoder),
    ...(memoryUsedBytes === undefined || memoryBytes === undefined
      ? []
      : [`${gib(memoryUsedBytes)} of ${gib(memoryBytes)} GiB`]),
    ...(celsius === undefined ? [] : [`${celsius} °C`]),
  ];
  return oneLine(`GPU ${name} (${uuid}) of ${workers.join(', ')}: ${parts.join(', ') || 'its driver tells nothing of it'}`);
}

/** One line: what a model on a server does, and where the time goes. */
function servedText({ model, server, answersPerSecond, roundTripMs, queueMs, computeMs, networkMs }: ServedModelView): string {
  const parts = [
    ...(queueMs === undefined ? [] : [`queue ${queueMs.toFixed(1)}`]),
    ...(computeMs === undefined ? [] : [`compute ${computeMs.toFixed(1)}`]),
    ...(networkMs === undefined ? [] : [`network ${networkMs.toFixed(1)}`]),
  ];
  const where = parts.length === 0 ? '' : ` (${parts.join(', ')})`;
  return `${model} on ${server}: ${answersPerSecond.toFixed(1)} answers a second, ${roundTripMs.toFixed(1)} ms${where}`;
}
