import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parseTritonUrl } from '../../src/core/triton-url.ts';
import type { TritonAddress } from '../../src/inference/triton-address.ts';
import { TritonClient, type TritonClientOptions } from '../../src/inference/triton-client.ts';
import type { Certificates } from './certificates.ts';
import type { ClipData } from './clips.ts';
import { dataDirectory, missingData } from './data.ts';
import { freePort } from './port.ts';
import { until } from './until.ts';

/**
 * Triton 2.51 on the CPU (SIGHTLINE_TRITON_CPU, default ../shared/triton-cpu): the real server, with a Python stand-in for its
 * onnxruntime backend. Every test starts servers of its own on free ports.
 */
export const tritonFolder = resolve(process.env['SIGHTLINE_TRITON_CPU'] ?? join(dirname(dataDirectory), 'triton-cpu'));
const program = join(tritonFolder, 'triton-cpu');

let installing: Promise<unknown> | undefined;

/** `false` when the server can be started, else the reason to skip. Installs it with the first call, from the registry of pip. */
export async function missingTriton(): Promise<string | false> {
  if (!existsSync(program)) return refusal(`no Triton at ${tritonFolder}`);
  installing ??= promisify(execFile)(program, ['install'], { timeout: 300_000 });
  try {
    await installing;
  } catch (error) {
    return refusal(`Triton cannot be installed: ${error instanceof Error ? error.message : String(error)}`);
  }
  return missingData('models/centerface_int8w.onnx');
}

function refusal(reason: string): string {
  if (process.env['SIGHTLINE_REQUIRE_DATA'] === '1') throw new Error(reason);
  return reason;
}

/** Which of the data folder's networks serves which model of the example repository. */
const weights: Readonly<Record<string, string>> = {
  centerface: 'centerface_int8w.onnx',
  face_embed_224_512: 'face_embed_224_512_mobilefacenet_fp16w.onnx',
  person_embed_224_512: 'person_embed_224_512_osnet_fp16w.onnx',
};

/** A model repository with some models of the example repository; `config` changes their config.pbtxt. */
export async function tritonRepository(
  directory: string,
  models: readonly string[],
  config: (text: string, model: string) => string = (text) => text,
): Promise<string> {
  for (const model of models) {
    const folder = join(directory, model);
    await cp(join(tritonFolder, 'repository', model), folder, {
      recursive: true,
      filter: (path) => !path.includes('__pycache__'),
    });
    await mkdir(join(folder, '1'), { recursive: true });
    const file = join(folder, 'config.pbtxt');
    await writeFile(file, config(await readFile(file, 'utf8'), model));
    const network = weights[model];
    if (network !== undefined) await symlink(join(dataDirectory, 'models', network), join(folder, '1/model.onnx'));
  }
  return directory;
}

/** A model of a test's own in Python: `execute` of one request is `body`, with `np`, `pb_utils`, `time` and `inputs` by name. */
export async function pythonModel(directory: string, model: string, config: string, body: string): Promise<void> {
  await mkdir(join(directory, model, '1'), { recursive: true });
  await writeFile(
    join(directory, model, 'config.pbtxt'),
    `backend: "python"\ninstance_group [ { count: 1 kind: KIND_CPU } ]\n${config}\n`,
  );
  const indented = body
    .trim()
    .split('\n')
    .map((line) => `        ${line}`)
    .join('\n');
  await writeFile(
    join(directory, model, '1/model.py'),
    `import os
import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
${indented}
`,
  );
}

/** The same clips and people, with networks that are run by `server` alone: `descriptions` has no weights. */
export function servedData(data: ClipData, server: Pick<TritonServer, 'url'>, descriptions: string): ClipData {
  return {
    ...data,
    repository: async () => ({ directory: descriptions, [Symbol.asyncDispose]: async () => {} }),
    inference: { engine: 'triton', url: server.url },
  };
}

/** A copy of a model repository without its weights. */
export async function withoutWeights(repository: string, directory: string): Promise<string> {
  await cp(repository, directory, { recursive: true, filter: (path) => !path.endsWith('.onnx') });
  return directory;
}

export interface TritonServer extends AsyncDisposable {
  readonly port: number;
  readonly httpPort: number;
  readonly url: string;
  readonly address: TritonAddress;
  readonly pid: number;
  /** What it has said so far. */
  readonly said: () => string;
  client(options?: TritonClientOptions): TritonClient;
  signal(name: NodeJS.Signals): void;
  /** Resolves when its process has ended. */
  readonly ended: Promise<void>;
}

