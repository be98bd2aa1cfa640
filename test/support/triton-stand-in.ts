import { once } from 'node:events';
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { urlHost } from '../../src/core/url-host.ts';
import * as wire from '../../src/gen/inference/grpc_service.ts';
import { framePrefix } from '../../src/inference/triton-connection.ts';

/** What becomes of a ModelInfer: its numbers, a reset of its stream, a status, no answer, or the end of the connection. */
export type Behaviour =
  | { readonly values: (rows: readonly number[]) => readonly number[] }
  | { readonly reset: number }
  | { readonly status: number }
  | 'hangs'
  | 'cuts';

export interface TritonStandIn extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** ModelInfer calls so far. */
  readonly asked: number;
  /** Asked at each call. */
  behave: () => Behaviour;
  /** What it says of itself, by method; `hangs` for no answer, undefined for what is right. */
  describes: (method: string) => Uint8Array | 'hangs' | undefined;
}

export const doubles: Behaviour = { values: (rows) => rows.map((row) => 2 * row) };

/**
 * Answers as a Triton that serves the model `double` of triton-double.ts, and does on demand what a real one does not: the other end is
 * an HTTP/2 server of Node.js. The real server: startTriton of triton.ts.
 */
export async function startTritonStandIn(host = '127.0.0.1', wanted = 0): Promise<TritonStandIn> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {}).on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    void serve(stream, String(headers[':path']).split('/').at(-1) ?? '');
  });
  let asked = 0;

  async function serve(stream: ServerHttp2Stream, method: string): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part);
    const message = Buffer.concat(parts).subarray(framePrefix);
    if (method !== 'ModelInfer') {
      const said = standIn.describes(method) ?? described(method);
      if (said !== 'hangs') answer(stream, said);
      return;
    }
    asked += 1;
    const behaviour = standIn.behave();
    if (behaviour === 'hangs') return;
    if (behaviour === 'cuts') {
      stream.session?.destroy();
      return;
    }
    if ('reset' in behaviour) stream.close(behaviour.reset);
    else if ('status' in behaviour)
      stream.respond({ ':status': 200, 'grpc-status': String(behaviour.status) }, { endStream: true });
    else answer(stream, inferred(message, behaviour.values));
  }

  server.listen(wanted, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const standIn: TritonStandIn = {
    url: `${urlHost(host)}:${address.port}`,
    port: address.port,
    get asked() {
      return asked;
    },
    behave: () => doubles,
    describes: () => undefined,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const session of sessions) session.destroy();
      await once(server, 'close');
    },
  };
  return standIn;
}

function answer(stream: ServerHttp2Stream, message: Uint8Array): void {
  const frame = Buffer.concat([Buffer.alloc(framePrefix), message]);
  frame.writeUInt32BE(message.byteLength, 1);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(frame);
}

function described(method: string): Uint8Array {
  const tensor = (name: string, size: bigint) => ({ name, datatype: 'FP32', shape: [-1n, size] });
  switch (method) {
    case 'ServerReady':
      return wire.ServerReadyResponse.encode({ ready: true }).finish();
    case 'ModelReady':
      return wire.ModelReadyResponse.encode({ ready: true }).finish();
    case 'ModelMetadata':
      return wire.ModelMetadataResponse.encode({
        name: 'double',
        versions: ['1'],
        platform: 'python',
        inputs: [tensor('in', 3n)],
        outputs: [tensor('out', 1n)],
      }).finish();
    case 'ModelConfig':
      return wire.ModelConfigResponse.encode({
        config: wire.ModelConfig.fromPartial({ name: 'double', maxBatchSize: 8 }),
      }).finish();
    default:
      throw new Error(`nobody asks for ${method}`);
  }
}

/** The first number of each row goes in, one comes out. */
function inferred(message: Buffer, values: (rows: readonly number[]) => readonly number[]): Uint8Array {
  const [raw = Buffer.alloc(0)] = wire.ModelInferRequest.decode(message).rawInputContents;
  const rows = Array.from({ length: raw.byteLength / 12 }, (_, at) => raw.readFloatLE(12 * at));
  const out = Float32Array.from(values(rows));
  return wire.ModelInferResponse.encode({
    modelName: 'double',
    modelVersion: '1',
    id: '',
    parameters: {},
    outputs: [{ name: 'out', datatype: 'FP32', shape: [BigInt(rows.length), 1n], parameters: {} }],
    rawOutputContents: [Buffer.from(out.buffer)],
  }).finish();
}
