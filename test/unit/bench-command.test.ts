import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { benchPicture } from '../../src/cli/bench-picture.ts';
import type { ModelDescription } from '../../src/core/inference.ts';
import type { StreamPoint, SweepPoint, TritonBenchReport, TritonBenchRequest } from '../../src/core/triton-bench.ts';
import { randomInputs, rowShapes } from '../../src/inference/random-tensors.ts';
import { checkInputs } from '../../src/inference/tensor.ts';
import { runCommand } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';

const server = { executions: 5, rows: 40, queueMs: 1.5, inputMs: 0.25, computeMs: 12, outputMs: 0.5 };
const sweepPoint = (batch: number, concurrency: number): SweepPoint => ({
  batch,
  concurrency,
  requests: 20,
  rowsPerSecond: 8.5 * batch,
  seconds: 2,
  latencyMs: { p50: 10, p95: 20, p99: 30 },
  server,
  failed: 0,
});
const streamPoint: StreamPoint = {
  streams: 8,
  fps: 5,
  offered: 80,
  inTime: 60,
  missed: 20,
  inTimeLeast: 6,
  inTimeMost: 9,
  seconds: 2,
  failed: 1,
  failure: 'the model broke',
};
const report: TritonBenchReport = {
  server: 'triton.test:8001',
  serverVersion: '2.51.0',
  model: 'embed',
  modelVersion: '3',
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [3, 8, 8] }],
  deadlineMs: 200,
  sweep: [sweepPoint(1, 1), sweepPoint(1, 4), sweepPoint(2, 1)],
  streams: [streamPoint],
  stopped: false,
};

async function asked(args: readonly string[]): Promise<TritonBenchRequest> {
  const requests: TritonBenchRequest[] = [];
  const benchTriton = async (request: TritonBenchRequest) => {
    requests.push(request);
    return report;
  };
  const { error } = await runCommand(['bench', 'triton', 'triton.test', ...args], { benchTriton });
  assert.equal(error, undefined);
  const [request] = requests;
  assert.ok(request !== undefined);
  return request;
}

