import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLane, type LaneItem } from '../../src/software-worker/lane.ts';
import { createSlots } from '../../src/software-worker/slots.ts';

interface Item extends LaneItem {
  readonly id: number;
}

/** A lane whose work ends when told to. */
function lane(options: { paced: boolean; limit: number }) {
  const begun: { readonly id: number; readonly due: readonly number[] }[] = [];
  const released: number[] = [];
  const takenOver: (readonly [id: number, twice: readonly number[]])[] = [];
  const lost: number[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const made = createLane<Item>({
    ...options,
    work: async ({ id, due }) => {
      begun.push({ id, due });
      if (due.length === 0) return;
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
    },
    onTakenOver: ({ id }, twice) => takenOver.push([id, twice]),
    onLost: ({ id }) => lost.push(id),
  });
  const item = (id: number, due: readonly number[] = []): Item => ({ id, due, release: () => void released.push(id) });
  return { made, begun, released, takenOver, lost, gates, item };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the lane of a live source', () => {
  test('keeps order: frames without detection wait for the one before them', async () => {
    const { made, begun, gates, item } = lane({ paced: false, limit: 100 });
    await made.push(item(0, [0]));
    await made.push(item(1));
    await made.push(item(2));
    await turn();
    assert.deepEqual(
      begun.map(({ id }) => id),
      [0],
    );
    gates[0]?.resolve();
    await made.idle();
    assert.deepEqual(
      begun.map(({ id }) => id),
      [0, 1, 2],
    );
  });

  test('says which detectors look once less because a newer frame took over', async () => {
    const { made, gates, takenOver, item } = lane({ paced: false, limit: 100 });
    for (const [id, due] of [[0], [0, 1], [1, 2], [2]].entries()) await made.push(item(id, due));
    assert.deepEqual(takenOver, [
      [1, [1]],
      [2, [2]],
    ]);
    gates[0]?.resolve();
    await turn();
    gates[1]?.resolve();
    await made.idle();
  });

  test('lets the newest due frame take over, with the detectors of the one it replaces, and loses no frame', async () => {
    const { made, begun, gates, takenOver, released, item } = lane({ paced: false, limit: 100 });
    await made.push(item(0, [0]));
    await made.push(item(1, [1]));
    await made.push(item(2));
    await made.push(item(3, [0]));
    assert.deepEqual(takenOver, [[1, []]]);
    assert.deepEqual(released, [1]);
    gates[0]?.resolve();
    await turn();
    gates[1]?.resolve();
    await made.idle();
    assert.deepEqual(begun, [
      { id: 0, due: [0] },
      { id: 1, due: [] },
      { id: 2, due: [] },
      { id: 3, due: [0, 1] },
    ]);
  });

  test('loses the oldest waiting frame, and says so, when detection hangs', async () => {
    const { made, lost, gates, item } = lane({ paced: false, limit: 2 });
    for (let id = 0; id < 5; id += 1) await made.push(item(id, id === 0 ? [0] : []));
    assert.deepEqual(lost, [1, 2]);
    gates[0]?.resolve();
    await made.idle();
  });
});

describe('the lane of a file at full speed', () => {
  test('makes decoding wait instead of passing a frame over', async () => {
    const { made, begun, gates, takenOver, item } = lane({ paced: true, limit: 2 });
    const pushed: number[] = [];
    const pushing = (async () => {
      for (let id = 0; id < 5; id += 1) {
        await made.push(item(id, [0]));
        pushed.push(id);
      }
    })();
    await turn();
    assert.deepEqual(pushed, [0, 1]);
    for (let id = 0; id < 5; id += 1) {
      gates[id]?.resolve();
      await turn();
    }
    await pushing;
    await made.idle();
    assert.deepEqual([begun.length, takenOver], [5, []]);
  });
});

test('a lane whose work fails says so to whoever pushes and lets go of every frame', async () => {
  const released: number[] = [];
  const made = createLane<Item>({
    paced: true,
    limit: 3,
    work: () => Promise.reject(new Error('broken')),
    onTakenOver: () => {},
    onLost: () => {},
  });
  const item = (id: number): Item => ({ id, due: [], release: () => void released.push(id) });
  const pushed = [made.push(item(0)), made.push(item(1))];
  await Promise.allSettled(pushed);
  await assert.rejects(made.idle(), /broken/);
  await assert.rejects(made.push(item(2)), /broken/);
  assert.deepEqual(released, [0, 1, 2]);
});

describe('slots', () => {
  test('admit as many as there are, in order of arrival, and more when there are more', async () => {
    const slots = createSlots(1);
    const { signal } = new AbortController();
    const entered: number[] = [];
    const take = async (id: number) => {
      const slot = await slots.take(signal);
      entered.push(id);
      return slot;
    };
    const first = await take(0);
    const others = [take(1), take(2), take(3)];
    await turn();
    assert.deepEqual([entered, slots.waiting], [[0], 3]);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    await turn();
    assert.deepEqual(entered, [0, 1]);
    slots.resize(3);
    await Promise.all(others);
    assert.deepEqual(entered, [0, 1, 2, 3]);
  });

  test('whoever gives up waiting leaves the line', async () => {
    const slots = createSlots(1);
    const controller = new AbortController();
    const first = await slots.take(controller.signal);
    const waiting = slots.take(controller.signal);
    controller.abort(new Error('gave up'));
    await assert.rejects(waiting, /gave up/);
    assert.equal(slots.waiting, 0);
    first[Symbol.dispose]();
    await slots.take(new AbortController().signal);
  });
});
