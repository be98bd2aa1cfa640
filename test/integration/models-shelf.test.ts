import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openModelShelf } from '../../src/composition/model-shelf.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { CatalogueEntry, FetchProgress, ModelShelf, ModelSource } from '../../src/core/model-shelf.ts';
import { redeclareShapes } from '../../src/models/onnx-shapes.ts';
import { runCommand } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { type FileServer, startFileServer } from '../support/file-server.ts';
import { fixtureModelRepository } from '../support/fixtures.ts';

const embed = 'fixture_embed';
const weights = await readFile(join(fixtureModelRepository, embed, '1/model.onnx'));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const gitBlob = (bytes: Uint8Array) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
/** The same network as an exporter leaves it that saw one crop: every size is declared. */
const fixedWeights = redeclareShapes(
  weights,
  new Map([
    ['input0', [1, 3, 112, 112]],
    ['output0', [1, 64]],
  ]),
);
const held = { algorithm: 'sha256', value: sha256(weights), basis: 'the file was held and hashed' } as const;

interface Bench extends AsyncDisposable {
  readonly server: FileServer;
  readonly shelf: ModelShelf;
  readonly repository: string;
  readonly signal: AbortSignal;
  /** Called once when a download has come so far. */
  arrived: { readonly bytes: number; readonly next: () => void } | undefined;
  /** Names of the files beside the weights. */
  files(): Promise<readonly string[]>;
  fetch(how?: {
    accept?: boolean;
    replace?: boolean;
    progress?: (at: FetchProgress) => void;
    signal?: AbortSignal;
  }): ReturnType<ModelShelf['fetch']>;
}

