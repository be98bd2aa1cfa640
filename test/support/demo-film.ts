import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCast } from '../../src/demo/scene.ts';
import type { Visit } from './clips.ts';
import { demoScene } from './demo.ts';

/** The demo's film as it is shipped, and what is true in it. */

export interface DemoTruth {
  readonly fps: number;
  readonly frame_count: number;
  readonly watchlist: readonly string[];
  readonly person_intervals: readonly Visit[];
}

export const film = join(demoScene, 'lobby.mp4');
export const truth: DemoTruth = JSON.parse(readFileSync(join(demoScene, 'lobby.gt.json'), 'utf8'));
export const cast = parseCast(readFileSync(join(demoScene, 'cast.json'), 'utf8'), 'cast.json');
/** Those of the listed. */
export const visits = truth.person_intervals.filter(({ id }) => truth.watchlist.includes(id));

function photosOf(name: string): readonly string[] {
  const folder = join(demoScene, 'photos', name);
  return readdirSync(folder)
    .toSorted()
    .map((file) => join(folder, file));
}

/** Name to photos, of everybody with that role. */
export function members(role: string): Readonly<Record<string, readonly string[]>> {
  const names = cast.filter((member) => member.role === role).map(({ name }) => name);
  return Object.fromEntries(names.map((name) => [name, photosOf(name)]));
}
