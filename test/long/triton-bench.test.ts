import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeCertificates } from '../support/certificates.ts';
import { runProgram, startProgram } from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { missingTriton, pythonModel, startTriton, type TritonServer, tritonRepository } from '../support/triton.ts';
import { until } from '../support/until.ts';

const skip = await missingTriton();
/** Gives each row's sum; takes a moment for each run, whatever its rows. */
const sumConfig = `max_batch_size: 8
input [ { name: "values" data_type: TYPE_FP32 dims: [ 4, -1 ] } ]
output [ { name: "sum" data_type: TYPE_FP32 dims: [ 1 ] } ]
dynamic_batching { }`;
const sumBody = `
time.sleep(0.005)
return pb_utils.InferenceResponse([pb_utils.Tensor("sum", inputs["values"].sum(axis=(1, 2), keepdims=True)[:, :, 0])])
`;

describe('sightline bench triton', { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let server: TritonServer;

  before(async () => {
    directory = await temporaryDirectory();
    await pythonModel(directory.path, 'sums', sumConfig, sumBody);
    await tritonRepository(directory.path, ['slow', 'failing']);
    server = await startTriton({ repository: directory.path });
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await directory?.[Symbol.asyncDispose]();
  });

  const model = ['--model', 'sums', '--shape', 'values=4x64'];

  it('measures a sweep and streams, and agrees with the server’s own count', async () => {
    const json = join(directory.path, 'report.json');
    const svg = join(directory.path, 'report.svg');
    const load = ['--batch', '1,8', '--concurrency', '1,4', '--streams', '2', '--fps', '10', '--deadline', '2000'];
    const files = ['--seconds', '1', '--json', json, '--svg', svg];
    const { code, stdout, stderr } = await runProgram(['bench', 'triton', server.url, ...model, ...load, ...files]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /5 of 5: 2 streams, 10 fps/);
    assert.match(stdout, /values FP32 \[4, 64\]/);
    const report = JSON.parse(await readFile(json, 'utf8'));
    assert.deepEqual(
      report.sweep.map(({ batch, concurrency }: { batch: number; concurrency: number }) => [batch, concurrency]),
      [
        [1, 1],
        [1, 4],
        [8, 1],
        [8, 4],
      ],
    );
    for (const point of report.sweep) {
      assert.equal(point.failed, 0, point.failure);
      assert.ok(point.requests > 0 && point.latencyMs.p50 >= 5, JSON.stringify(point));
      assert.ok(
        point.server.rows >= point.requests * point.batch,
        'the server counts those that ended after the measuring too',
      );
      assert.ok(point.server.rows <= (point.requests + 2 * point.concurrency) * point.batch);
      assert.ok(point.server.computeMs >= 5);
    }
    const [streams] = report.streams;
    assert.equal(streams.offered, 20);
    assert.equal(streams.inTime + streams.missed + streams.failed, streams.offered);
    assert.equal(streams.inTime, streams.offered);
    assert.match(await readFile(svg, 'utf8'), /<\/svg>\n$/);
  });

  it('counts what is not answered in time as missed', async () => {
    const { code, stdout, stderr } = await runProgram([
      ...[
        'bench',
        'triton',
        server.url,
        '--model',
        'slow',
        '--streams',
        '1',
        '--fps',
        '5',
        '--deadline',
        '1',
        '--seconds',
        '1',
      ],
      ...['--json', join(directory.path, 'missed.json')],
    ]);
    assert.equal(code, 0, stderr);
    const report = JSON.parse(await readFile(join(directory.path, 'missed.json'), 'utf8'));
    assert.deepEqual([report.streams[0].offered, report.streams[0].missed], [5, 5], stdout);
  });

  it('reports what it has when it is interrupted', async () => {
    const bench = startProgram(['bench', 'triton', server.url, ...model, '--concurrency', '1,2', '--seconds', '2']);
    await until('the second point', async () => bench.stderr().includes('2 of 2'));
    bench.kill('SIGINT');
    const { code, stdout } = await bench.finished;
    assert.equal(code, 0);
    assert.match(stdout, /^1 +1 +\d+ /m);
    assert.doesNotMatch(stdout, /^1 +2 +\d+ /m);
    assert.match(stdout, /stopped before all was measured/);
  });

  it('says what is wrong before any load', async () => {
    const run = async (...args: readonly string[]) => {
      const { code, stderr } = await runProgram(['bench', 'triton', ...args]);
      return { code, stderr };
    };
    const which = await run(server.url);
    assert.equal(which.code, 2);
    assert.match(which.stderr, /which model: --model failing, slow, sums/);
    assert.match((await run(server.url, '--model', 'sums')).stderr, /free axes, \[4, \?\].*--shape values=4xN/);
    const much = await run(server.url, ...model, '--batch', '16');
    assert.deepEqual([much.code, /takes 8 rows at most.*not 16/.test(much.stderr)], [2, true], much.stderr);
    assert.match((await run(server.url, '--model', 'nobody')).stderr, /no model nobody that is ready/);
    const nobody = await run('127.0.0.1:1', '--model', 'sums');
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /no answer from a Triton server at 127\.0\.0\.1:1: .*ECONNREFUSED.*name its gRPC port/);
    const refused = await run(server.url, '--model', 'failing', '--shape', 'how=1', '--concurrency', '1', '--seconds', '1');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^sightline bench: the first 5 requests failed, with random values in the model’s shapes: /m);
    assert.doesNotMatch(refused.stderr, /^ +at /m, 'no stack: it is the model’s answer');
    assert.match((await run('http://a')).stderr, /is not the address of a Triton server/);
  });
});

describe('sightline bench triton over TLS', { skip }, () => {
  it('shows the certificates that it is given, in sweeps and in streams', async () => {
    await using certificates = await makeCertificates();
    await using directory = await temporaryDirectory();
    await pythonModel(directory.path, 'sums', sumConfig, sumBody);
    await using server = await startTriton({ repository: directory.path, certificates });
    const load = ['--shape', 'values=4x64', '--concurrency', '1', '--streams', '1', '--deadline', '2000', '--seconds', '0.5'];
    const own = ['--cert', certificates.client.certFile, '--key', certificates.client.keyFile];
    const bench = (...more: readonly string[]) => runProgram(['bench', 'triton', server.url, ...load, ...more]);
    const { code, stdout, stderr } = await bench('--ca', certificates.caFile, ...own);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /each stream 5 times a second[\s\S]*\n1 +\d/);
    const stranger = await bench();
    assert.equal(stranger.code, 1);
    assert.match(stranger.stderr, /certificate.*--ca FILE names the authority/);
    assert.match((await bench('--ca', '/no/such')).stderr, /--ca \/no\/such: there is no such file/);
  });
});
