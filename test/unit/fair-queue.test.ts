import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FairItem, FairQueue } from '../../src/inference/fair-queue.ts';

interface Item extends FairItem {
  readonly id: string;
}

function item(id: string, priority: Item['priority'] = 'live'): Item {
  return { id, stream: id.slice(0, 1), priority };
}

function order(queue: FairQueue<Item>): string {
  const ids: string[] = [];
  for (let next = queue.next(); next !== undefined; next = queue.next()) ids.push(next.id);
  return ids.join(' ');
}

/** A camera that asks every `periodMs`, for the first time after `phaseMs`. */
interface Camera {
  readonly periodMs: number;
  readonly phaseMs: number;
}

/** What runs `batch` requests at a time, `runMs` each time; a request that waits longer than `patienceMs` goes. */
interface Server {
  readonly batch: number;
  readonly runMs: number;
  readonly patienceMs: number;
}

/** How many requests of each camera run in a time, after as many milliseconds that do not count. */
function served(cameras: readonly Camera[], { batch, runMs, patienceMs }: Server, forMs: number): readonly number[] {
  const queue = new FairQueue<FairItem & { readonly sinceMs: number }>({ perStream: 8, total: 128 });
  const counts = cameras.map(() => 0);
  const asked = cameras.map(() => 0);
  for (let nowMs = runMs; nowMs < 2 * forMs; nowMs += runMs) {
    const arrivals = cameras.flatMap(({ periodMs, phaseMs }, camera) => {
      const found: { readonly camera: number; readonly sinceMs: number }[] = [];
      for (let at = asked[camera] ?? 0; phaseMs + at * periodMs <= nowMs; at += 1) {
        found.push({ camera, sinceMs: phaseMs + at * periodMs });
        asked[camera] = at + 1;
      }
      return found;
    });
    for (const { camera, sinceMs } of arrivals.sort((a, b) => a.sinceMs - b.sinceMs))
      queue.push({ stream: String(camera), priority: 'live', sinceMs });
    queue.dropOldest(({ sinceMs }) => nowMs - sinceMs > patienceMs);
    for (let row = 0; row < batch; row += 1) {
      const next = row === 0 ? queue.next() : queue.nextThat(() => true);
      if (next !== undefined && nowMs >= forMs) counts[Number(next.stream)] = (counts[Number(next.stream)] ?? 0) + 1;
    }
  }
  return counts;
}

/** Max-min shares: nobody gets more than they ask for, and nobody less than somebody who gets less than they ask for. */
function maxMin(demands: readonly number[], capacity: number): readonly number[] {
  const shares = new Map<number, number>();
  let left = capacity;
  for (const [camera, demand] of [...demands.entries()].sort(([, a], [, b]) => a - b)) {
    const share = Math.min(demand, left / (demands.length - shares.size));
    shares.set(camera, share);
    left -= share;
  }
  return demands.map((_, camera) => shares.get(camera) ?? 0);
}

const servers = fc.record({ batch: fc.integer({ min: 1, max: 8 }), runMs: fc.integer({ min: 5, max: 80 }) });
/** Between 0 and 1. */
const parts = fc.double({ min: 0, max: 0.999, noNaN: true });

