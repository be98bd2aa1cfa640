import type { Context } from '../core/context.ts';
import type { InferenceEngine } from '../core/inference.ts';
import type { Metrics } from '../core/metrics.ts';
import {
  added,
  type ModelTraffic,
  type ServedModelView,
  type ServerCounts,
  type ServerReading,
  servedModelView,
  serverCountNames,
  summed,
  type Traffic,
  trafficNames,
} from '../core/served-models.ts';
import type { ServedModel } from '../gen/sightline/bridge/v1/bridge.ts';

/** What models do on Triton servers: their own counters beside our round trips, of the daemon and of its workers, in metrics and for people. */
export interface ServedModels extends Disposable {
  /** What a worker says of its own requests. */
  stats(worker: string, served: readonly ServedModel[]): void;
  /** Those that answered something in the last minute; nothing where the program itself runs the networks. */
  status(): { readonly served?: readonly ServedModelView[] };
}

/** Counters of servers are read so often; Prometheus asks us every 15 s at most. */
const readEveryMs = 5000;
/** People are shown the mean of so many readings. */
const readingsShown = 12;

/** One model on one server. */
interface Place {
  readonly model: string;
  readonly server: string;
  totals: Totals;
  /** As it was read last: of each version, and of each of our processes. */
  versions: ReadonlyMap<string, ServerCounts>;
  readonly processes: Map<string, Traffic>;
}

interface Totals {
  readonly counts: ServerCounts;
  readonly traffic: Traffic;
}

const noTraffic: Traffic = { answers: 0, roundTripSeconds: 0 };
const noCounts: ServerCounts = {
  requests: 0,
  failures: 0,
  inferences: 0,
  executions: 0,
  requestSeconds: 0,
  queueSeconds: 0,
  computeInputSeconds: 0,
  computeInferSeconds: 0,
  computeOutputSeconds: 0,
};
const nothing: Totals = { counts: noCounts, traffic: noTraffic };

/** `models` are those in use at the moment. Reads until disposed, one reading at a time. */
export function startServedModels(
  engine: Pick<InferenceEngine, 'servers' | 'traffic' | 'statistics'>,
  models: () => readonly string[],
  ctx: Context,
): ServedModels {
  const { clock } = ctx;
  const counters = createCounters(ctx.metrics);
  const places: Place[] = [];
  const momentNow = () => ({ atMs: clock.mono(), totals: new Map(places.map((place) => [place, place.totals])) });
  /** Oldest first. */
  let history = [momentNow()];
  let closed = false;

  function placeOf(model: string, server: string): Place {
    const known = places.find((place) => place.model === model && place.server === server);
    if (known !== undefined) return known;
    const place: Place = { model, server, totals: nothing, versions: new Map(), processes: new Map() };
    places.push(place);
    return place;
  }

  /** Requests of our own processes, counted since they began. Of other models or servers than ours nothing is taken. */
  function takeTraffic(source: string, traffic: readonly ModelTraffic[]): void {
    const servers = new Set(engine.servers?.().map(({ name }) => name));
    const inUse = new Set(models());
    for (const { model, server, answers, roundTripSeconds } of traffic) {
      if (!servers.has(server) || !inUse.has(model)) continue;
      const place = placeOf(model, server);
      const now = { answers, roundTripSeconds };
      const more = added(trafficNames, place.processes.get(source) ?? noTraffic, now);
      place.processes.set(source, now);
      place.totals = { ...place.totals, traffic: summed(trafficNames, place.totals.traffic, more) };
      counters.addTraffic(place, more);
    }
  }

  /**
   * Of all versions that a server has of a model. What it counted before it was first read was for others, or for us in another life; a version that it has
   * no more is forgotten.
   */
  function takeReadings(place: Place, readings: readonly ServerReading[]): void {
    for (const { version, counts } of readings) {
      const before = place.versions.get(version);
      if (before === undefined) continue;
      const more = added(serverCountNames, before, counts);
      place.totals = { ...place.totals, counts: summed(serverCountNames, place.totals.counts, more) };
      counters.addCounts(place, more);
    }
    place.versions = new Map(readings.map(({ version, counts }) => [version, counts]));
  }

  /** Servers that names do not lead to any more. */
  function forget(): void {
    const servers = new Set(engine.servers?.().map(({ name }) => name));
    for (const place of places.filter(({ server }) => !servers.has(server))) {
      places.splice(places.indexOf(place), 1);
      counters.remove(place);
    }
  }

  async function look(): Promise<void> {
    const readings = (await engine.statistics?.(models())) ?? [];
    if (closed) return;
    forget();
    takeTraffic('daemon', engine.traffic?.() ?? []);
    for (const [place, ofPlace] of Map.groupBy(readings, ({ model, server }) => placeOf(model, server)))
      takeReadings(place, ofPlace);
    history = [...history, momentNow()].slice(-readingsShown - 1);
  }

  const timer = engine.statistics === undefined ? undefined : clock.every(readEveryMs, look);
  return {
    stats: (worker, served) =>
      takeTraffic(
        `worker ${worker}`,
        served.map(({ answers, ...traffic }) => ({ ...traffic, answers: Number(answers) })),
      ),
    status: () => {
      const [first, last] = [history[0], history.at(-1)];
      if (engine.statistics === undefined || first === undefined || last === undefined) return {};
      const seconds = (last.atMs - first.atMs) / 1000;
      const served = [...last.totals].flatMap(([place, totals]) => {
        const before = first.totals.get(place) ?? nothing;
        const counts = added(serverCountNames, before.counts, totals.counts);
        const traffic = added(trafficNames, before.traffic, totals.traffic);
        return servedModelView(place, { ...counts, ...traffic }, seconds) ?? [];
      });
      return { served };
    },
    [Symbol.dispose]: () => {
      closed = true;
      timer?.[Symbol.dispose]();
    },
  };
}

