import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import type { ProbeReport } from '../../src/core/probe.ts';
import { startEngine } from '../../src/inference/engine.ts';
import { TritonClient } from '../../src/inference/triton-client.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { runProgram } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository, fixtureModels, fixturePath, lobbyClip } from '../support/fixtures.ts';
import { freePort } from '../support/port.ts';
import { loadOnly, missingTriton, pythonModel, startTriton, withoutWeights } from '../support/triton.ts';
import { until } from '../support/until.ts';

/** What a real Triton asks of whoever calls it: certificates, and headers of restricted protocols. */
const skip = await missingTriton();
const soon = { timeoutMs: 60_000 };

describe('Triton over TLS', { skip }, () => {
  it('is asked by its address without a name, and with the certificates that lie there now', async () => {
    using ctx = testContext();
    await using directory = await temporaryDirectory();
    await using empty = await temporaryDirectory();
    await using first = await makeCertificates();
    await using second = await makeCertificates();
    const warnings: unknown[] = [];
    const note = (warning: Error & { code?: string }) => warnings.push(warning.code);
    process.on('warning', note);
    const files = { caFile: 'ca.pem', certFile: 'client.pem', keyFile: 'client.key' };
    const [caFile, certFile, keyFile] = Object.values(files).map((name) => join(directory.path, name));
    assert.ok(caFile && certFile && keyFile);
    const put = async ({ caFile: ca, client }: Certificates) => {
      await copyFile(client.certFile, certFile);
      await copyFile(client.keyFile, keyFile);
      await copyFile(ca, caFile);
    };
    await put(first);
    const port = await freePort();
    const server = await startTriton({ repository: empty.path, certificates: first, port });
    const { inference } = configSchema.parse({
      inference: { engine: 'triton', url: `grpcs://127.0.0.1:${port}`, caFile, certFile, keyFile },
    });
    await using engine = await startEngine(inference, ctx);
    const state = () => engine.servers?.()[0];
    const told = async () => (await ctx.metrics.registry.getSingleMetric('sightline_triton_server_ready')?.get())?.values;
    const metric = (value: number) => [{ labels: { server: `127.0.0.1:${port}` }, value }];
    try {
      assert.equal(state()?.state, 'ready');
      assert.deepEqual(await told(), metric(1));
      const tls = { ca: await readFile(caFile), cert: await readFile(certFile), key: await readFile(keyFile) };
      // Not all calls take the same way.
      using same = new TritonClient(server.address, { tls });
      assert.equal((await same.metadata(soon)).name, 'triton');
      using other = new TritonClient({ ...server.address, host: '127.0.0.2' }, { tls });
      await assert.rejects(other.metadata(soon), { status: 14, text: /127\.0\.0\.2/ });
    } finally {
      await server[Symbol.asyncDispose]();
    }

    // Another authority now, for both sides.
    await using _again = await startTriton({ repository: empty.path, certificates: second, port });
    await until('the new certificate to be refused', () => /certificate/.test(state()?.reason ?? ''), 60_000);
    assert.deepEqual(await told(), metric(0));
    await writeFile(caFile, 'half a file');
    const unread = () => ctx.lines.filter(({ msg }) => msg === 'certificates for triton servers cannot be read anew');
    await until('the file to be read', () => unread().length > 0, 60_000);
    assert.equal(unread()[0]?.['reason'], `inference.caFile: ${caFile}: it holds no certificate in PEM`);
    await put(second);
    await until('the server to be ready again', () => state()?.state === 'ready', 60_000);
    process.off('warning', note);
    assert.ok(!warnings.includes('DEP0123'), String(warnings));
  });
});

