import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { TritonAddress } from '../../src/inference/triton-address.ts';
import { framePrefix, UnaryConnection } from '../../src/inference/triton-connection.ts';
import { grpcCodes, TritonStatus } from '../../src/inference/triton-failures.ts';
import { closedPort } from '../support/port.ts';
import { until } from '../support/until.ts';

/**
 * What a real Triton does not do on demand: proxies' answers, resets and connections that end. The other end is an HTTP/2 server of
 * Node.js, which is told what to say. The real server: test/long/triton-client.test.ts and triton-engine.test.ts.
 */

const path = '/inference.GRPCInferenceService/ModelInfer';
const soon = { timeoutMs: 20_000 };

function framed(message: Uint8Array, compressed = 0): Buffer {
  const frame = Buffer.concat([Buffer.alloc(framePrefix), message]);
  frame[0] = compressed;
  frame.writeUInt32BE(message.byteLength, 1);
  return frame;
}

function request(text = 'question'): { readonly path: string; readonly frame: Buffer } {
  return { path, frame: Buffer.concat([Buffer.alloc(framePrefix), Buffer.from(text)]) };
}

async function bodyOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** Answers with these chunks and this status, once the whole request is there. */
async function answer(stream: ServerHttp2Stream, chunks: readonly Uint8Array[], status = 0): Promise<void> {
  await bodyOf(stream);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status) }));
  for (const chunk of chunks) await new Promise((done) => stream.write(chunk, done));
  stream.end();
}

const isStatus = (status: number, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof TritonStatus, String(error));
  assert.equal(error.status, status, error.message);
  assert.match(error.text, text);
  return true;
};