describe('shares of cameras', () => {
  it('are nobody’s loss of more than a tenth when all ask for the same, whenever each of them asks', () => {
    fc.assert(
      fc.property(
        servers,
        fc.array(parts, { minLength: 2, maxLength: 12 }),
        fc.double({ min: 1.1, max: 4, noNaN: true }),
        (server, phases, overload) => {
          const perMs = server.batch / server.runMs;
          const periodMs = phases.length / (overload * perMs);
          const cameras = phases.map((phase) => ({ periodMs, phaseMs: phase * periodMs }));
          // For a part of each period a camera has nothing that waits, and misses the turns then.
          const patienceMs = 0.7 * periodMs + server.runMs;
          const counts = served(cameras, { ...server, patienceMs }, (100 * phases.length) / perMs);
          const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
          // More than that is what a camera has alone, at a moment when nothing of the others is left.
          for (const count of counts) assert.ok(count >= 0.9 * mean, `${counts.join(' ')} with a period of ${periodMs}`);
        },
      ),
    );
  });

  it('are max-min shares when some ask for less', () => {
    fc.assert(
      fc.property(
        servers,
        fc.array(fc.record({ phase: parts, demand: fc.integer({ min: 20, max: 400 }) }), { minLength: 2, maxLength: 12 }),
        (server, wants) => {
          const perMs = server.batch / server.runMs;
          const forMs = (100 * wants.length) / perMs;
          const cameras = wants.map(({ phase, demand }) => ({
            periodMs: forMs / demand,
            phaseMs: (phase * forMs) / demand,
          }));
          const counts = served(cameras, { ...server, patienceMs: 20 * server.runMs }, forMs);
          const demands = wants.map(({ demand }) => demand);
          // What could not run because all came at once is nobody's fault.
          const fair = maxMin(
            demands,
            counts.reduce((sum, count) => sum + count, 0),
          );
          for (const [camera, share] of fair.entries())
            assert.ok(
              (counts[camera] ?? 0) >= 0.9 * share - 2,
              `${counts.join(' ')} of ${demands.join(' ')}, not ${fair.join(' ')}`,
            );
        },
      ),
    );
  });

  it('count rows, not requests', () => {
    const queue = new FairQueue<Item & { readonly rows: number }>({ perStream: 99, total: 999 });
    const rows = { a: 0, b: 0 };
    for (let turn = 0; turn < 60; turn += 1) {
      queue.push({ ...item(`a${turn}`), rows: 4 });
      queue.push({ ...item(`b${turn}`), rows: 1 });
      const next = queue.next();
      if (next !== undefined) rows[next.stream === 'a' ? 'a' : 'b'] += next.rows;
    }
    assert.ok(Math.abs(rows.a - rows.b) <= 4, `${rows.a} and ${rows.b}`);
  });

  it('let nobody save up for long what they did not ask for, nor pay for long for what nobody else wanted', () => {
    const queueOf = () => new FairQueue<Item>({ perStream: 99, total: 999 });
    const turns = (queue: FairQueue<Item>, names: string, times: number) => {
      for (let turn = 1; turn <= times; turn += 1) for (const name of names) queue.push(item(`${name}${turn}`));
      return order(queue).replaceAll(/\d| /g, '');
    };
    const away = queueOf();
    turns(away, 'abc', 1);
    turns(away, 'ac', 50);
    assert.match(turns(away, 'abc', 20), /^b{7,9}[^b]/, 'b was away and comes first, eight times or so');
    const alone = queueOf();
    turns(alone, 'ab', 1);
    turns(alone, 'a', 50);
    assert.match(turns(alone, 'ab', 20), /^b{6,9}a/, 'a was alone and comes after, as long');
  });

  it('are forgotten of a stream that more than a thousand others came after', () => {
    const first = (others: number): string | undefined => {
      const queue = new FairQueue<FairItem>({ perStream: 9, total: 9 });
      const ask = (stream: string) => queue.push({ stream, priority: 'live' });
      const names = ['old', ...Array.from({ length: others }, (_, at) => `other ${at}`)];
      for (const name of names) {
        ask(name);
        queue.next();
      }
      ask('old');
      ask('new');
      return queue.next()?.stream;
    };
    assert.equal(first(1000), 'new');
    assert.equal(first(1024), 'old');
  });
});