/** Processes of a server's models, which name it in their arguments. They outlive a killed server by 10 s, now and then for ever. */
function modelProcesses(pid: number): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return words[0]?.endsWith('triton_python_backend_stub') === true && words.includes(String(pid)) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

function endModelProcesses(pid: number): boolean {
  const left = modelProcesses(pid);
  for (const one of left) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
  return left.length === 0;
}

export interface TritonServerOptions {
  readonly repository: string;
  readonly flags?: readonly string[];
  readonly host?: string;
  readonly port?: number;
  /** Of its page for Prometheus; absent: it has none. */
  readonly metricsPort?: number;
  /** Resolve before it is ready. */
  readonly early?: boolean;
  /** TLS: the server shows its own, and clients show theirs. */
  readonly certificates?: Certificates;
  /** With TLS: false where the server asks nobody who calls. */
  readonly mutual?: boolean;
}

/** What a client of these certificates knows and shows. */
export async function clientTls({ caFile, client }: Certificates) {
  const [ca, cert, key] = await Promise.all([readFile(caFile), readFile(client.certFile), readFile(client.keyFile)]);
  return { ca, cert, key } as const;
}

function tlsFlags({ caFile, server }: Certificates, mutual: boolean): readonly string[] {
  const own = ['--grpc-use-ssl=1', `--grpc-server-cert=${server.certFile}`, `--grpc-server-key=${server.keyFile}`];
  return mutual ? [...own, '--grpc-use-ssl-mutual=1', `--grpc-root-cert=${caFile}`] : own;
}

/** Flags of a server with these of its models. */
export function loadOnly(...models: readonly string[]): readonly string[] {
  return ['--model-control-mode=explicit', ...models.map((model) => `--load-model=${model}`)];
}

export async function startTriton(options: TritonServerOptions): Promise<TritonServer> {
  const host = options.host ?? '127.0.0.1';
  const { certificates } = options;
  const secure = certificates === undefined ? {} : { tls: await clientTls(certificates) };
  const port = options.port ?? (await freePort());
  const httpPort = await freePort();
  const child: ChildProcess = spawn(
    program,
    [
      ...['serve', '--repository', options.repository, '--host', host.includes(':') ? '127.0.0.1' : host],
      ...['--grpc-port', String(port), '--http-port', String(httpPort)],
      ...['--metrics-port', String(options.metricsPort ?? 0)],
      ...['--', '--exit-timeout-secs=5', ...(host.includes(':') ? [`--grpc-address=[${host}]`] : []), ...(options.flags ?? [])],
      ...(certificates === undefined ? [] : tlsFlags(certificates, options.mutual ?? true)),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (said = (said + chunk).slice(-100_000)));
  const ended = new Promise<void>((done) =>
    child.once('exit', () => {
      // Its models' processes may live a little longer and hold the other ends.
      child.stdout?.destroy();
      child.stderr?.destroy();
      done();
    }),
  );
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const url = `${certificates === undefined ? '' : 'grpcs://'}${shownHost}:${port}`;
  const address = { ...parseTritonUrl(url), ip: host };
  const clients: TritonClient[] = [];
  const server: TritonServer = {
    port,
    httpPort,
    url,
    address,
    pid: child.pid ?? 0,
    said: () => said,
    ended,
    client(settings = {}) {
      const client = new TritonClient(address, { ...secure, ...settings });
      clients.push(client);
      return client;
    },
    signal: (name) => void child.kill(name),
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]();
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(force);
      await until('the processes of its models to end', () => endModelProcesses(server.pid));
    },
  };
  if (options.early !== true) {
    const client = server.client();
    try {
      await until(
        `Triton to be ready\n${said.slice(-3000)}`,
        async () => {
          if (child.exitCode !== null) throw new Error(`Triton ended:\n${said.slice(-3000)}`);
          return client.ready({ timeoutMs: 2000 }).catch(() => false);
        },
        90_000,
      );
      // The page begins a moment after everything else.
      const page = `http://${shownHost}:${options.metricsPort}/metrics`;
      if (options.metricsPort !== undefined)
        await until('its page for Prometheus', () =>
          fetch(page).then(
            ({ ok }) => ok,
            () => false,
          ),
        );
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }
  return server;
}
