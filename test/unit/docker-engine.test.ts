import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { createDockerEngine, type DockerEngine } from '../../src/workers/docker-engine.ts';
import type { PullProgress } from '../../src/workers/engine-streams.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { until } from '../support/until.ts';

/** What answers on `deepstream.socket` may be anything, and containers print what they like. */

interface ScriptedEngine extends AsyncDisposable {
  readonly engine: DockerEngine;
  readonly socketPath: string;
  readonly connections: number;
}

const unlimitedMs = 60_000;

async function scriptedEngine(answer: RequestListener, answerWithinMs = unlimitedMs): Promise<ScriptedEngine> {
  const directory = await temporaryDirectory();
  const socketPath = join(directory.path, 's');
  let connections = 0;
  const server = createServer(answer).on('connection', (socket) => {
    connections += 1;
    socket.on('close', () => {
      connections -= 1;
    });
  });
  await once(server.listen(socketPath), 'listening');
  return {
    engine: await createDockerEngine({ socketPath, clock: systemClock, answerWithinMs }),
    socketPath,
    get connections() {
      return connections;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** A part of a container's output as the engine sends it. */
function part(kind: number, bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes);
  const head = Buffer.alloc(8);
  head.writeUInt8(kind, 0);
  head.writeUInt32BE(content.length, 4);
  return Buffer.concat([head, content]);
}

describe('answers of the Docker engine', () => {
  for (const answer of ['<html>', '{}', '[null]', '[{"Id":"a"}]', 'null', '""'])
    it(`says that ${answer} is none of an engine`, async () => {
      await using world = await scriptedEngine((_request, response) => void response.end(answer));
      const { engine, socketPath } = world;
      const calls = [
        engine.about(),
        engine.list('us'),
        engine.imageId('a'),
        engine.facts('a'),
        engine.create('a', {} as Parameters<DockerEngine['create']>[1]),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        assert.equal(outcome.status, 'rejected');
        assert.equal(outcome.reason.code, 'container.refused');
        assert.ok(outcome.reason.message.startsWith(`what answers on ${socketPath} is no Docker engine that we know`));
      }
    });

  it('leaves no connection to an engine that never answers', async () => {
    await using world = await scriptedEngine(() => {}, 100);
    const { engine } = world;
    assert.equal(await engine.answers(), false);
    const calls = [engine.about(), engine.imageId('a'), engine.memoryBytes('a'), engine.output('a'), engine.facts('a')];
    for (const outcome of await Promise.allSettled(calls)) {
      assert.equal(outcome.status, 'rejected');
      assert.match(outcome.reason.message, /gave no answer within 0.1 s/);
    }
    await until('all are closed', () => world.connections === 0);
  });

  it('come from the socket of the settings, whatever DOCKER_HOST says', async () => {
    const before = process.env['DOCKER_HOST'];
    process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:1';
    try {
      await using world = await scriptedEngine((_request, response) => void response.end('[]'));
      assert.deepEqual(await world.engine.list('us'), []);
    } finally {
      if (before === undefined) delete process.env['DOCKER_HOST'];
      else process.env['DOCKER_HOST'] = before;
    }
  });
});

describe('a pull', () => {
  async function pull(answer: RequestListener): Promise<readonly PullProgress[]> {
    await using world = await scriptedEngine(answer);
    const seen: PullProgress[] = [];
    await world.engine.pull('a', (progress) => seen.push(progress), AbortSignal.timeout(unlimitedMs));
    return seen;
  }
  const layer = (id: string, current: unknown) => `${JSON.stringify({ id, progressDetail: { current, total: 100 } })}\n`;

  it('goes on through lines that are none of an engine', async () => {
    const odd = ['<html>', 'null', '[]', '"x"', '{"id":1}', '{"id":"b","progressDetail":null}', 'x'.repeat(100_000)];
    const answer = `${layer('a', 10) + odd.join('\n')}\n${layer('b', -5)}${layer('b', 1e300)}${layer('b', 'x')}${layer('a', 20)}`;
    const seen = await pull((_request, response) => void response.end(answer));
    assert.deepEqual(seen.at(-1), { doneBytes: 20, totalBytes: 100 });
  });

  it('has failed when the engine says so on the way', async () => {
    const answer = `${layer('a', 10)}{"errorDetail":{"message":"no space"},"error":"no space\\nleft"}`;
    const pulling = pull((_request, response) => void response.end(answer));
    await assert.rejects(pulling, { code: 'container.image', message: 'no space left' });
  });

  it('has failed when the engine goes away on the way', async () => {
    const pulling = pull((_request, response) => void response.write(layer('a', 10), () => response.destroy()));
    await assert.rejects(pulling, { code: 'container.engine' });
  });
});

describe('the output of a container', () => {
  async function outputOf(chunks: readonly Uint8Array[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
    await using world = await scriptedEngine((_request, response) => {
      for (const chunk of chunks) response.write(chunk);
      response.end();
    });
    const { stdout, stderr, over } = await world.engine.output('a');
    const read = await Promise.all([text(stdout), text(stderr), over]);
    return { stdout: read[0], stderr: read[1] };
  }

  it('is taken apart wherever it is cut', async () => {
    const all = Buffer.concat([part(1, 'out é'), part(2, 'err'), part(1, ''), part(1, ' on'), part(3, ' of the engine')]);
    const expected = { stdout: 'out é on', stderr: 'err of the engine' };
    assert.deepEqual(await outputOf([all]), expected);
    assert.deepEqual(await outputOf([...all].map((byte) => Uint8Array.of(byte))), expected);
  });

  it('may come in any number of small writes', async () => {
    const count = 200_000;
    const { stdout, stderr } = await outputOf([Buffer.alloc(9 * count, part(2, '.'))]);
    assert.equal(stdout, '');
    assert.equal(stderr.length, count);
  });

  it('without heads is passed as it is', async () => {
    assert.deepEqual(await outputOf([part(1, 'a'), Buffer.from('plain text\n'), Buffer.from('more\n')]), {
      stdout: 'aplain text\nmore\n',
      stderr: '',
    });
  });

  it('waits in the engine for whoever does not read it', async () => {
    let written = 0;
    await using world = await scriptedEngine((_request, response) => {
      const more = () => {
        while (written < 100_000_000 && response.write(part(1, Buffer.alloc(60_000)))) written += 60_000;
        if (written >= 100_000_000) response.end();
      };
      response.on('drain', more);
      more();
    });
    const { stdout } = await world.engine.output('a');
    assert.ok(stdout instanceof PassThrough);
    await until('the engine waits', () => stdout.readableLength > 0 && stdout.writableNeedDrain);
    let read = 0;
    for await (const chunk of stdout) {
      assert.ok(stdout.readableLength + stdout.writableLength < 1_000_000);
      read += chunk.length;
      if (read > 10_000_000) break;
    }
  });
});
