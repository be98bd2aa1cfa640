import type { Counter } from 'prom-client';
import type { DoorStats } from '../core/media-door.ts';
import type { Metrics } from '../core/metrics.ts';

/** The media door's own figures among the daemon's metrics. Its counters begin anew with each start of the process, these do not. */
export interface DoorMetrics {
  take(stats: DoorStats): void;
  /** The process has ended. */
  reset(): void;
}

class Growth<L extends string> {
  readonly #counter: Counter<L>;
  readonly #seen = new Map<string, { readonly labels: Record<L, string>; total: number }>();

  constructor(counter: Counter<L>) {
    this.#counter = counter;
  }

  to(labels: Record<L, string>, total: number): void {
    const key = JSON.stringify(labels);
    const seen = this.#seen.get(key) ?? { labels, total: 0 };
    this.#seen.set(key, seen);
    this.#counter.inc(labels, Math.max(0, total - seen.total));
    seen.total = total;
  }

  reset(): void {
    for (const seen of this.#seen.values()) seen.total = 0;
  }

  keep(isKept: (labels: Record<L, string>) => boolean): void {
    for (const [key, { labels }] of this.#seen) {
      if (isKept(labels)) continue;
      this.#seen.delete(key);
      this.#counter.remove(labels);
    }
  }
}

export function createDoorMetrics(metrics: Metrics): DoorMetrics {
  const streamLabels = ['camera', 'variant'] as const;
  const gauges = {
    rtspReaders: metrics.gauge('sightline_media_rtsp_readers', 'RTSP sessions that play'),
    liveSubscribers: metrics.gauge('sightline_media_live_subscribers', 'Connections of the live feed'),
    rssBytes: metrics.gauge('sightline_media_rss_bytes', 'Resident memory of the media door'),
    cpuSeconds: metrics.gauge('sightline_media_cpu_seconds', 'CPU time of the media door since it started'),
    ringBytes: metrics.gauge('sightline_media_ring_bytes', 'Encoded video that is kept for clips'),
  };
  const rtspClients = metrics.gauge('sightline_rtsp_clients', 'RTSP connections');
  const readers = metrics.gauge('sightline_media_readers', 'Who watches a stream, over RTSP and the live feed', streamLabels);
  const units = new Growth(
    metrics.counter('sightline_media_units_total', 'Access units that a stream was given', streamLabels),
  );
  const bytes = new Growth(metrics.counter('sightline_media_bytes_total', 'Their bytes', streamLabels));
  const lost = new Growth(
    metrics.counter('sightline_media_lost_total', 'Access units that readers lost because they were too slow', streamLabels),
  );
  const refused = new Growth(
    metrics.counter('sightline_media_refused_total', 'What of the workers the media door did not take', ['reason'] as const),
  );
  const unusable = new Growth(
    metrics.counter('sightline_media_clip_units_unusable_total', 'Access units that no clip can show'),
  );
  const clipBoxes = new Growth(
    metrics.counter('sightline_media_clip_frames_dropped_total', 'Boxes of frames that were not kept for clips'),
  );
  const rtspRefused = new Growth(
    metrics.counter('sightline_rtsp_refused_total', 'RTSP requests that were not answered with 200', ['status'] as const),
  );
  const turnedAway = new Growth(metrics.counter('sightline_rtsp_turned_away_total', 'RTSP connections beyond the limits'));
  const flooded = new Growth(
    metrics.counter('sightline_rtsp_flooded_total', 'RTSP connections ended for what they sent without a login'),
  );
  const loginsFailed = new Growth(
    metrics.counter('sightline_rtsp_logins_failed_total', 'RTSP logins with a wrong name or password'),
  );
  const handshakesFailed = new Growth(
    metrics.counter('sightline_rtsp_handshakes_failed_total', 'RTSPS connections without a handshake'),
  );
  const liveFrames = new Growth(
    metrics.counter('sightline_media_live_frames_lost_total', 'Boxes of frames that slow subscribers of the live feed lost'),
  );
  const liveRefused = new Growth(
    metrics.counter(
      'sightline_media_live_turned_away_total',
      'Live connections that the media door did not take, or that made room for newer ones before their hello',
    ),
  );
  const rtspGrowths = [rtspRefused, turnedAway, flooded, loginsFailed, handshakesFailed];
  const growths = [units, bytes, lost, refused, unusable, clipBoxes, ...rtspGrowths, liveFrames, liveRefused];
  let streams: DoorStats['streams'] = [];

  return {
    take: (stats) => {
      for (const name of ['rtspReaders', 'liveSubscribers', 'rssBytes', 'cpuSeconds', 'ringBytes'] as const)
        gauges[name].set(stats[name]);
      const named = new Set(stats.streams.map(({ camera, variant }) => `${camera}/${variant}`));
      const isNamed = ({ camera, variant }: Record<'camera' | 'variant', string>) => named.has(`${camera}/${variant}`);
      for (const { camera, variant } of streams) if (!isNamed({ camera, variant })) readers.remove({ camera, variant });
      for (const growth of [units, bytes, lost]) growth.keep(isNamed);
      streams = stats.streams;
      for (const { camera, variant, ...figures } of streams) {
        const labels = { camera, variant };
        readers.set(labels, figures.readers);
        units.to(labels, figures.units);
        bytes.to(labels, figures.bytes);
        lost.to(labels, figures.lost);
      }
      for (const [reason, count] of Object.entries(stats.refused)) refused.to({ reason }, count);
      rtspClients.set(stats.rtsp.clients);
      for (const [status, count] of Object.entries(stats.rtsp.refused)) rtspRefused.to({ status }, count);
      turnedAway.to({}, stats.rtsp.turnedAway);
      flooded.to({}, stats.rtsp.flooded);
      loginsFailed.to({}, stats.rtsp.loginsFailed);
      handshakesFailed.to({}, stats.rtsp.handshakesFailed);
      liveFrames.to({}, stats.live.framesLost);
      liveRefused.to({}, stats.live.refused);
      unusable.to({}, stats.clips.unusable);
      clipBoxes.to({}, stats.clips.overlaysDropped);
    },
    reset: () => {
      for (const growth of growths) growth.reset();
      for (const gauge of [...Object.values(gauges), rtspClients]) gauge.set(0);
      for (const { camera, variant } of streams) readers.set({ camera, variant }, 0);
    },
  };
}