describe('Triton with restricted protocols', { skip }, () => {
  const key = 'hunter2';
  const header = 'triton-grpc-protocol-infer-key';

  it('answers the commands that send its header, from a file or the configuration, and is named where it lacks', async () => {
    await using directory = await temporaryDirectory();
    await using repository = await temporaryDirectory();
    const axes =
      'input [ { name: "in" data_type: TYPE_FP32 dims: [ 2 ] } ]\noutput [ { name: "out" data_type: TYPE_FP32 dims: [ 2 ] } ]';
    await pythonModel(
      repository.path,
      'same',
      axes,
      'return pb_utils.InferenceResponse([pb_utils.Tensor("out", inputs["in"])])',
    );
    const all = 'health,metadata,inference,shared-memory,model-config,model-repository,statistics,trace,logging';
    await using server = await startTriton({
      repository: repository.path,
      flags: [`--grpc-restricted-protocol=${all}:infer-key=${key}`],
      early: true,
    });
    const client = server.client({ headers: { [header]: key } });
    await until('the server to be ready', () => client.ready(soon).catch(() => false), 90_000);
    await assert.rejects(server.client().ready(soon), { status: 14, text: new RegExp(`expecting header '${header}'`) });

    const file = join(directory.path, 'headers.txt');
    await writeFile(file, `# of the server\n${header}: ${key}\n`);
    const config = join(directory.path, 'sightline.yaml');
    const configure = (headers: string) =>
      writeFile(
        config,
        `inference: { engine: triton, url: ${server.url}, repository: ${fixtureModelRepository}, headers: { ${headers} } }\ncameras: {}\n`,
      );
    const run = (...args: readonly string[]) => runProgram(args, { cwd: directory.path, env: { INFER_KEY: key } });
    const ofFile = ['--header-file', file];

    const without = await run('triton', 'check', server.url, '--repository', fixtureModelRepository, 'fixture_face');
    assert.equal(without.code, 1);
    assert.match(without.stderr, /This protocol is restricted.*: --header-file FILE has what it asks for/);
    const checked = await run('triton', 'check', server.url, '--repository', fixtureModelRepository, ...ofFile, 'fixture_face');
    assert.match(checked.stdout, /Triton 2\.51\.0, ready\n.*\nfixture_face .*not served/);

    await configure(`${header}: "\${INFER_KEY}"`);
    const configured = await run('triton', 'check', '--config', config);
    assert.match(configured.stdout, /Triton 2\.51\.0, ready\n/);
    const elsewhere = await run('triton', 'check', server.url, '--config', config);
    assert.match(
      elsewhere.stderr,
      /This protocol is restricted/,
      'a URL of the command line gets no secret of the configuration',
    );

    const load = ['--concurrency', '1', '--streams', '1', '--seconds', '2'];
    const measured = await run('bench', 'triton', server.url, ...load, ...ofFile);
    assert.equal(measured.code, 0, measured.stderr);
    assert.match(measured.stdout, /\bsame\b/);

    await writeFile(file, `${header}:\n`);
    const wrong = await run('bench', 'triton', server.url, ...ofFile);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--header-file \S+headers\.txt:1: the value of triton-grpc-protocol-infer-key is not allowed/);
    const gone = await run('triton', 'check', server.url, '--header-file', 'gone.txt');
    assert.match(gone.stderr, /--header-file gone\.txt: there is no such file/);
    for (const { stdout, stderr } of [without, checked, configured, elsewhere, measured])
      assert.doesNotMatch(`${stdout}${stderr}`, new RegExp(key));
  });
});

describe('camera probe with Triton', { skip }, () => {
  it('looks with the servers of the configuration, and without one says why nobody looked', async () => {
    await using directory = await temporaryDirectory();
    const { face } = fixtureModels;
    const port = await freePort();
    const repository = await withoutWeights(fixtureModelRepository, join(directory.path, 'models'));
    const file = join(directory.path, 's.yaml');
    const inference = { engine: 'triton', url: `127.0.0.1:${port}`, repository };
    await writeFile(file, JSON.stringify({ inference, models: { enrolment: face } }));
    const probe = async () => {
      const { code, stdout, stderr } = await runProgram(
        ['camera', 'probe', fixturePath(lobbyClip), '--seconds', '2', '--json', '--config', file],
        { cwd: directory.path },
      );
      assert.equal(code, 0, stderr);
      const report: ProbeReport = JSON.parse(stdout);
      assert.equal(report.engine, 'triton');
      return report;
    };
    const blind = await probe();
    assert.equal(blind.detector, undefined);
    assert.match(
      blind.noDetector ?? '',
      new RegExp(`^no triton server can run ${face}: 127.0.0.1:${port} is away .*ECONNREFUSED`),
    );
    assert.ok(blind.stream.frames > 10);

    await using server = await startTriton({
      repository: fixtureModelRepository,
      port,
      flags: loadOnly(face),
    });
    const seen = await probe();
    assert.equal(seen.detector?.model, face);
    assert.ok((seen.detector?.looks ?? 0) > 0 && (seen.faces?.looks ?? 0) > 0, JSON.stringify(seen.detector));
    const [counts] = await server.client().statistics(soon, face);
    assert.ok(Number(counts?.inferenceCount ?? 0n) >= (seen.detector?.looks ?? 0), 'the server looked');
  });
});