/** Counters of Prometheus: what is added goes in, what is gone goes out. */
function createCounters(metrics: Metrics) {
  const labels = ['model', 'server'] as const;
  const counter = (name: string, help: string) => metrics.counter(`sightline_triton_${name}`, help, labels);
  const ofServer = "by the server's own count, of all who ask it";
  const stages = metrics.counter(
    'sightline_triton_server_stage_seconds_total',
    `Time of requests in a server's queue and in its network, ${ofServer}`,
    [...labels, 'stage'],
  );
  const stage = (name: string) => ({
    inc: (place: PlaceLabels, value: number) => stages.inc({ ...place, stage: name }, value),
    remove: (place: PlaceLabels) => stages.remove({ ...place, stage: name }),
  });
  const ofTraffic: Readonly<Record<keyof Traffic, ReturnType<typeof stage>>> = {
    answers: counter('answers_total', 'Messages that a server answered, of the daemon and its workers'),
    roundTripSeconds: counter('round_trip_seconds_total', 'Time from writing a message to a server to having its answer'),
  };
  const ofCounts: Readonly<Record<keyof ServerCounts, ReturnType<typeof stage>>> = {
    requests: counter('server_requests_total', `Requests answered, ${ofServer}`),
    failures: counter('server_failures_total', `Requests that failed, ${ofServer}`),
    inferences: counter('server_inferences_total', `Rows, ${ofServer}`),
    executions: counter('server_executions_total', `Runs of the network, ${ofServer}`),
    requestSeconds: counter('server_request_seconds_total', `Time of requests in a server, ${ofServer}`),
    queueSeconds: stage('queue'),
    computeInputSeconds: stage('compute_input'),
    computeInferSeconds: stage('compute_infer'),
    computeOutputSeconds: stage('compute_output'),
  };
  return {
    addTraffic: ({ model, server }: PlaceLabels, more: Traffic): void => {
      for (const name of trafficNames) ofTraffic[name].inc({ model, server }, more[name]);
    },
    addCounts: ({ model, server }: PlaceLabels, more: ServerCounts): void => {
      for (const name of serverCountNames) ofCounts[name].inc({ model, server }, more[name]);
    },
    remove: ({ model, server }: PlaceLabels): void => {
      for (const one of [...Object.values(ofTraffic), ...Object.values(ofCounts)]) one.remove({ model, server });
    },
  };
}

type PlaceLabels = Pick<Place, 'model' | 'server'>;
