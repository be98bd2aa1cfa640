import { createDescriber, type Described, type SampleDescription } from './sample-description.ts';

/** One access unit of a camera's clean stream. Times are of its own epoch, not of the hub's joined clock. */
export interface RingUnit {
  readonly epoch: number;
  /** Decoding can begin here. */
  readonly key: boolean;
  /** 90 kHz. */
  readonly pts: bigint;
  readonly dts: bigint;
  /** Camera time, milliseconds since 1970. */
  readonly captureMs: number;
  /** Without start codes. Kept by reference: views into a buffer of about the unit's own size. */
  readonly nals: readonly Uint8Array[];
  /** The same object for as long as it holds. */
  readonly format: Described;
}

/** A unit in the ring. Numbers rise by one. */
export interface KeptUnit {
  readonly number: number;
  readonly unit: RingUnit;
  readonly description: SampleDescription;
  readonly bytes: number;
  readonly arrivedMono: number;
}

export interface PacketRing {
  /** Takes a unit in decoding order; `mono` is its arrival in milliseconds of any steady clock. False: no clip could show it. */
  push(unit: RingUnit, mono: number): boolean;
  /** Units from this number on, oldest first. `lost`: the first of them is not there any more. */
  from(number: number): { readonly units: readonly KeptUnit[]; readonly lost: boolean };
  /**
   * Number of the key unit at which what was captured at `sinceMs` begins: of the group of pictures that reaches that time, or of the oldest
   * one after it. Where camera time has leapt back, what was before does not count. Undefined while nothing reaches it.
   */
  start(sinceMs: number): number | undefined;
  readonly bytes: number;
}

export interface RingLimits {
  /** What arrived longer ago goes, group of pictures by group of pictures. */
  readonly seconds: number;
  readonly bytes: number;
}

/** The last encoded video of one camera. It begins with a key unit always; not even one group of pictures is kept above `bytes`. */
export function createPacketRing(limits: RingLimits): PacketRing {
  const describe = createDescriber();
  let units: KeptUnit[] = [];
  let next = 0;
  let bytes = 0;
  /** Of the units that come; undefined until the next key. */
  let current: { readonly epoch: number; readonly description: SampleDescription } | undefined;

  /** Forgets everything before this place. */
  function cut(place: number): void {
    for (const gone of units.slice(0, place)) bytes -= gone.bytes;
    units = units.slice(place);
  }

  function secondKey(): number {
    return units.findIndex(({ unit }, place) => place > 0 && unit.key);
  }

  function trim(mono: number): void {
    while (true) {
      const place = secondKey();
      const old = place > 0 && mono - (units[place]?.arrivedMono ?? mono) >= limits.seconds * 1000;
      if (bytes <= limits.bytes && !old) return;
      if (place < 0) {
        cut(units.length);
        current = undefined;
        return;
      }
      cut(place);
    }
  }

  return {
    push: (unit, mono) => {
      if (unit.key) {
        const description = describe(unit.format, unit.nals);
        current = description === undefined ? undefined : { epoch: unit.epoch, description };
      }
      if (current === undefined || current.epoch !== unit.epoch) return false;
      const size = unit.nals.reduce((sum, { length }) => sum + length, 0);
      units.push({ number: next, unit, description: current.description, bytes: size, arrivedMono: mono });
      next += 1;
      bytes += size;
      trim(mono);
      return current !== undefined;
    },
    from: (number) => {
      const oldest = units[0]?.number ?? next;
      return { units: units.slice(Math.max(0, number - oldest)), lost: number < oldest };
    },
    start: (sinceMs) => {
      let found: number | undefined;
      let newestMs = Number.NEGATIVE_INFINITY;
      let laterKeyMs = Number.POSITIVE_INFINITY;
      for (const { number, unit } of units.toReversed()) {
        newestMs = Math.max(newestMs, unit.captureMs);
        if (!unit.key) continue;
        if (newestMs < sinceMs || unit.captureMs > laterKeyMs) return found;
        found = number;
        laterKeyMs = unit.captureMs;
        newestMs = Number.NEGATIVE_INFINITY;
      }
      return found;
    },
    get bytes() {
      return bytes;
    },
  };
}
