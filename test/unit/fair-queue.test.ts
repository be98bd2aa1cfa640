import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
    assert.equal(order(queue), 'b1 a2 c1');
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
    const dropped = queue.dropOldest(({ id }, more) => id === 'b1' || (id === 'c1' && more) || id === 'a2');
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
    assert.equal(order(queue), 'a1 b1 a2');
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