describe('sightline bench triton', () => {
  it('asks for every pair by default, for streams alone when they are named, for both when both are', async () => {
    const plain = await asked([]);
    assert.deepEqual([plain.batches, plain.concurrencies, plain.streams], [[1], [1, 2, 4, 8, 16], []]);
    const streams = await asked(['--streams', '8,4,8', '--fps', '2.5', '--deadline', '150', '--shared-memory']);
    assert.deepEqual([streams.batches, streams.concurrencies, streams.streams], [[], [], [4, 8]]);
    assert.deepEqual([streams.fps, streams.deadlineMs, streams.sharedMemory], [2.5, 150, true]);
    const both = await asked(['--streams', '4', '--batch', '2', '--shape', 'a=b=3x32x64', '--shape', 'c=1']);
    assert.deepEqual([both.batches, both.concurrencies], [[2], [1, 2, 4, 8, 16]]);
    assert.deepEqual(both.shapes, { 'a=b': [3, 32, 64], c: [1] });
  });

  it('says what is wrong with its arguments, and what would be right', async () => {
    for (const [args, text] of [
      [[], /what to measure is missing: triton/],
      [['onnx'], /unexpected onnx; there is triton/],
      [['triton'], /URL is missing/],
      [['triton', 'a', 'b'], /one URL is expected, not also b/],
      [['triton', 'a', '--batch', '1,x'], /--batch x is not a whole number from 1 to 1024/],
      [['triton', 'a', '--batch', '1,,2'], /--batch {2}is not a whole number/],
      [['triton', 'a', '--concurrency', '0'], /--concurrency 0 is not a whole number from 1 to 1024/],
      [['triton', 'a', '--seconds', '0'], /--seconds 0 is not a number from 0.1 to 3600/],
      [['triton', 'grpcs://a', '--cert', 'c.pem'], /--cert and --key go together/],
      [['triton', 'a', '--fps', '5'], /--fps is of --streams, which is missing/],
      [['triton', 'a', '--shape', 'images'], /--shape images is not INPUT=SIZES/],
      [['triton', 'a', '--shape', 'images=3x0'], /--shape images=3x0 is not INPUT=SIZES/],
      [['triton', 'a', '--svg', '/no/such/folder/a.svg'], /--svg \/no\/such\/folder\/a.svg cannot be written/],
      [['triton', 'a', '--json', '/tmp'], /--json \/tmp cannot be written: it is a folder/],
      [['triton', 'a', '--streams', '4096', '--fps', '1000'], /4096000 requests a second are too many; at most 100000/],
      [
        ['triton', 'a', '--batch', Array.from({ length: 21 }, (_, at) => at + 1).join()],
        /105 points are too many; at most 100/,
      ],
    ] as const) {
      const { error } = await runCommand(['bench', ...args], {});
      assert.ok(error instanceof Error && 'code' in error, args.join(' '));
      assert.equal(error.code, 'cli.usage');
      assert.match(error.message, text);
    }
  });

  it('prints what was measured, and writes figures and picture', async () => {
    await using directory = await temporaryDirectory();
    const [json, svg] = [join(directory.path, 'a.json'), join(directory.path, 'a.svg')];
    const benchTriton = async () => report;
    const { code, out } = await runCommand(['bench', 'triton', 'x', '--json', json, '--svg', svg], { benchTriton });
    assert.equal(code, 0);
    const text = out.join('\n');
    assert.match(text, /^embed version 3 on triton\.test:8001, Triton 2\.51\.0; a row: pixels FP32 \[3, 8, 8\]/);
    assert.match(text, /^2 +1 +20 +17\.0 +10\.0 +20\.0 +30\.0 +1\.50 +0\.25 +12\.0 +0\.50 +8\.0 +0$/m);
    assert.match(text, /^8 +40\.0 +30\.0 +20 \(25\.0 %\) +3\.0 to 4\.5 +–/m);
    assert.match(text, /^failed: the model broke$/m);
    assert.deepEqual(JSON.parse(await readFile(json, 'utf8')), report);
    assert.match(await readFile(svg, 'utf8'), /^<svg /);
  });

  it('ends with 1 and says so when figures cannot be written, which were printed before', async () => {
    const benchTriton = async () => report;
    const { code, error, out, said } = await runCommand(['bench', 'triton', 'x', '--json', '/dev/full'], { benchTriton });
    assert.deepEqual([code, error], [1, undefined]);
    assert.match(out.join('\n'), /^embed version 3/);
    assert.match(said.join('\n'), /^--json \/dev\/full cannot be written: ENOSPC/m);
  });

  it('ends with 1 and without a picture when it was stopped before the first point', async () => {
    await using directory = await temporaryDirectory();
    const svg = join(directory.path, 'a.svg');
    const benchTriton = async () => ({ ...report, sweep: [], streams: [], stopped: true });
    const { code, out } = await runCommand(['bench', 'triton', 'x', '--svg', svg], { benchTriton });
    assert.equal(code, 1);
    assert.equal(out.at(-1), 'stopped before all was measured');
    assert.equal(existsSync(svg), false);
  });

  it('draws higher what is more, leaves out what was not measured, and escapes names', () => {
    const picture = benchPicture({ ...report, model: '<b>&', streams: [] });
    assert.ok(picture.includes('&#60;b&#62;&#38; version 3') && !picture.includes('<b>'));
    const curves = [...picture.matchAll(/<polyline points="([^"]*)"[^>]* stroke="(#\w+)"/g)].map(([, points = '', colour]) => ({
      colour,
      heights: points.split(' ').map((point) => Number(point.split(',')[1])),
    }));
    const [one, two] = curves;
    assert.notEqual(one?.colour, two?.colour);
    assert.deepEqual([one?.heights.length, two?.heights.length], [2, 1], 'batch 2 was measured at one place only');
    assert.equal(one?.heights[0], one?.heights[1]);
    assert.ok(Number(two?.heights[0]) < Number(one?.heights[0]));
  });
});

