import type { Packet } from 'node-av/lib';
import type { Context } from '../core/context.ts';
import { SightlineError } from '../core/errors.ts';
import { type BacklogUnit, createBacklog } from './backlog.ts';
import type { UnitSource, VideoUnit } from './demux.ts';

interface ReadUnit extends BacklogUnit {
  readonly video: VideoUnit;
}

function keep({ packet, ...rest }: VideoUnit): ReadUnit {
  const kept = packet.clone();
  if (kept === null) throw new SightlineError('source.failed', 'no memory for a unit of video');
  return {
    video: { ...rest, packet: kept },
    key: packet.isKeyframe,
    bytes: packet.size,
    readMs: Number(rest.receivedMonoUs) / 1000,
  };
}

/**
 * The same live source, read as fast as it sends while earlier units are still being decoded: so units have the time at which they came,
 * and a decoder that is too slow is noticed. Every unit is handed over, marked `skipped` where it is not to be decoded.
 */
export function readAhead(source: UnitSource, ctx: Context): UnitSource {
  const backlog = createBacklog<ReadUnit>();
  let reading: Promise<void> | undefined;
  let end: { readonly error?: unknown } | undefined;
  let interrupted = false;
  let changed = Promise.withResolvers<void>();
  let given: Packet | undefined;

  function tell(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  function interrupt(): void {
    interrupted = true;
    source.interrupt();
    tell();
  }

  /** Never rejects: what was read before an error is handed over before it. */
  async function readOn(): Promise<void> {
    try {
      while (!interrupted) {
        if (backlog.full) {
          await changed.promise;
          continue;
        }
        const unit = await source.read();
        if (unit === undefined) break;
        backlog.push(keep(unit));
        tell();
      }
      end = {};
    } catch (error) {
      end = { error };
    }
    tell();
  }

  function free(): void {
    given?.free();
    given = undefined;
  }

  return {
    kind: source.kind,
    parameters: source.parameters,
    timeBase: source.timeBase,
    frameRate: source.frameRate,
    get broken() {
      return source.broken;
    },
    read: async () => {
      free();
      reading ??= readOn();
      while (!interrupted) {
        const taken = backlog.take(ctx.clock.mono());
        if (taken !== undefined) {
          tell();
          given = taken.unit.video.packet;
          return { ...taken.unit.video, skipped: taken.skipped };
        }
        if (end !== undefined) {
          if ('error' in end) throw end.error;
          return undefined;
        }
        await changed.promise;
      }
      return undefined;
    },
    interrupt,
    [Symbol.asyncDispose]: async () => {
      interrupt();
      await reading;
      free();
      for (const { video } of backlog.clear()) video.packet.free();
      await source[Symbol.asyncDispose]();
    },
  };
}
