import type { CameraConfig } from '../config/schema.ts';
import type { Box, Point } from '../core/types.ts';

export type Zones = CameraConfig['zones'];

/** Middle of the box's lower edge as fractions of the frame: where a person stands. */
export function footPoint(box: Box, frame: { readonly width: number; readonly height: number }): Point {
  return { x: (box.left + box.width / 2) / frame.width, y: (box.top + box.height) / frame.height };
}

/** Names of the zones that hold the point; even-odd rule, corners as fractions of the frame. */
export function zonesAt(zones: Zones, point: Point): readonly string[] {
  return Object.entries(zones).flatMap(([name, polygon]) => (inside(polygon, point) ? [name] : []));
}

function inside(polygon: Zones[string], { x, y }: Point): boolean {
  let within = false;
  for (const [index, [ax, ay]] of polygon.entries()) {
    const [bx, by] = polygon[(index + 1) % polygon.length] ?? [ax, ay];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}

/** Time spent inside zones. Leaving for less than `graceMs` (a box that wavers at the edge, a lost track) does not begin anew. */
export interface Stay {
  readonly sinceMs: number;
  readonly lastMs: number;
}

export type Stays = ReadonlyMap<string, Stay>;

export const stayGraceMs = 2000;

export function stayAt(stays: Stays, zones: readonly string[], nowMs: number): Stays {
  const next = new Map<string, Stay>();
  for (const [zone, stay] of stays) if (nowMs - stay.lastMs <= stayGraceMs) next.set(zone, stay);
  for (const zone of zones) {
    const before = next.get(zone);
    next.set(zone, { sinceMs: Math.min(before?.sinceMs ?? nowMs, nowMs), lastMs: Math.max(before?.lastMs ?? nowMs, nowMs) });
  }
  return next;
}

/** Milliseconds inside; undefined when outside for longer than the grace. */
export function stayedMs(stays: Stays, zone: string, nowMs: number): number | undefined {
  const stay = stays.get(zone);
  return stay === undefined || nowMs - stay.lastMs > stayGraceMs ? undefined : Math.max(0, stay.lastMs - stay.sinceMs);
}

/** Both as one. Where a zone is in both, stays less than the grace apart are one stay; of others the later one counts. */
export function joinStays(a: Stays, b: Stays): Stays {
  const joined = new Map(a);
  for (const [zone, stay] of b) {
    const other = joined.get(zone);
    joined.set(zone, other === undefined ? stay : joinStay(other, stay));
  }
  return joined;
}

function joinStay(a: Stay, b: Stay): Stay {
  const later = a.lastMs > b.lastMs ? a : b;
  const apart = Math.max(a.sinceMs, b.sinceMs) - Math.min(a.lastMs, b.lastMs) > stayGraceMs;
  return apart ? later : { sinceMs: Math.min(a.sinceMs, b.sinceMs), lastMs: later.lastMs };
}