describe('a connection to a server', () => {
  let server: Http2Server;
  let address: TritonAddress;
  let sessions: ServerHttp2Session[];
  let onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => unknown;
  let connection: UnaryConnection;

  beforeEach(async () => {
    sessions = [];
    server = createServer();
    server.on('session', (session) => {
      sessions.push(session);
      session.on('error', () => {});
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      void onStream(stream, headers);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const bound = server.address();
    assert.ok(bound !== null && typeof bound === 'object');
    address = { host: 'triton.example', ip: '127.0.0.1', port: bound.port, tls: false };
    connection = new UnaryConnection(address, { headers: { 'x-token': 'secret' }, receiveLimit: 1_000_000 });
  });
  afterEach(async () => {
    connection[Symbol.dispose]();
    for (const session of sessions) session.destroy();
    server.close();
    await once(server, 'close');
  });

  it('sends a message as gRPC frames it, and puts the answer’s chunks together', async () => {
    const message = Buffer.alloc(300_000, 'abc');
    const asked: unknown[] = [];
    onStream = async (stream, headers) => {
      const body = bodyOf(stream);
      const frame = framed(message);
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      asked.push(headers, await body);
      // Its length comes in two pieces.
      for (const part of [frame.subarray(0, 3), frame.subarray(3, 100), frame.subarray(100)])
        await new Promise((done) => stream.write(part, done));
      stream.end();
    };
    const got = await connection.call({ ...request(), headers: { traceparent: '00-1' }, timeoutMs: 61_234.5 });
    assert.deepEqual(got, message);
    const [headers, body] = asked;
    assert.partialDeepStrictEqual(headers, {
      ':path': path,
      ':method': 'POST',
      ':authority': `triton.example:${address.port}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '61235m',
      'x-token': 'secret',
      traceparent: '00-1',
    });
    assert.deepEqual(body, framed(Buffer.from('question')));
  });

  it('takes an empty message, and calls beside each other', async () => {
    onStream = (stream) => void answer(stream, [framed(Buffer.alloc(0))]);
    const got = await Promise.all(Array.from({ length: 20 }, () => connection.call({ ...request(), ...soon })));
    assert.deepEqual(
      got.map(({ byteLength }) => byteLength),
      new Array(20).fill(0),
    );
    assert.equal(sessions.length, 1);
  });

  it('rejects with the status and words of the server', async () => {
    onStream = (stream) => {
      stream.respond(
        { ':status': 200, 'grpc-status': '3', 'grpc-message': 'unexpected shape %5B1%5D, 100% wrong' },
        { endStream: true },
      );
    };
    await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(3, /^unexpected shape %5B1%5D, 100% wrong$/));
    onStream = (stream) => {
      stream.respond({ ':status': 200, 'grpc-status': '3', 'grpc-message': 'caf%C3%A9 [1]' }, { endStream: true });
    };
    await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(3, /^café \[1\]$/));
    onStream = (stream) => void answer(stream, [], 14);
    await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(grpcCodes.unavailable, /^$/));
  });

  for (const [status, code] of [
    [401, grpcCodes.unauthenticated],
    [404, grpcCodes.unimplemented],
    [502, grpcCodes.unavailable],
    [503, grpcCodes.unavailable],
    [500, grpcCodes.unknown],
  ] as const)
    it(`reads HTTP ${status} of a proxy as gRPC says`, async () => {
      onStream = (stream) => {
        stream.respond({ ':status': status, 'content-type': 'text/html' });
        stream.end('<h1>sorry</h1>');
      };
      await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(code, new RegExp(`HTTP ${status}`)));
    });

  it('refuses what is compressed, too long, too short, or not there', async () => {
    onStream = (stream) => void answer(stream, [framed(Buffer.from('x'), 1)]);
    await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(grpcCodes.internal, /compressed/));
    let reset: Promise<unknown> | undefined;
    onStream = (stream) => {
      reset = once(stream, 'close');
      stream.respond({ ':status': 200 });
      stream.write(framed(Buffer.alloc(1_000_001)).subarray(0, 1000));
    };
    await assert.rejects(
      connection.call({ ...request(), ...soon }),
      isStatus(grpcCodes.resourceExhausted, /1000001 vs\. 1000000/),
    );
    await reset;
    onStream = (stream) => void answer(stream, [framed(Buffer.alloc(100)).subarray(0, 50)]);
    await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(grpcCodes.internal, /not whole/));
    onStream = (stream) => void answer(stream, []);
    await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(grpcCodes.internal, /not whole/));
  });

  it('says what a reset without a status means', async () => {
    const { NGHTTP2_REFUSED_STREAM, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR } = constants;
    for (const [reset, status, text] of [
      [NGHTTP2_REFUSED_STREAM, grpcCodes.unavailable, /refused/],
      [NGHTTP2_ENHANCE_YOUR_CALM, grpcCodes.resourceExhausted, /fewer/],
      [NGHTTP2_INTERNAL_ERROR, grpcCodes.internal, /RST_STREAM with code 2/],
    ] as const) {
      onStream = (stream) => stream.close(reset);
      await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(status, text));
    }
  });

  it('connects anew when the connection was lost under a call', async () => {
    onStream = (stream) => stream.session?.destroy();
    await assert.rejects(connection.call({ ...request(), ...soon }), isStatus(grpcCodes.unavailable, /^connection lost/));
    onStream = (stream) => void answer(stream, [framed(Buffer.from('again'))]);
    assert.equal(String(await connection.call({ ...request(), ...soon })), 'again');
    assert.equal(sessions.length, 2);
  });

  it('lets calls end on a connection that the server takes leave of, and makes another for the next', async () => {
    const [left, waiting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    onStream = async (stream) => {
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, stream.id);
      // What the client has answered to a ping was read after the leave.
      stream.session?.ping(() => left.resolve());
      await waiting.promise;
      void answer(stream, [framed(Buffer.from('first'))]);
    };
    const first = connection.call({ ...request(), ...soon });
    await left.promise;
    onStream = (stream) => void answer(stream, [framed(Buffer.from('second'))]);
    assert.equal(String(await connection.call({ ...request(), ...soon })), 'second');
    waiting.resolve();
    assert.equal(String(await first), 'first');
    assert.equal(sessions.length, 2);
  });

  it('cancels on the server what is out of time or given up', async () => {
    const seen: Promise<unknown>[] = [];
    const arrived = Promise.withResolvers<void>();
    onStream = (stream) => {
      seen.push(once(stream, 'aborted'));
      stream.resume();
      arrived.resolve();
    };
    await assert.rejects(
      connection.call({ ...request(), timeoutMs: 50 }),
      isStatus(grpcCodes.deadlineExceeded, /within 50 ms/),
    );
    const controller = new AbortController();
    const reason = new Error('nobody waits');
    const given = connection.call({ ...request(), ...soon, signal: controller.signal });
    await arrived.promise;
    controller.abort(reason);
    await assert.rejects(given, reason);
    await assert.rejects(connection.call({ ...request(), ...soon, signal: controller.signal }), reason);
    await Promise.all(seen);
  });

  it('leaves no socket behind to a server that says nothing any more', async () => {
    const program =
      "require('node:net').createServer(() => {}).listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
    const mute = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(mute, 'close');
    try {
      const [line] = await once(mute.stdout, 'data');
      // The system still takes connections for it.
      mute.kill('SIGSTOP');
      const sockets = () => process.getActiveResourcesInfo().filter((what) => what === 'TCPSocketWrap').length;
      const before = sockets();
      const hung = new UnaryConnection({ ...address, port: Number(line) }, { headers: {}, receiveLimit: 1000 });
      for (let turn = 0; turn < 3; turn += 1) {
        await assert.rejects(hung.call({ ...request(), timeoutMs: 50 }), isStatus(grpcCodes.deadlineExceeded, /within/));
        assert.equal(sockets(), before + 1);
        hung.reconnect(undefined);
        await until('it to be gone', () => sockets() === before);
      }
      const last = hung.call({ ...request(), ...soon });
      hung.reconnect(undefined);
      assert.equal(sockets(), before + 1, 'calls on it go on');
      hung[Symbol.dispose]();
      await assert.rejects(last, isStatus(grpcCodes.unavailable, /connection/));
      await until('it to be gone as well', () => sockets() === before);
    } finally {
      mute.kill('SIGKILL');
      await ended;
    }
  });

  it('takes names that are none to a URL, also while nobody is there', async () => {
    const named = { ...address, host: 'triton.1' };
    using there = new UnaryConnection(named, { headers: {}, receiveLimit: 1000 });
    let authority: unknown;
    onStream = (stream, headers) => {
      authority = headers[':authority'];
      return answer(stream, [framed(Buffer.from('yes'))]);
    };
    assert.equal(String(await there.call({ ...request(), ...soon })), 'yes');
    assert.equal(authority, `triton.1:${address.port}`);
    await using nobody = await closedPort();
    using away = new UnaryConnection({ ...named, port: nobody.port }, { headers: {}, receiveLimit: 1000 });
    await assert.rejects(away.call({ ...request(), ...soon }), isStatus(grpcCodes.unavailable, /ECONNREFUSED/));
  });

  it('says why there is no connection', async () => {
    await using closed = await closedPort();
    using nobody = new UnaryConnection({ ...address, port: closed.port }, { headers: {}, receiveLimit: 1000 });
    await assert.rejects(
      nobody.call({ ...request(), ...soon }),
      isStatus(grpcCodes.unavailable, /^no connection: connect ECONNREFUSED/),
    );
    using secure = new UnaryConnection({ ...address, tls: true }, { headers: {}, receiveLimit: 1000 });
    await assert.rejects(
      secure.call({ ...request(), ...soon }),
      isStatus(grpcCodes.unavailable, /^no connection: .*(SSL|TLS)/),
    );
    nobody[Symbol.dispose]();
    await assert.rejects(nobody.call({ ...request(), ...soon }), isStatus(grpcCodes.unavailable, /closed/));
  });
});