/** A repository with the description of one embedder and no weights, a server that has them, and a catalogue of that server. */
async function bench(
  source: Partial<ModelSource> = { hash: held },
  extra: Partial<CatalogueEntry> = {},
  stallMs = 60_000,
): Promise<Bench> {
  const directory = await temporaryDirectory();
  const server = await startFileServer();
  const ctx = testContext();
  await cp(join(fixtureModelRepository, embed, 'config.pbtxt'), join(directory.path, embed, 'config.pbtxt'), {
    recursive: true,
  });
  server.files.set('/weights.onnx', { body: weights, etag: '"one"' });
  const entry: CatalogueEntry = {
    model: embed,
    what: 'a test',
    sets: ['face'],
    source: { url: `${server.url}/weights.onnx`, tried: true, freeAxes: false, ...source },
    licence: 'MIT',
    trainingData: 'none',
    knownFiles: [],
    ...extra,
  };
  const options = { repository: directory.path, entries: [entry], stallMs, retryMs: [5, 5] };
  const shelf = openModelShelf(options, {}, ctx);
  const set: Bench = {
    server,
    shelf,
    repository: directory.path,
    signal: ctx.signal,
    arrived: undefined,
    files: async () => (await readdir(join(directory.path, embed, '1')).catch(() => [])).toSorted(),
    fetch: ({ progress, ...how } = {}) => {
      const watch = (at: FetchProgress) => {
        progress?.(at);
        const { arrived } = set;
        if (arrived === undefined || at.receivedBytes < arrived.bytes) return;
        set.arrived = undefined;
        arrived.next();
      };
      return shelf.fetch(embed, { accept: false, replace: false, signal: ctx.signal, ...how, progress: watch });
    },
    [Symbol.asyncDispose]: async () => {
      shelf[Symbol.dispose]();
      ctx[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
  return set;
}

const placed = ['model.onnx', 'model.onnx.pin.json'];
/** The next answer is the beginning of the file; the connection breaks once that much has arrived. */
function cutOff(set: Bench, bytes: number, etag?: string): void {
  set.server.script.push((_, response) => {
    response.writeHead(200, { 'content-length': weights.length, ...(etag === undefined ? {} : { etag }) });
    response.write(weights.subarray(0, bytes));
    set.arrived = { bytes, next: () => response.destroy() };
  });
}
const refuse = (_: unknown, response: ServerResponse) => void response.destroy();

describe('fetching weights', () => {
  it('puts a file in place whose hash is known, with its pin, and reports progress', async () => {
    await using set = await bench();
    const seen: FetchProgress[] = [];
    const { outcome, pin } = await set.fetch({ progress: (at) => seen.push(at) });
    assert.equal(outcome, 'fetched');
    assert.equal(pin?.trust, 'catalogue');
    assert.deepEqual(await set.files(), placed);
    assert.deepEqual(await readFile(join(set.repository, embed, '1/model.onnx')), weights);
    assert.deepEqual(seen.at(-1), { receivedBytes: weights.length, totalBytes: weights.length });
    assert.deepEqual(
      (await set.shelf.verify([], set.signal)).map(({ state }) => state),
      ['verified'],
    );
    assert.equal((await set.fetch()).outcome, 'present');
    assert.equal(set.server.requests.length, 1);
  });

  it('checks the hashes that upstream publishes in other forms', async () => {
    const md5 = createHash('md5').update(weights).digest('hex');
    for (const hash of [
      { algorithm: 'git-blob', value: gitBlob(weights) },
      { algorithm: 'md5', value: md5 },
    ] as const) {
      await using set = await bench({ hash: { ...hash, basis: 'published' }, bytes: weights.length });
      assert.equal((await set.fetch()).pin?.trust, 'catalogue');
    }
  });

  it('goes on where a broken connection ended', async () => {
    await using set = await bench();
    cutOff(set, 5000, '"one"');
    assert.equal((await set.fetch()).outcome, 'fetched');
    const [first, second] = set.server.requests;
    assert.equal(first?.range, undefined);
    assert.equal(second?.range, 'bytes=5000-');
    assert.equal(second?.ifRange, '"one"');
    assert.deepEqual(await set.files(), placed);
  });

  it('says what may be wrong when no server can be reached', async () => {
    await using server = await startFileServer();
    await server[Symbol.asyncDispose]();
    await using set = await bench({ hash: held, url: `${server.url}/weights.onnx` });
    await assert.rejects(set.fetch(), {
      code: 'model.download',
      message:
        /ECONNREFUSED.*; is there a network, or a proxy to name in HTTPS_PROXY\?.*"sightline models add FILE --as MODEL"/,
    });
    assert.deepEqual(await set.files(), []);
  });

  it('goes on in another process, after every attempt has failed', async () => {
    await using set = await bench();
    cutOff(set, 3000, '"one"');
    set.server.script.push(refuse, refuse);
    await assert.rejects(set.fetch(), { code: 'model.download', message: /run it again to go on from where it ended/ });
    assert.deepEqual(await set.files(), ['model.onnx.part', 'model.onnx.part.json']);
    assert.equal((await set.fetch()).outcome, 'fetched');
    assert.equal(set.server.requests.at(-1)?.range, 'bytes=3000-');
    assert.deepEqual(await set.files(), placed);
  });

  it('begins anew when the file has changed meanwhile', async () => {
    await using set = await bench();
    cutOff(set, 3000, '"one"');
    set.server.files.set('/weights.onnx', { body: weights, etag: '"two"' });
    assert.equal((await set.fetch()).outcome, 'fetched');
    assert.equal(set.server.requests.at(-1)?.ifRange, '"one"');
    assert.deepEqual(await readFile(join(set.repository, embed, '1/model.onnx')), weights);
  });

  it('does not join parts that nothing vouches for', async () => {
    await using set = await bench({});
    set.server.files.set('/weights.onnx', { body: weights });
    cutOff(set, 3000);
    assert.equal((await set.fetch({ accept: true })).outcome, 'fetched');
    assert.deepEqual(
      set.server.requests.map(({ range }) => range),
      [undefined, undefined],
    );
  });

  it('throws away a part that is longer than the file', async () => {
    await using set = await bench();
    const folder = join(set.repository, embed, '1');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'model.onnx.part'), new Uint8Array(weights.length + 9));
    await writeFile(
      join(folder, 'model.onnx.part.json'),
      JSON.stringify({ url: `${set.server.url}/weights.onnx`, validator: '"one"' }),
    );
    assert.equal((await set.fetch()).outcome, 'fetched');
    assert.deepEqual(await readFile(join(folder, 'model.onnx')), weights);
  });

  it('refuses a file with another hash, names both and keeps nothing', async () => {
    await using set = await bench({ hash: { ...held, value: '0'.repeat(64) } });
    await assert.rejects(set.fetch(), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'model.download');
      assert.match(
        error.message,
        new RegExp(`its sha256 is ${sha256(weights)}, 0{64} is expected \\(the file was held and hashed\\)`),
      );
      return true;
    });
    assert.deepEqual(await set.files(), []);
  });

  it('refuses a file of another size', async () => {
    await using set = await bench({ bytes: 1234 });
    await assert.rejects(set.fetch({ accept: true }), { code: 'model.download', message: /bytes, 1234 are expected/ });
    assert.deepEqual(await set.files(), []);
  });

  it('says at once that an address has gone', async () => {
    await using set = await bench();
    set.server.files.clear();
    await assert.rejects(set.fetch(), {
      code: 'model.download',
      message: /answers 404; the address has gone; "sightline models add/,
    });
    assert.equal(set.server.requests.length, 1);
    assert.deepEqual(await set.files(), []);
  });

  it('tries again when the server is busy', async () => {
    await using set = await bench();
    set.server.script.push((_, response) => void response.writeHead(503).end());
    assert.equal((await set.fetch()).outcome, 'fetched');
    assert.equal(set.server.requests.length, 2);
  });

  it('gives up on a server that stops sending', async () => {
    await using set = await bench({ hash: held }, {}, 400);
    const silent = (_: unknown, response: ServerResponse) => {
      response.writeHead(200, { 'content-length': weights.length, etag: '"one"' });
      response.write(weights.subarray(0, 100));
    };
    set.server.script.push(silent, silent, silent);
    await assert.rejects(set.fetch(), { code: 'model.download', message: /nothing came for 400 ms/ });
  });

  it('stops when it is told to', async () => {
    await using set = await bench();
    const stop = new AbortController();
    set.server.script.push((_, response) => {
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 100), () => stop.abort());
    });
    await assert.rejects(set.fetch({ signal: stop.signal }), { name: 'AbortError' });
  });

  it('follows redirections', async () => {
    await using set = await bench();
    set.server.script.push((_, response) => void response.writeHead(302, { location: `${set.server.url}/weights.onnx` }).end());
    assert.equal((await set.fetch()).outcome, 'fetched');
  });

  it('takes a file without a published hash only when told to, without fetching it twice, and pins it', async () => {
    await using set = await bench({});
    await assert.rejects(set.fetch(), {
      code: 'model.catalogue',
      message: new RegExp(`its SHA-256 is ${sha256(weights)} and upstream publishes none; --accept`),
    });
    const { pin } = await set.fetch({ accept: true });
    assert.equal(set.server.requests.at(-1)?.range, `bytes=${weights.length}-`);
    assert.deepEqual([pin?.trust, pin?.sha256], ['accepted', sha256(weights)]);
    assert.deepEqual(await set.files(), placed);
    assert.deepEqual(
      (await set.shelf.verify([], set.signal)).map(({ state }) => state),
      ['accepted'],
    );

    // The same file again needs no new word; another one does.
    assert.equal((await set.fetch({ replace: true })).outcome, 'fetched');
    set.server.files.set('/weights.onnx', { body: redeclareShapes(weights, new Map()), etag: '"two"' });
    const other = Buffer.concat([weights, Uint8Array.of(0x32, 1, 0x78)]); // ModelProto.doc_string = "x"
    set.server.files.set('/weights.onnx', { body: other, etag: '"three"' });
    await assert.rejects(set.fetch({ replace: true }), {
      code: 'model.catalogue',
      message: /another file .* than the one that was accepted/,
    });
    assert.equal((await set.fetch({ replace: true, accept: true })).pin?.sha256, sha256(other));
  });

  it('refuses what is no network, and a network that is another one', async () => {
    const page = new TextEncoder().encode('<html>Please log in</html>');
    const detector = await readFile(join(fixtureModelRepository, 'fixture_face/1/model.onnx'));
    for (const [body, message] of [
      [page, /cannot load/],
      [detector, /no input "input0"; it has input\.1/],
    ] as const) {
      await using set = await bench({});
      set.server.files.set('/weights.onnx', { body });
      await assert.rejects(set.fetch({ accept: true }), { code: 'model.invalid', message });
      assert.deepEqual(await set.files(), []);
    }
  });

  it('rewrites declared sizes where the catalogue says so, and knows the file by how it came', async () => {
    await using set = await bench({ hash: { ...held, value: sha256(fixedWeights) }, freeAxes: true });
    set.server.files.set('/weights.onnx', { body: fixedWeights, etag: '"fixed"' });
    const { pin } = await set.fetch();
    assert.equal(pin?.cameAs, sha256(fixedWeights));
    assert.notEqual(pin?.sha256, pin?.cameAs);
    assert.deepEqual(
      (await set.shelf.verify([], set.signal)).map(({ state }) => state),
      ['verified'],
    );
  });

  it('goes through the proxy that the environment names', async () => {
    await using set = await bench();
    const asked: string[] = [];
    const proxy = createServer((_, response) => void response.writeHead(502).end());
    proxy.on('connect', ({ url = '' }, client, head) => {
      asked.push(url);
      const [host = '', port] = url.split(':');
      const upstream = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.write(head);
        upstream.pipe(client).pipe(upstream);
      });
      for (const end of [client, upstream]) end.on('error', () => end.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const entry = (await set.shelf.list())[0]?.entry;
    assert.ok(entry);
    await using place = await temporaryDirectory();
    try {
      // A process of its own: the proxy is for all of it.
      const program = `
        import { openModelShelf } from ${JSON.stringify(import.meta.resolve('../../src/composition/model-shelf.ts'))};
        import { testContext } from ${JSON.stringify(import.meta.resolve('../support/context.ts'))};
        using ctx = testContext();
        using shelf = openModelShelf(${JSON.stringify({ repository: set.repository, entries: [entry] })}, process.env, ctx);
        await shelf.fetch('${embed}', { accept: false, replace: false, progress: () => {}, signal: ctx.signal });`;
      const file = join(place.path, 'fetch.ts');
      await writeFile(file, program);
      const child = spawn(process.execPath, [file], {
        env: {
          ...process.env,
          http_proxy: `http://127.0.0.1:${port}`,
          HTTP_PROXY: `http://127.0.0.1:${port}`,
          no_proxy: '',
          NO_PROXY: '',
        },
        stdio: 'inherit',
      });
      const [code] = await once(child, 'close');
      assert.equal(code, 0);
      assert.deepEqual(asked, [new URL(set.server.url).host]);
    } finally {
      proxy.close();
      proxy.closeAllConnections();
    }
  });
});

