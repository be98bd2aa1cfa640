import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { nativeSettings } from '../src/core/native-settings.ts';
import { createMembers } from '../src/watchlist/members.ts';
import { type Searcher, startSearcher } from '../src/watchlist/searcher.ts';
import { createTurns } from '../src/watchlist/turns.ts';
import { type TestContext, testContext } from '../test/support/context.ts';
import { until } from '../test/support/until.ts';
import { dimensions, drawFaces, type Faces, picturesEach } from './match/faces.ts';
import { missingPeer, peerPython } from './support/peer.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/match.ts [--sizes 1000,10000,100000] [--graph 250000] [--rounds 7] [--no-peer]

Comparing embeddings of 512 floats with the watchlist: the call that the daemon makes, thread and ranking included, beside faiss-cpu in
Python searching the bare vectors (k = 5, one thread), in turns. Above 100 000 pictures the graph: how often it finds whom the exact
search finds, and how long searches wait while it is built. Prints a table, writes bench/results/match.json.

  --sizes    enrolled pictures, exact search
  --graph    enrolled pictures for the graph, of 4 per person; 0 for none. 250 000 take five minutes and 3 GB
  --rounds   measurements of each figure; the least is taken on both sides
  --no-peer  ours alone`;

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1000,10000,100000' },
    graph: { type: 'string', default: '250000' },
    rounds: { type: 'string', default: '7' },
    'no-peer': { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

const space = { name: 'drawn@1', dimensions, threshold: 0.5 };
/** As `mqtt.topK` has it by default. */
const candidates = 3;
const batch = 32;
/** Pictures enrolled in one call, to spare memory; a list for the graph comes whole, as it does at start. */
const enrolAtOnce = 5000;
/** What the issue asks for, as a share of the peer's time in a batch. */
const targets: Readonly<Record<number, number>> = { 10000: 0.3, 100000: 0.2 };

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

interface Room extends AsyncDisposable {
  readonly searcher: Searcher;
  readonly people: readonly Float32Array[];
  /** Id of the best reference per look, or undefined; all in one call. */
  find(looks: readonly Float32Array[]): Promise<readonly (string | undefined)[]>;
}

/** A searcher as the watchlist has it, with `size` pictures enrolled; the store is only asked when the index dies. */
async function startRoom(size: number, atOnce: number, faces: Faces, ctx: TestContext): Promise<Room> {
  const members = createMembers();
  const searcher = await startSearcher(
    {
      store: { load: () => Promise.reject(new Error('the index died')) } as never,
      turns: createTurns(1),
      scanOnly: false,
      spaces: () => ({ face: space }),
      ranked: (id, { threshold }) =>
        members.ranked(id, { now: ctx.clock.now(), lists: { banned: { kind: 'watch' } }, threshold }),
      indexed: (references) => references,
    },
    [],
    ctx,
  );
  const people = Array.from({ length: Math.ceil(size / picturesEach) }, () => faces.person());
  for (let first = 0; first < size; first += atOnce) {
    const pictures = Array.from({ length: Math.min(atOnce, size - first) }, (_, at) => {
      const person = (first + at) % people.length;
      const entry = {
        id: `p${person}`,
        name: `p${person}`,
        list: 'banned',
        kind: 'face',
        notes: '',
        reason: '',
        addedBy: '',
        addedAt: 0,
      } as const;
      const reference = {
        id: `r${first + at}`,
        entryId: entry.id,
        space: space.name,
        negative: false,
        accepted: false,
      } as const;
      members.put(entry, [reference as never]);
      return { id: reference.id, vector: faces.look(people[person] ?? new Float32Array(dimensions)) };
    });
    await searcher.put('face', pictures);
  }
  progress(`${size} pictures enrolled`);
  return {
    searcher,
    people,
    find: async (looks) => {
      const queries = looks.map((vector) => ({ kind: 'face', embedding: { vector, space: space.name } }) as const);
      return (await searcher.search(queries, candidates)).map(({ top }) => top[0]?.referenceId);
    },
    [Symbol.asyncDispose]: () => searcher[Symbol.asyncDispose](),
  };
}

async function cost(times: number, queries: number, work: () => Promise<unknown>): Promise<Cost> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  for (let at = 0; at < times; at += 1) await work();
  const used = process.cpuUsage(cpu);
  const per = 1 / times / queries;
  return { cpuMs: ((used.user + used.system) / 1000) * per, wallMs: (performance.now() - wall) * per };
}

function least(costs: readonly Cost[]): Cost {
  return { cpuMs: Math.min(...costs.map(({ cpuMs }) => cpuMs)), wallMs: Math.min(...costs.map(({ wallMs }) => wallMs)) };
}

interface Peer extends Disposable {
  measure(size: number, queries: number, times: number): Promise<Cost>;
  readonly version: string;
}

async function startPeer(): Promise<Peer> {
  const child = spawn(await peerPython(), [join(import.meta.dirname, 'match/peer.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child, 'spawn');
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let version = '';
  return {
    get version() {
      return version;
    },
    measure: async (size, queries, times) => {
      child.stdin.write(`${size} ${queries} ${times}\n`);
      const { value, done } = await answers.next();
      if (done === true) throw new Error('the peer ended');
      const answer = JSON.parse(value) as Cost & { version: string };
      ({ version } = answer);
      return answer;
    },
    [Symbol.dispose]: () => void child.kill(),
  };
}

const rounds = Number(values.rounds);
const rows: string[][] = [];
const figures: Record<string, unknown>[] = [];

function ms(value: number): string {
  return value >= 10 ? value.toFixed(1) : value.toFixed(3);
}

async function measureExact(size: number, peer: Peer | undefined): Promise<void> {
  using ctx = testContext();
  const faces = drawFaces(1);
  await using room = await startRoom(size, enrolAtOnce, faces, ctx);
  const looks = Array.from({ length: batch }, (_, at) =>
    faces.look(room.people[(7 * at) % room.people.length] ?? faces.person()),
  );
  for (const queries of [batch, 1]) {
    const times = Math.max(2, Math.round((queries === 1 ? 100_000 : 200_000 / 16) / size));
    const some = looks.slice(0, queries);
    const ours: Cost[] = [];
    const theirs: Cost[] = [];
    await room.find(some);
    await peer?.measure(size, queries, 1);
    for (let round = 0; round < rounds; round += 1) {
      ours.push(await cost(times, queries, () => room.find(some)));
      if (peer !== undefined) theirs.push(await peer.measure(size, queries, times));
    }
    const own = least(ours);
    const other = peer === undefined ? undefined : least(theirs);
    const target = queries === batch ? targets[size] : undefined;
    figures.push({ size, queries, index: room.searcher.info.kind, ours: own, peer: other, target });
    rows.push([
      `${size}`,
      `${queries}`,
      room.searcher.info.kind,
      ms(own.cpuMs),
      ms(own.wallMs),
      other === undefined ? '' : ms(other.cpuMs),
      other === undefined ? '' : `${(own.cpuMs / other.cpuMs).toFixed(2)}x`,
      target === undefined || other === undefined
        ? ''
        : `<= ${target}x: ${own.cpuMs <= target * other.cpuMs ? 'reached' : 'missed'}`,
    ]);
    progress(`${size} pictures, ${queries} at once: measured`);
  }
}

/** Between searches while a graph is built. */
const pauseMs = 100;

/** Times of searches of one look each, milliseconds, asked for while `during` is not over. */
async function waits(room: Room, faces: Faces, during: () => boolean): Promise<number[]> {
  const took: number[] = [];
  while (during()) {
    const look = faces.look(room.people[Math.floor(faces.random() * room.people.length)] ?? faces.person());
    const began = performance.now();
    await room.find([look]);
    took.push(performance.now() - began);
    await wait(pauseMs); // the build has the processor
  }
  return took;
}

async function measureGraph(size: number): Promise<string[]> {
  using ctx = testContext();
  const faces = drawFaces(2);
  const builds = (result: string) => ctx.lines.filter(({ msg }) => msg === result);
  const built = () => builds('the index for a large list is built').length;
  await using room = await startRoom(size, size, faces, ctx);
  const someone = () => room.people[Math.floor(faces.random() * room.people.length)] ?? faces.person();
  const groups = {
    'listed, cosine 0.7': Array.from({ length: 1000 }, () => faces.look(someone(), 0.7)),
    'listed, cosine 0.6': Array.from({ length: 1000 }, () => faces.look(someone(), 0.6)),
    'not listed': Array.from({ length: 1000 }, () => faces.person()),
  };
  async function answers(looks: readonly Float32Array[]): Promise<readonly (string | undefined)[]> {
    const found: (string | undefined)[] = [];
    for (let at = 0; at < looks.length; at += 100) found.push(...(await room.find(looks.slice(at, at + 100))));
    return found;
  }
  if (room.searcher.info.kind !== 'faiss-flat') throw new Error('the graph was built before the exact answers were taken');
  const truth = new Map<string, readonly (string | undefined)[]>();
  for (const [name, looks] of Object.entries(groups)) truth.set(name, await answers(looks));
  progress('exact answers taken; searches go on while the graph is built');
  const cpu = process.cpuUsage();
  const whileBuilding = await waits(room, faces, () => built() === 0);
  const seconds = Number(builds('the index for a large list is built')[0]?.['seconds']);
  progress(
    `built after ${seconds} s; ${((process.cpuUsage(cpu).user + process.cpuUsage(cpu).system) / 1e6).toFixed(0)} s of CPU since, searches included`,
  );
  await until('the graph serves', () => room.searcher.info.kind === 'faiss-hnsw');
  const recalls: Record<string, number> = {};
  for (const [name, looks] of Object.entries(groups)) {
    const found = await answers(looks);
    recalls[name] = found.filter((id, at) => id === truth.get(name)?.[at]).length / looks.length;
  }
  const looks = groups['listed, cosine 0.7'].slice(0, batch);
  for (const queries of [batch, 1]) {
    const some = looks.slice(0, queries);
    const costs: Cost[] = [];
    for (let round = 0; round < rounds; round += 1) costs.push(await cost(5, queries, () => room.find(some)));
    const own = least(costs);
    figures.push({ size, queries, index: room.searcher.info.kind, ours: own });
    rows.push([`${size}`, `${queries}`, room.searcher.info.kind, ms(own.cpuMs), ms(own.wallMs), '', '', '']);
  }
  // The next graph is built when a fiftieth has changed; the old one goes on meanwhile.
  const added = Array.from({ length: Math.ceil(size / 50) + 1001 }, (_, at) => ({ id: `added${at}`, vector: faces.person() }));
  await room.searcher.put('face', added);
  const whileRebuilding = await waits(room, faces, () => built() === 1);
  const waited = (took: readonly number[]) =>
    `p50 ${ms(quantile(took, 0.5))}, p99 ${ms(quantile(took, 0.99))}, longest ${ms(Math.max(...took))} ms of ${took.length} searches`;
  figures.push({
    size,
    buildSeconds: seconds,
    recalls,
    whileBuilding: waited(whileBuilding),
    whileRebuilding: waited(whileRebuilding),
  });
  return [
    `graph, ${size} pictures: recall@1 against the exact search ${Object.entries(recalls)
      .map(([name, share]) => `${name}: ${share.toFixed(3)}`)
      .join('; ')} (listed >= 0.99: ${(recalls['listed, cosine 0.7'] ?? 0) >= 0.99 ? 'reached' : 'missed'})`,
    `single searches while the first graph is built (${seconds} s, exact index): ${waited(whileBuilding)}`,
    `single searches while the next one is built (old graph): ${waited(whileRebuilding)}`,
  ];
}

if (values.help) console.log(usage);
else {
  Object.assign(process.env, nativeSettings(process.env, readFileSync('/proc/cpuinfo', 'utf8')));
  const missing = values['no-peer'] ? 'not asked for' : missingPeer();
  if (missing !== false) progress(`without the peer: ${missing}`);
  using peer = missing === false ? await startPeer() : undefined;
  for (const size of values.sizes.split(',').filter((text) => text !== '')) await measureExact(Number(size), peer);
  const notes = Number(values.graph) > 0 ? await measureGraph(Number(values.graph)) : [];
  publish({
    name: 'match',
    title: 'Comparing 512 floats with the watchlist, milliseconds per query',
    columns: ['pictures', 'at once', 'index', 'CPU', 'wall', `peer's CPU`, 'ratio', 'target'],
    rows,
    notes: [
      ...notes,
      ...(peer === undefined
        ? []
        : [`peer: faiss-cpu ${peer.version}, IndexFlatIP, one thread; least of ${rounds} turns on both sides`]),
    ],
    figures,
  });
}