describe('fair queue', () => {
  it('takes streams in turn, however many requests one of them has', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 99 });
    for (const id of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) queue.push(item(id));
    assert.equal(queue.depth, 7);
    assert.equal(order(queue), 'a1 b1 c1 a2 b2 a3 a4');
    assert.equal(queue.depth, 0);
  });

  it('puts a stream that has had its turn behind those that wait', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 99 });
    queue.push(item('a1'));
    queue.push(item('a2'));
    queue.push(item('b1'));
    assert.equal(queue.next()?.id, 'a1');
    queue.push(item('c1'));
    assert.equal(order(queue), 'b1 c1 a2');
  });

  it('serves live before background', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 99 });
    queue.push(item('e1', 'background'));
    queue.push(item('a1'));
    queue.push(item('e2', 'background'));
    queue.push(item('a2'));
    assert.equal(order(queue), 'a1 a2 e1 e2');
  });

  it('lets one background request through after sixteen live ones', () => {
    const queue = new FairQueue<Item>({ perStream: 99, total: 99 });
    queue.push(item('e1', 'background'));
    for (let count = 1; count <= 20; count += 1) queue.push(item(`a${count}`));
    assert.equal(order(queue).split(' ').indexOf('e1'), 16);
  });

  it('drops the oldest of a stream that has too many', () => {
    const queue = new FairQueue<Item>({ perStream: 2, total: 99 });
    assert.equal(queue.push(item('a1')), undefined);
    assert.equal(queue.push(item('a2')), undefined);
    assert.equal(queue.push(item('a3'))?.id, 'a1');
    assert.equal(order(queue), 'a2 a3');
  });

  it('drops the oldest of the longest stream when all together are too many', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 4 });
    for (const id of ['b1', 'a1', 'a2', 'a3']) queue.push(item(id));
    assert.equal(queue.push(item('b2'))?.id, 'a1');
    assert.equal(queue.depth, 4);
    assert.equal(order(queue), 'b1 a2 b2 a3');
  });

  it('drops background first among streams of one length', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 2 });
    queue.push(item('a1'));
    queue.push(item('e1', 'background'));
    assert.equal(queue.push(item('b1'))?.id, 'e1');
  });

  it('gives the next that fits, and leaves the turn to streams whose oldest does not', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 99 });
    for (const id of ['a1', 'a2', 'b1', 'c1']) queue.push(item(id));
    queue.push(item('e1', 'background'));
    const fits = (wanted: string) => (one: Item) => wanted.includes(one.id);
    assert.equal(queue.nextThat(fits('b1 c1'))?.id, 'b1');
    assert.equal(queue.nextThat(fits('a2')), undefined, 'not the oldest of its stream');
    assert.equal(queue.nextThat(fits('e1'))?.id, 'e1');
    assert.equal(queue.depth, 3);
    assert.equal(order(queue), 'a1 c1 a2');
  });

  it('drops the oldest that are of no use, and nobody’s turn with them', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 99 });
    for (const id of ['a1', 'a2', 'b1', 'b2', 'c1']) queue.push(item(id));
    assert.equal(queue.next()?.id, 'a1');
    const dropped = queue.dropOldest(({ id }, stream) => id === 'b1' || (id === 'c1' && stream.length > 1) || id === 'a2');
    assert.deepEqual(dropped.map(({ id }) => id).sort(), ['a2', 'b1']);
    assert.equal(queue.depth, 2);
    assert.equal(order(queue), 'b2 c1');
  });

  it('takes an item back as the oldest of its stream', () => {
    const queue = new FairQueue<Item>({ perStream: 1, total: 1 });
    queue.push(item('a1'));
    const taken = queue.next();
    assert.ok(taken !== undefined);
    queue.push(item('a2'));
    queue.putBack(taken);
    queue.putBack(item('b1'));
    assert.equal(queue.depth, 3);
    assert.deepEqual([...queue.items()].map(({ id }) => id).sort(), ['a1', 'a2', 'b1']);
    assert.equal(order(queue), 'b1 a1 a2');
  });

  it('does not count the turn of an item that was put back', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 9 });
    for (const id of ['a1', 'a2', 'b1']) queue.push(item(id));
    const taken = queue.next();
    assert.equal(taken?.id, 'a1');
    queue.putBack(taken);
    assert.equal(queue.next()?.id, 'b1', 'a tie, and it was another’s turn before');
    assert.equal(order(queue), 'a1 a2');
    queue.push(item('b2'));
    queue.push(item('a3'));
    assert.equal(order(queue), 'b2 a3', 'a has had two turns, b one');
  });

  it('forgets what nobody waits for', () => {
    const queue = new FairQueue<Item>({ perStream: 9, total: 9 });
    const one = item('a1');
    queue.push(one);
    queue.push(item('a2'));
    assert.equal(queue.remove(one), true);
    assert.equal(queue.remove(one), false);
    assert.equal(queue.depth, 1);
    assert.deepEqual(
      queue.drain().map(({ id }) => id),
      ['a2'],
    );
    assert.equal(queue.next(), undefined);
  });
});