describe('adding weights', () => {
  const how = (signal: AbortSignal) => ({ model: embed, replace: false, freeAxes: false, signal });

  it('takes a file that fits, marks it unverified and leaves the original alone', async () => {
    await using set = await bench();
    await using place = await temporaryDirectory();
    const file = join(place.path, 'mine.onnx');
    await writeFile(file, Buffer.concat([weights, Uint8Array.of(0x32, 1, 0x78)]));
    const { pin, known } = await set.shelf.add(file, how(set.signal));
    assert.deepEqual([pin.source, pin.trust, known], ['file mine.onnx', 'accepted', undefined]);
    assert.deepEqual(await set.files(), placed);
    assert.equal((await readFile(file)).length, weights.length + 3);
    await assert.rejects(set.shelf.add(file, how(set.signal)), {
      code: 'model.catalogue',
      message: /has weights already.*--replace/,
    });
  });

  it('recognises a file that the catalogue knows in another form', async () => {
    const what = 'the same in other words';
    await using set = await bench(
      { hash: { ...held, value: '0'.repeat(64) } },
      { knownFiles: [{ sha256: sha256(weights), bytes: weights.length, what }] },
    );
    const file = join(fixtureModelRepository, embed, '1/model.onnx');
    const { pin, known } = await set.shelf.add(file, how(set.signal));
    assert.deepEqual([pin.trust, known], ['catalogue', what]);
    assert.deepEqual(await set.shelf.verify([embed], set.signal), [{ model: embed, state: 'verified', notes: [what] }]);
  });

  it('says every difference of a network that does not fit, and changes nothing', async () => {
    await using set = await bench();
    const file = join(fixtureModelRepository, 'fixture_clip/1/model.onnx');
    await assert.rejects(set.shelf.add(file, how(set.signal)), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'model.invalid');
      assert.match(error.message, /no input "input0"; it has input;/);
      assert.match(error.message, /no output "output0"; it has output/);
      assert.match(error.message, /input "input" of the network is not in config\.pbtxt/);
      return true;
    });
    assert.deepEqual(await set.files(), []);
    const nowhere = join(fixtureModelRepository, 'nowhere.onnx');
    await assert.rejects(set.shelf.add(nowhere, how(set.signal)), {
      code: 'model.missing',
      message: `there is no file ${nowhere}`,
    });
  });

  it('offers to rewrite declared sizes when only they are in the way, and does it when asked', async () => {
    await using set = await bench();
    await using place = await temporaryDirectory();
    const file = join(place.path, 'fixed.onnx');
    await writeFile(file, fixedWeights);
    await assert.rejects(set.shelf.add(file, how(set.signal)), {
      code: 'model.invalid',
      message: /with --free-axes it is added/,
    });
    const { pin } = await set.shelf.add(file, { ...how(set.signal), freeAxes: true });
    assert.equal(pin.cameAs, sha256(fixedWeights));
  });
});

