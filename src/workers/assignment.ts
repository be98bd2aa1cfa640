import type { CameraConfig, DeepStreamConfig } from '../config/schema.ts';
import type { CameraId } from '../core/types.ts';

/**
 * Which container has which cameras, and which GPU. Pure. A container's cameras are fixed, and another set of them is a restart that
 * takes all of its cameras away for a while: so cameras stay where they are, and few containers get new ones.
 */

/** By worker. */
export type Assignment = ReadonlyMap<string, Assigned>;

export interface Assigned {
  readonly gpu: string;
  /** In the order of their names. */
  readonly cameras: readonly CameraId[];
}

interface Container {
  readonly gpu: string;
  readonly group: string;
  readonly cameras: CameraId[];
  /** It is restarted in any case. */
  changed: boolean;
}

/** The first container of a group bears its name, others a number behind a dot, which no name of a group has. */
export function containerOf(group: string, number: number): string {
  return number === 1 ? `deepstream-${group}` : `deepstream-${group}.${number}`;
}

/**
 * `before`: the assignment that is in force, or was with an earlier daemon. Equal input gives equal output, and the output given back as
 * `before` does as well.
 */
export function assignCameras(
  cameras: Readonly<Record<CameraId, CameraConfig>>,
  settings: Pick<DeepStreamConfig, 'gpus' | 'camerasPerContainer'>,
  before: Assignment,
): Assignment {
  const groups = new Map<string, CameraId[]>();
  for (const id of Object.keys(cameras).sort()) {
    const camera = cameras[id];
    if (camera === undefined || !camera.enabled || camera.runtime !== 'deepstream') continue;
    groups.set(camera.group, [...(groups.get(camera.group) ?? []), id]);
  }
  const containers = new Map<string, Container>();
  const unplaced = new Map<string, CameraId[]>();
  for (const [group, ids] of groups) unplaced.set(group, keep(group, ids, settings, before, containers));
  for (const [group, ids] of unplaced) {
    fill(group, ids, settings, containers);
    open(group, ids, settings, containers);
  }
  const assigned = [...containers].map(
    ([worker, { gpu, cameras: own }]) => [worker, { gpu, cameras: own.toSorted() }] as const,
  );
  return new Map(assigned.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The group's own, by their numbers, which may have gaps. */
function containersOf(group: string, before: Assignment): readonly string[] {
  const first = containerOf(group, 1);
  const numberOf = (worker: string) => (worker === first ? 1 : Number(worker.slice(first.length + 1)));
  return [...before.keys()]
    .filter((worker) => worker === first || worker.startsWith(`${first}.`))
    .sort((a, b) => numberOf(a) - numberOf(b));
}

/** Cameras that may stay where they were; returns the others. */
function keep(
  group: string,
  ids: readonly CameraId[],
  { gpus, camerasPerContainer }: Pick<DeepStreamConfig, 'gpus' | 'camerasPerContainer'>,
  before: Assignment,
  containers: Map<string, Container>,
): CameraId[] {
  const placed = new Set<CameraId>();
  for (const worker of containersOf(group, before)) {
    const had = before.get(worker);
    if (had === undefined || !gpus.includes(had.gpu)) continue;
    const own = had.cameras.filter((id) => ids.includes(id) && !placed.has(id)).slice(0, camerasPerContainer);
    if (own.length === 0) continue;
    for (const id of own) placed.add(id);
    containers.set(worker, { gpu: had.gpu, group, cameras: own, changed: own.length < had.cameras.length });
  }
  return ids.filter((id) => !placed.has(id));
}

/** Takes from `ids` what finds room: first in containers that restart anyway, then where there is most. */
function fill(
  group: string,
  ids: CameraId[],
  { camerasPerContainer }: Pick<DeepStreamConfig, 'camerasPerContainer'>,
  containers: Map<string, Container>,
): void {
  const own = [...containers.values()].filter((container) => container.group === group);
  own.sort((a, b) => Number(b.changed) - Number(a.changed) || a.cameras.length - b.cameras.length);
  for (const container of own) {
    const taken = ids.splice(0, camerasPerContainer - container.cameras.length);
    container.cameras.push(...taken);
  }
}

/** New containers for the rest, as few as can hold it and evenly full, each on the GPU with the fewest cameras. */
function open(
  group: string,
  ids: CameraId[],
  { gpus, camerasPerContainer }: Pick<DeepStreamConfig, 'gpus' | 'camerasPerContainer'>,
  containers: Map<string, Container>,
): void {
  let missing = Math.ceil(ids.length / camerasPerContainer);
  for (let number = 1; missing > 0; number += 1) {
    const worker = containerOf(group, number);
    if (containers.has(worker)) continue;
    const taken = ids.splice(0, Math.ceil(ids.length / missing));
    containers.set(worker, { gpu: idlest(gpus, containers), group, cameras: taken, changed: true });
    missing -= 1;
  }
}

function idlest(gpus: readonly string[], containers: ReadonlyMap<string, Container>): string {
  const load = (gpu: string) =>
    [...containers.values()].reduce((sum, container) => sum + (container.gpu === gpu ? container.cameras.length : 0), 0);
  return gpus.reduce((least, gpu) => (load(gpu) < load(least) ? gpu : least));
}
