import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveFrame, LiveState } from '../../src/core/live-messages.ts';
import type { OverlayFrame } from '../../src/core/media-door.ts';
import type { RtspStream } from '../../src/media/channel.ts';
import { createHub } from '../../src/media/hub.ts';
import type { IntakeFormat, IntakeUnit } from '../../src/media/intake-wire.ts';
import type { ServedUnit } from '../../src/media/served-unit.ts';
import { ManualClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';

const sps = '6742c00d8c8d40a0fd80f08846a0';
const pps = '68ce3c80';
const annexB = (...nals: readonly string[]) => Buffer.from(nals.map((nal) => `00000001${nal}`).join(''), 'hex');

const format = (change: Partial<IntakeFormat> = {}): IntakeFormat => ({
  camera: 'lobby',
  epoch: 1,
  variant: 'clean',
  codec: 'h264',
  width: 320,
  height: 180,
  parameterSets: annexB(sps, pps),
  revision: '',
  ...change,
});
const unit = (index: number, change: Partial<IntakeUnit> = {}): IntakeUnit => ({
  camera: 'lobby',
  epoch: 1,
  variant: 'clean',
  key: index % 25 === 0,
  pts: BigInt(index * 3600),
  dts: BigInt(index * 3600),
  captureMs: 1_000_000 + index * 40,
  data: index % 25 === 0 ? annexB('09f0', sps, pps, '658880') : annexB('09f0', '419a20'),
  ...change,
});
const overlay = (index: number, change: Partial<OverlayFrame> = {}): OverlayFrame => ({
  camera: 'lobby',
  epoch: 1,
  pts90k: BigInt(index * 3600),
  time: 1_000_000 + index * 40,
  predicted: false,
  boxes: [],
  ...change,
});

function fixture() {
  const clock = new ManualClock();
  const ctx = testContext(clock);
  const said: string[] = [];
  const units: ServedUnit[] = [];
  const frames: LiveFrame[] = [];
  const states: LiveState[] = [];
  const readers = new Map<string, (count: number) => void>();
  const hub = createHub(
    {
      makeStream: ({ name, onReaders }): RtspStream => {
        readers.set(name, onReaders);
        return {
          readers: 0,
          lost: 0,
          push: ({ key, pts90k }) => said.push(`${name} ${key ? 'key' : 'unit'} ${pts90k}`),
          announce: ({ codec, parameterSets }) => said.push(`${name} is ${codec} with ${parameterSets.length}`),
          cut: (withdrawn) => said.push(`${name} ${withdrawn === true ? 'withdrawn' : 'cut'}`),
          end: () => said.push(`${name} ended`),
        };
      },
      onWant: (camera, annotated) => said.push(`${camera} ${annotated ? 'wanted' : 'not wanted'}`),
      onClean: () => {},
    },
    ctx,
  );
  hub.listen({
    configured: (_camera, variant) => said.push(`${variant} configured`),
    unit: (_camera, _variant, served) => units.push(served),
    cut: () => {},
    frame: (frame) => frames.push(frame),
    state: (state) => states.push(state),
    cameras: () => {},
  });
  hub.setCameras([{ camera: 'lobby', masked: false, revision: '' }]);
  return {
    clock,
    hub,
    said,
    units,
    frames,
    states,
    readers,
    take: () => said.splice(0),
    [Symbol.dispose]: () => {
      hub[Symbol.dispose]();
      ctx[Symbol.dispose]();
    },
  };
}

test('of a camera that masks are put on or taken off nothing is kept, and those who watch go on at the next key frame', () => {
  const { hub, said } = fixture();
  hub.format(format());
  const kept = () => hub.channel('lobby', 'clean')?.kept.length;
  hub.unit(unit(0));
  hub.unit(unit(1));
  assert.equal(kept(), 2);
  assert.deepEqual(hub.setCameras([{ camera: 'lobby', masked: false, revision: '' }]), [], 'nothing has changed');
  assert.equal(kept(), 2);
  for (const masked of [true, false]) {
    said.length = 0;
    assert.deepEqual(hub.setCameras([{ camera: 'lobby', masked, revision: '' }]), ['lobby']);
    assert.deepEqual(
      said.filter((line) => line.endsWith(' withdrawn')),
      ['lobby withdrawn', 'lobby/annotated withdrawn'],
    );
    hub.unit(unit(2));
    assert.equal(kept(), 0);
    hub.unit(unit(25));
    assert.equal(kept(), 1);
  }
});

test('of a camera with other settings no annotated picture is kept, and none is taken that was made with the ones before', () => {
  using all = fixture();
  const { hub, said } = all;
  hub.watch('lobby', 'annotated', 1);
  hub.format(format());
  hub.format(format({ variant: 'annotated' }));
  const kept = (variant: 'clean' | 'annotated') => hub.channel('lobby', variant)?.kept.length;
  for (const variant of ['clean', 'annotated'] as const) assert.equal(hub.unit(unit(0, { variant })), undefined);
  said.length = 0;
  assert.deepEqual(hub.setCameras([{ camera: 'lobby', masked: false, revision: 'new' }]), []);
  assert.deepEqual([said, kept('clean'), kept('annotated')], [['lobby/annotated withdrawn'], 1, 0]);
  assert.equal(hub.unit(unit(25, { variant: 'annotated' })), 'epoch', 'drawn before the worker knew');
  assert.equal(hub.unit(unit(1)), undefined, 'the clean stream is as before');
  hub.format(format({ variant: 'annotated', epoch: 2, revision: 'new' }));
  assert.equal(hub.unit(unit(0, { variant: 'annotated', epoch: 2 })), undefined);
  assert.equal(kept('annotated'), 1);
});

test('boxes and video of a camera meet on one clock, in whatever order they come', () => {
  using all = fixture();
  const { hub, frames, units } = all;
  hub.overlay(overlay(0));
  hub.overlay(overlay(1));
  assert.equal(frames.length, 0, 'held: nobody knows the clock yet');
  hub.format(format());
  for (let index = 0; index < 3; index++) assert.equal(hub.unit(unit(index)), undefined);
  hub.overlay(overlay(2));
  assert.deepEqual(
    frames.map(({ pts }) => pts),
    units.map(({ pts }) => pts),
  );
  // The source is opened again 400 ms later, with another clock; its boxes are faster than its video.
  const again = { epoch: 2, pts: 77n, dts: 77n, captureMs: 1_000_480 };
  hub.overlay(overlay(0, { epoch: 2, pts90k: 77n, time: 1_000_480 }));
  assert.equal(frames.length, 3);
  hub.format(format({ epoch: 2 }));
  assert.equal(hub.unit(unit(0, again)), undefined);
  assert.equal(units[3]?.pts, (units[2]?.pts ?? 0) + 400 * 90);
  assert.equal(frames[3]?.pts, units[3]?.pts);
  // What is late of the first epoch is placed where it belongs; its video is refused.
  hub.overlay(overlay(2));
  assert.equal(frames[4]?.pts, units[2]?.pts);
  assert.equal(hub.unit(unit(3)), 'epoch');
  assert.equal(hub.unit(unit(3, { camera: 'other' })), 'camera');
});

test('metadata without video is shown after a moment, and never more is held than a bound', async () => {
  using all = fixture();
  const { hub, frames, clock } = all;
  for (let index = 0; index < 200; index++) hub.overlay(overlay(index));
  assert.equal(frames.length, 0);
  assert.equal(hub.framesLost, 72);
  await clock.advance(2000);
  assert.equal(frames.length, 128);
  hub.overlay(overlay(200));
  assert.equal(frames.length, 129);
  assert.equal((frames.at(-1)?.pts ?? 0) - (frames[0]?.pts ?? 0), 128 * 3600);
  hub.overlay(overlay(0, { epoch: 0 }));
  assert.equal(hub.framesLost, 73, 'of an epoch that is over');
});

test('the last group of pictures is kept for who comes, and forgotten where it does not go on', () => {
  using all = fixture();
  const { hub } = all;
  const kept = () => hub.channel('lobby', 'clean')?.kept.length;
  hub.format(format({ parameterSets: Buffer.alloc(0) }));
  assert.equal(hub.channel('lobby', 'clean')?.config, undefined);
  for (let index = 20; index < 32; index++) hub.unit(unit(index));
  assert.equal(kept(), 7, 'from the key frame on');
  const config = hub.channel('lobby', 'clean')?.config;
  assert.equal(config?.codec, 'avc1.42C00D');
  assert.deepEqual(Buffer.from(config?.description ?? '', 'base64').subarray(0, 6), Buffer.from('0142c00dffe1', 'hex'));
  const [key, next] = hub.channel('lobby', 'clean')?.kept ?? [];
  assert.deepEqual(key?.prefixed(), Buffer.from('00000003658880', 'hex'), 'pictures alone');
  assert.deepEqual(next?.prefixed(), Buffer.from('00000003419a20', 'hex'));
  assert.equal(key?.prefixed(), key?.prefixed(), 'made once');
  hub.state('lobby', { state: 'away', since: 1, reason: 'connection refused' });
  assert.equal(kept(), 0);
  for (let index = 50; index < 52; index++) hub.unit(unit(index));
  assert.equal(kept(), 2);
  hub.format(format({ epoch: 2 }));
  hub.unit(unit(60, { epoch: 2 }));
  assert.equal(kept(), 0, 'another epoch, and no key frame yet');
  const big = Buffer.concat([annexB('6588'), Buffer.alloc(9_000_000, 0xab)]);
  hub.unit(unit(75, { epoch: 2, data: big }));
  hub.unit(unit(76, { epoch: 2, data: big }));
  assert.equal(kept(), 0, 'more than is kept');
});

test('annotated video is asked for while somebody watches and a moment longer, and taken only then', async () => {
  using all = fixture();
  const { hub, clock, readers, take } = all;
  hub.format(format({ variant: 'annotated' }));
  assert.equal(hub.unit(unit(0, { variant: 'annotated' })), 'unwanted');
  take();
  const rtsp = readers.get('lobby/annotated');
  rtsp?.(1);
  rtsp?.(2);
  hub.watch('lobby', 'annotated', 1);
  assert.deepEqual(take(), ['lobby wanted']);
  assert.equal(hub.unit(unit(0, { variant: 'annotated' })), undefined);
  rtsp?.(0);
  await clock.advance(5000);
  hub.watch('lobby', 'annotated', -1);
  await clock.advance(1500);
  rtsp?.(1);
  await clock.advance(5000);
  assert.deepEqual(
    take().filter((line) => line.includes('wanted')),
    [],
    'somebody was back in time',
  );
  assert.equal(hub.channel('lobby', 'annotated')?.kept.length, 1);
  rtsp?.(0);
  await clock.advance(2100);
  assert.deepEqual(take(), ['lobby/annotated cut', 'lobby not wanted']);
  assert.equal(hub.channel('lobby', 'annotated')?.kept.length, 0);
});

test('people are told when boxes do not keep up with the video, and when a camera goes', async () => {
  using all = fixture();
  const { hub, clock, states, said } = all;
  hub.state('lobby', { state: 'live', since: 5, codec: 'h264', width: 320, height: 180, decode: 'software' });
  assert.deepEqual(states.splice(0), [{ type: 'state', camera: 'lobby', state: 'live', since: 5 }]);
  hub.format(format());
  for (let index = 0; index < 100; index++) {
    hub.unit(unit(index));
    if (index < 25) hub.overlay(overlay(index));
    await clock.advance(40);
  }
  assert.ok((states.at(-1)?.inferenceBehindMs ?? 0) > 2000);
  assert.equal(hub.stateOf('lobby')?.inferenceBehindMs, states.at(-1)?.inferenceBehindMs);
  hub.overlay(overlay(99));
  await clock.advance(600);
  assert.equal(states.at(-1)?.inferenceBehindMs, undefined);
  said.length = 0;
  hub.setCameras([{ camera: 'door', masked: true, revision: '' }]);
  assert.deepEqual(said, ['lobby ended', 'lobby/annotated ended']);
  assert.equal(hub.stream('lobby'), undefined);
  assert.equal(hub.stream('door/annotated')?.camera.masked, true);
});