describe('verifying weights', () => {
  it('finds a file that has changed, one without a pin and one that does not fit', async () => {
    await using set = await bench();
    await set.fetch();
    const file = join(set.repository, embed, '1/model.onnx');
    await writeFile(file, Buffer.concat([weights, Uint8Array.of(0x32, 1, 0x78)]));
    const [changed] = await set.shelf.verify([], set.signal);
    assert.equal(changed?.state, 'bad');
    assert.match(changed?.notes.join() ?? '', /the file has changed since .*pinned is/);

    await using bare = await bench({});
    await mkdir(join(bare.repository, embed, '1'), { recursive: true });
    await writeFile(join(bare.repository, embed, '1/model.onnx'), weights);
    assert.equal((await bare.shelf.verify([], bare.signal))[0]?.state, 'unpinned');
    await writeFile(join(bare.repository, embed, '1/model.onnx'), 'garbage');
    assert.equal((await bare.shelf.verify([], bare.signal))[0]?.state, 'bad');
  });
});

describe('sightline models', () => {
  const command = (set: Bench, ...args: string[]) =>
    runCommand(
      ['models', ...args],
      { models: async () => ({ ...set.shelf, [Symbol.dispose]: () => {} }) },
      { clock: systemClock },
    );

  it('shows terms before it fetches a set, and lists what is here', async () => {
    await using set = await bench({ hash: held }, { restrictions: 'not for surveillance' });
    const before = await command(set, 'list');
    assert.match(before.out.join('\n'), /fixture_embed +no +.*\(restricted\)/);
    const { code, out, said } = await command(set, 'fetch', '--set', 'face');
    assert.equal(code, 0);
    assert.deepEqual(said, [
      'fixture_embed: licence MIT; training data: none',
      'fixture_embed: RESTRICTED: not for surveillance',
    ]);
    assert.deepEqual(out, ['fixture_embed: fetched, verified']);
    assert.match((await command(set, 'list')).out.join('\n'), /fixture_embed +verified/);
    const details = (await command(set, 'list', 'fixture_embed')).out.join('\n');
    assert.match(details, /restrictions {2}not for surveillance/);
    assert.match(details, /memory, time {2}not measured/);
    assert.equal((await command(set, 'verify')).code, 0);
  });

  it('goes on with the others when one of a set cannot be had, and fails in the end', async () => {
    await using set = await bench();
    const { code, out } = await command(set, 'fetch', 'nothing_like_it', embed);
    assert.equal(code, 1);
    assert.match(out[0] ?? '', /the catalogue has no nothing_like_it/);
    assert.equal(out[1], 'fixture_embed: fetched, verified');
  });

  it('says what is missing from a wrong call', async () => {
    await using set = await bench();
    for (const [args, message] of [
      [[], /what: list, fetch, add or verify/],
      [['fetch'], /name models, or a set/],
      [['fetch', '--set', 'faces'], /--set faces is none of face, appearance, all/],
      [['add', 'x.onnx'], /--as MODEL is missing/],
      [['steal'], /unexpected steal/],
    ] as const) {
      const { error } = await command(set, ...args);
      assert.match(String(error), message);
    }
  });
});