describe('a picture of a bench', () => {
  const titles = (picture: string) => [...picture.matchAll(/font-weight="bold">([^<]*)</g)].map(([, title]) => title).slice(1);
  const heights = (picture: string, chart: string) =>
    [...(picture.split(chart)[1]?.split('</g>')[0] ?? '').matchAll(/<polyline points="([^"]*)"/g)].map(([, points = '']) =>
      points.split(' ').map((point) => Number(point.split(',')[1])),
    );

  it('shows how much, how long, what was missed, and where the time goes', () => {
    const streams = [{ ...streamPoint, server, latencyMs: { p50: 10, p95: 20, p99: 30 } }];
    const picture = benchPicture({ ...report, streams });
    assert.deepEqual(titles(picture), [
      'rows a second',
      'answer to a request, ms: median, dashed p99',
      'in the server, mean ms: run, dashed queue',
      'requests a second',
      'answer to a stream, ms',
      'in the server, mean ms of a request',
    ]);
    assert.match(picture, /a row: pixels FP32 \[3, 8, 8\]; 2 s for each point/);
    const [[run = 0] = [], [queue = 0] = []] = heights(picture, 'in the server, mean ms of a request');
    assert.ok(run < queue, 'of 12.75 ms and 1.5');
    const [[offered = 0] = [], [inTime = 0] = [], [missed = 0] = []] = heights(picture, 'requests a second');
    assert.ok(offered < inTime && inTime < missed);
  });

  it('leaves out what the server did where it keeps no statistics', () => {
    const { server: _, ...without } = sweepPoint(1, 1);
    assert.equal(titles(benchPicture({ ...report, sweep: [without], streams: [streamPoint] })).length, 4);
  });

  it('spreads values of which some are many times the others', () => {
    const of = (concurrency: number, p50: number) => ({
      ...sweepPoint(1, concurrency),
      latencyMs: { p50, p95: p50, p99: p50 },
    });
    const picture = benchPicture({ ...report, sweep: [of(1, 1), of(2, 10), of(4, 100)], streams: [] });
    const [[one = 0, ten = 0, hundred = 0] = []] = heights(picture, 'answer to a request');
    assert.ok(Math.abs(one - ten - (ten - hundred)) < 0.2, `${one}, ${ten}, ${hundred}`);
  });
});

describe('random inputs', () => {
  const model = (dims: readonly number[], maxBatchSize: number, datatype: 'FP32' | 'INT64' | 'BYTES' = 'FP32') =>
    ({
      name: 'm',
      version: '1',
      maxBatchSize,
      inputs: [{ name: 'in', datatype, dims }],
      outputs: [],
      parameters: {},
    }) satisfies ModelDescription;

  it('keep to the contract', () => {
    for (const [described, given] of [
      [model([3, 4], 8), {}],
      [model([3, -1, -1], 8), { in: [3, 4, 6] }],
      [model([-1, 3, 4], 0), {}],
      [model([7], 8, 'INT64'), {}],
      [model([2], 8, 'BYTES'), {}],
    ] as const) {
      const inputs = randomInputs(described, rowShapes(described, given), described.maxBatchSize > 0 ? 5 : 1);
      checkInputs(described, inputs);
      assert.notDeepEqual(randomInputs(described, rowShapes(described, given), 1)[0]?.data, inputs[0]?.data);
    }
  });

  it('want the sizes of free axes, and refuse others', () => {
    const free = model([3, -1, -1], 8);
    assert.throws(() => rowShapes(free, {}), { code: 'cli.usage', message: /--shape in=3xNxN/ });
    assert.throws(() => rowShapes(free, { in: [4, 8, 8] }), { code: 'cli.usage', message: /\[3, \?, \?\]/ });
    assert.throws(() => rowShapes(free, { in: [3, 8] }), { code: 'cli.usage' });
    assert.throws(() => rowShapes(free, { out: [3] }), { code: 'cli.usage', message: /no input out; it has in/ });
  });
});
