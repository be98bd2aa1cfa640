import type { AlertEvent } from '../core/alerts.ts';
import type { CameraId } from '../core/types.ts';
import { ageAtCommitMs } from './payload.ts';

/** An event on its way to one output. */
export interface Item {
  /** Absent for events the store could not take. */
  readonly rowId?: number;
  readonly camera: CameraId;
  readonly event: AlertEvent;
  /** Wall clock. */
  readonly createdAt: number;
  /** CLOCK_MONOTONIC when it was announced; absent for rows read from the store. */
  readonly announcedMono?: number;
}

interface Place {
  readonly item: Item;
  readonly order: number;
  /** Under way, or resting after an attempt. */
  busy: boolean;
  resting: boolean;
  suspect: boolean;
  stale: boolean;
  /** Under way, or resting, as a message of the late topic. */
  late: boolean;
}

export interface Taken {
  readonly item: Item;
  readonly late: boolean;
}

/** Rows whose clock is ahead of ours by more than this are of unknown age: the wall clock has been set back meanwhile. */
const clockSlackMs = 5000;

/** Milliseconds since the event happened; infinite when that cannot be known. */
export function ageMs(item: Item, wallMs: number, monoMs: number): number {
  const waited = item.announcedMono === undefined ? wallMs - item.createdAt : monoMs - item.announcedMono;
  return waited < -clockSlackMs ? Number.POSITIVE_INFINITY : Math.max(0, waited) + ageAtCommitMs(item.event);
}

/**
 * Events by camera, each camera with a lane of live ones and one of late ones, which go to another topic. Only the head of a lane
 * is ever under way, so that nothing overtakes within it; live ones go first and are never kept by late ones. An event that grows
 * late while it waits changes its lane. Memory only; whoever uses it bounds `depth`.
 */
export class Lanes {
  readonly #lanes = new Map<CameraId, Place[]>();
  readonly #busy = new Map<Item, Place>();
  #nextOrder = 1;
  #depth = 0;
  #resting = 0;
  #suspects = 0;

  /** Events in memory, those under way included. */
  get depth(): number {
    return this.#depth;
  }

  get underWay(): number {
    return this.#busy.size - this.#resting;
  }

  /** True while an event is under suspicion of ending the connection: it goes alone. */
  get cautious(): boolean {
    return this.#suspects > 0;
  }

  add(item: Item): void {
    const lane = this.#lanes.get(item.camera) ?? [];
    lane.push({ item, order: this.#nextOrder++, busy: false, resting: false, suspect: false, stale: false, late: false });
    this.#lanes.set(item.camera, lane);
    this.#depth += 1;
  }

  /**
   * The oldest live head that may go, now under way, else the oldest late one; suspects only, while there are any. At most
   * `mostLate` late ones are under way at once.
   */
  take(isLate: (item: Item) => boolean, mostLate: number): Taken | undefined {
    const live: Place[] = [];
    const late: Place[] = [];
    for (const lane of this.#lanes.values()) {
      if (this.cautious) {
        for (const place of lane) if (place.suspect && !place.busy) (isLate(place.item) ? late : live).push(place);
        continue;
      }
      const heads = headsOf(lane, isLate);
      if (heads.live !== undefined) live.push(heads.live);
      if (heads.late !== undefined) late.push(heads.late);
    }
    const lateUnderWay = [...this.#busy.values()].filter((place) => place.late && !place.resting).length;
    const best = oldest(live) ?? (lateUnderWay < mostLate ? oldest(late) : undefined);
    if (best === undefined) return undefined;
    best.busy = true;
    best.late = isLate(best.item);
    this.#busy.set(best.item, best);
    return { item: best.item, late: best.late };
  }

  isSuspect(item: Item): boolean {
    return this.#busy.get(item)?.suspect === true;
  }

  suspect(item: Item, suspected: boolean): void {
    const place = this.#busy.get(item);
    if (place === undefined || place.suspect === suspected) return;
    place.suspect = suspected;
    this.#suspects += suspected ? 1 : -1;
  }

  /** The attempt is over and has been answered; the event keeps its lane waiting until it is released. */
  rest(item: Item): void {
    const place = this.#busy.get(item);
    if (place === undefined || place.resting) return;
    this.suspect(item, false);
    place.resting = true;
    this.#resting += 1;
  }

  /** Takes an event that is under way or resting out for good. */
  remove(item: Item): void {
    const place = this.#busy.get(item);
    if (place === undefined) return;
    this.suspect(item, false);
    this.#leave(place);
    const lane = this.#lanes.get(item.camera) ?? [];
    lane.splice(lane.indexOf(place), 1);
    if (lane.length === 0) this.#lanes.delete(item.camera);
    this.#depth -= 1;
  }

  /** Lets an event that is under way or resting be taken again. False when it had become stale and is gone instead. */
  release(item: Item): boolean {
    const place = this.#busy.get(item);
    if (place === undefined) return true;
    if (place.stale) {
      this.remove(item);
      return false;
    }
    this.#leave(place);
    return true;
  }

  #leave(place: Place): void {
    if (place.resting) this.#resting -= 1;
    place.resting = false;
    place.busy = false;
    this.#busy.delete(place.item);
  }

  /** Whether this row is under way or resting. */
  holds(rowId: number): boolean {
    return this.#busy.keys().some((item) => item.rowId === rowId);
  }

  /** Forgets the rows that are not under way, and marks the others stale: their like in the store has changed. */
  forget(): void {
    for (const [camera, lane] of this.#lanes) {
      const kept = lane.filter(({ item, busy }) => busy || item.rowId === undefined);
      for (const place of lane) {
        if (place.item.rowId === undefined) continue;
        if (place.busy) place.stale = true;
        else if (place.suspect) this.#suspects -= 1;
      }
      this.#depth -= lane.length - kept.length;
      if (kept.length === 0) this.#lanes.delete(camera);
      else this.#lanes.set(camera, kept);
    }
  }
}

/** The first live and the first late event of a camera that may go: none while one before it, or one of its lane, is not settled. */
function headsOf(lane: readonly Place[], isLate: (item: Item) => boolean): { readonly live?: Place; readonly late?: Place } {
  const busy = lane.filter((place) => place.busy);
  const free = lane.filter((place) => !place.busy);
  const live = busy.every((place) => place.late) ? free.find(({ item }) => !isLate(item)) : undefined;
  const late = busy.every((place) => !place.late) ? free.find(({ item }) => isLate(item)) : undefined;
  // One that was sent live and is late by now would be late in its turn, were it sent again.
  const waits = late !== undefined && busy.some((place) => place.order < late.order);
  return { ...(live === undefined ? {} : { live }), ...(late === undefined || waits ? {} : { late }) };
}

function oldest(places: readonly Place[]): Place | undefined {
  let best: Place | undefined;
  for (const place of places) if (best === undefined || place.order < best.order) best = place;
  return best;
}
