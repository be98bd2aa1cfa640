import { isIP } from 'node:net';
import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { type ChannelOptions, Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import { errorText } from '../core/errors.ts';
import type { PemTexts } from '../core/pem-files.ts';
import type { RequestHeaders } from '../core/request-headers.ts';
import * as wire from '../gen/inference/grpc_service.ts';
import { abortReason } from './refusals.ts';
import { grpcTarget, type TritonAddress } from './triton-address.ts';
import { framePrefix, UnaryConnection, windowBytes } from './triton-connection.ts';
import { channelCredentials } from './triton-credentials.ts';
import { BadAnswer, grpcCodes, TritonStatus } from './triton-failures.ts';
import type { InferAnswer, InferRequest } from './triton-wire.ts';
import { decodeInferAnswer, decodeStreamAnswer } from './triton-wire-read.ts';
import { encodeInferRequest } from './triton-wire-write.ts';

export interface TritonClientOptions {
  /** Without `ca` the authorities that Node.js trusts; with `cert` and `key` the server may ask who calls. */
  readonly tls?: PemTexts;
  /** Sent with every call: `triton-grpc-protocol-<key>` of restricted protocols, tokens of a proxy. Secrets. */
  readonly headers?: RequestHeaders;
  /** Longest answer in bytes; absent: 256 MiB. */
  readonly receiveLimit?: number;
}

export interface CallSettings {
  /** Milliseconds from now; every call has an end. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** W3C trace context, https://www.w3.org/TR/trace-context/#traceparent-header */
  readonly traceparent?: string;
}

interface Codec<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): T;
}

const service = '/inference.GRPCInferenceService/';
const defaultReceiveLimit = 256 * 2 ** 20;
/** Of whatever has no tensors. Each byte of a message may become an object of a hundred. */
const longestDescription = 4 * 2 ** 20;

/**
 * What grpc-js is told. Keepalive: Triton answers pings that come more often than every 300 s with GOAWAY, so a server that hangs is
 * found by asking it, not by pings. Retries are the engine's: grpc-js would not repeat messages above 1 MiB. No proxies: servers are addressed directly.
 */
function channelOptions(address: TritonAddress, options: TritonClientOptions): ChannelOptions {
  const byName = isIP(address.host) === 0;
  return {
    'grpc.max_receive_message_length': options.receiveLimit ?? defaultReceiveLimit,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': 300_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.use_local_subchannel_pool': 1,
    'grpc-node.flow_control_window': windowBytes,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_http_proxy': 0,
    ...(byName ? { 'grpc.default_authority': `${address.host}:${address.port}` } : {}),
    ...(byName && address.tls ? { 'grpc.ssl_target_name_override': address.host } : {}),
  };
}

/**
 * One Triton server over KServe v2 gRPC. Every call rejects with `TritonStatus` (the server's own words), with the signal's reason, or
 * with `inference.failed` for messages that cannot be written or read.
 */
export class TritonClient implements Disposable {
  readonly #address: TritonAddress;
  #options: TritonClientOptions;
  /** Requests, and whether the server is ready: so that what is asked is the connection that requests take. */
  readonly #requests: UnaryConnection;
  #client: Client;

  /** Throws when the certificates cannot be used. */
  constructor(address: TritonAddress, options: TritonClientOptions = {}) {
    this.#address = address;
    this.#options = options;
    this.#requests = new UnaryConnection(address, {
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      headers: options.headers ?? {},
      receiveLimit: options.receiveLimit ?? defaultReceiveLimit,
    });
    this.#client = this.#connect();
  }

  #connect(): Client {
    const { tls } = this.#options;
    return new Client(
      grpcTarget(this.#address),
      channelCredentials(this.#address, tls),
      channelOptions(this.#address, this.#options),
    );
  }

  /**
   * New connections for the next calls, with certificates that may be others: nothing tells a connection into the void from a slow one.
   * Calls on the old ones go on.
   */
  reconnect(tls = this.#options.tls): void {
    this.#options = { ...this.#options, ...(tls === undefined ? {} : { tls }) };
    this.#requests.reconnect(tls);
    const old = this.#client;
    this.#client = this.#connect();
    old.close();
  }

  [Symbol.dispose](): void {
    this.#requests[Symbol.dispose]();
    this.#client.close();
  }

  async live(settings: CallSettings): Promise<boolean> {
    return (await this.#call('ServerLive', wire.ServerLiveRequest, wire.ServerLiveResponse, {}, settings)).live;
  }

  async ready(settings: CallSettings): Promise<boolean> {
    const frame = Buffer.concat([Buffer.alloc(framePrefix), wire.ServerReadyRequest.encode({}).finish()]);
    return decoded(wire.ServerReadyResponse, await this.#request('ServerReady', frame, settings)).ready;
  }

  /** False for a model that is not there, too. */
  async modelReady(name: string, version: string, settings: CallSettings): Promise<boolean> {
    try {
      const request = { name, version };
      return (await this.#call('ModelReady', wire.ModelReadyRequest, wire.ModelReadyResponse, request, settings)).ready;
    } catch (error) {
      if (error instanceof TritonStatus && error.status === grpcCodes.notFound) return false;
      throw error;
    }
  }

  metadata(settings: CallSettings): Promise<wire.ServerMetadataResponse> {
    return this.#call('ServerMetadata', wire.ServerMetadataRequest, wire.ServerMetadataResponse, {}, settings);
  }

  modelMetadata(name: string, version: string, settings: CallSettings): Promise<wire.ModelMetadataResponse> {
    const request = { name, version };
    return this.#call('ModelMetadata', wire.ModelMetadataRequest, wire.ModelMetadataResponse, request, settings);
  }

  async modelConfig(name: string, version: string, settings: CallSettings): Promise<wire.ModelConfig> {
    const request = { name, version };
    const { config } = await this.#call('ModelConfig', wire.ModelConfigRequest, wire.ModelConfigResponse, request, settings);
    return config ?? wire.ModelConfig.decode(new Uint8Array(0));
  }

  async infer(request: InferRequest, settings: CallSettings): Promise<InferAnswer> {
    const frame = encodeInferRequest(traced(request, settings.traceparent), framePrefix);
    return decodeInferAnswer(await this.#request('ModelInfer', frame, settings));
  }

  /**
   * The answers of a model that gives any number of them to one request (decoupled), or the one of another; ends with the server's
   * final response. Leaving the loop cancels the request.
   */
  async *inferStream(request: InferRequest, settings: CallSettings): AsyncGenerator<InferAnswer, void, undefined> {
    const message = encodeInferRequest(
      traced(
        { ...request, parameters: { ...request.parameters, triton_enable_empty_final_response: true } },
        settings.traceparent,
      ),
    );
    settings.signal?.throwIfAborted();
    const call = this.#client.makeBidiStreamRequest(
      `${service}ModelStreamInfer`,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      this.#metadata(settings),
      { deadline: Date.now() + settings.timeoutMs },
    );
    const stop = () => call.cancel();
    settings.signal?.addEventListener('abort', stop, { once: true });
    try {
      call.write(message);
      for await (const bytes of call as AsyncIterable<Buffer>) {
        const streamed = decodeStreamAnswer(bytes);
        if ('error' in streamed) throw new TritonStatus(grpcCodes.unknown, streamed.error);
        const final = streamed.answer.parameters['triton_final_response'] === true;
        if (streamed.answer.outputs.length > 0) yield streamed.answer;
        if (final) {
          call.end();
          return;
        }
      }
      throw new TritonStatus(grpcCodes.unavailable, 'the stream ended before its final response');
    } catch (error) {
      throw callError(error, settings.signal);
    } finally {
      settings.signal?.removeEventListener('abort', stop);
      // A stream that has ended takes no notice; its cancellation is an error event that nobody waits for any more.
      call.on('error', () => {});
      call.cancel();
    }
  }

  /** Counters of one model, or of all. */
  async statistics(settings: CallSettings, name = '', version = ''): Promise<readonly wire.ModelStatistics[]> {
    const request = { name, version };
    const answer = await this.#call(
      'ModelStatistics',
      wire.ModelStatisticsRequest,
      wire.ModelStatisticsResponse,
      request,
      settings,
    );
    return answer.modelStats;
  }

  async repositoryIndex(settings: CallSettings, ready = false): Promise<readonly wire.RepositoryIndexResponse_ModelIndex[]> {
    const request = { repositoryName: '', ready };
    const answer = await this.#call(
      'RepositoryIndex',
      wire.RepositoryIndexRequest,
      wire.RepositoryIndexResponse,
      request,
      settings,
    );
    return answer.models;
  }

  /**
   * Loads a model, or loads it anew; answers when it is there. `config`: JSON of a model configuration instead of the file's;
   * `files`: contents by `<version>/<name>`, which need `config`.
   */
  async loadModel(
    name: string,
    settings: CallSettings,
    override: { readonly config?: string; readonly files?: Readonly<Record<string, Uint8Array>> } = {},
  ): Promise<void> {
    const parameters: Record<string, wire.ModelRepositoryParameter> = {};
    if (override.config !== undefined)
      parameters['config'] = { parameterChoice: { $case: 'stringParam', value: override.config } };
    for (const [path, bytes] of Object.entries(override.files ?? {}))
      parameters[`file:${path}`] = { parameterChoice: { $case: 'bytesParam', value: Buffer.from(bytes) } };
    const request = { repositoryName: '', modelName: name, parameters };
    await this.#call(
      'RepositoryModelLoad',
      wire.RepositoryModelLoadRequest,
      wire.RepositoryModelLoadResponse,
      request,
      settings,
    );
  }

  /** Answers before the model is gone: the index tells when it is. */
  async unloadModel(name: string, settings: CallSettings, unloadDependents = false): Promise<void> {
    const parameters: Record<string, wire.ModelRepositoryParameter> = unloadDependents
      ? { unload_dependents: { parameterChoice: { $case: 'boolParam', value: true } } }
      : {};
    const request = { repositoryName: '', modelName: name, parameters };
    await this.#call(
      'RepositoryModelUnload',
      wire.RepositoryModelUnloadRequest,
      wire.RepositoryModelUnloadResponse,
      request,
      settings,
    );
  }

  async sharedMemoryStatus(
    settings: CallSettings,
    name = '',
  ): Promise<readonly wire.SystemSharedMemoryStatusResponse_RegionStatus[]> {
    const answer = await this.#call(
      'SystemSharedMemoryStatus',
      wire.SystemSharedMemoryStatusRequest,
      wire.SystemSharedMemoryStatusResponse,
      { name },
      settings,
    );
    return Object.values(answer.regions);
  }

  /** `key` as for shm_open: `/x` is /dev/shm/x. Servers since 2.68 refuse unless started with --allow-client-shm=true. */
  async registerSharedMemory(name: string, key: string, byteSize: number, settings: CallSettings): Promise<void> {
    const request = { name, key, offset: 0n, byteSize: BigInt(byteSize) };
    await this.#call(
      'SystemSharedMemoryRegister',
      wire.SystemSharedMemoryRegisterRequest,
      wire.SystemSharedMemoryRegisterResponse,
      request,
      settings,
    );
  }

  async unregisterSharedMemory(name: string, settings: CallSettings): Promise<void> {
    await this.#call(
      'SystemSharedMemoryUnregister',
      wire.SystemSharedMemoryUnregisterRequest,
      wire.SystemSharedMemoryUnregisterResponse,
      { name },
      settings,
    );
  }

  #metadata({ traceparent }: CallSettings): Metadata {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(this.#options.headers ?? {})) metadata.set(key, value);
    if (traceparent !== undefined) metadata.set('traceparent', traceparent);
    return metadata;
  }

  #request(method: string, frame: Buffer, { timeoutMs, signal, traceparent }: CallSettings): Promise<Buffer> {
    const headers = traceparent === undefined ? {} : { traceparent };
    return this.#requests.call({ path: service + method, frame, headers, timeoutMs, signal });
  }

  async #call<Request, Response>(
    method: string,
    requests: Codec<Request>,
    responses: Codec<Response>,
    request: Request,
    settings: CallSettings,
  ): Promise<Response> {
    const message = Buffer.from(requests.encode(request).finish());
    return decoded(responses, await this.#unary(method, message, settings));
  }

  #unary(method: string, message: Buffer, settings: CallSettings): Promise<Buffer> {
    const { signal } = settings;
    if (signal?.aborted) return Promise.reject(abortReason(signal));
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const call = this.#client.makeUnaryRequest(
      service + method,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      message,
      this.#metadata(settings),
      { deadline: Date.now() + settings.timeoutMs },
      (error, answer) => {
        if (error !== null || answer === undefined) reject(callError(error, signal));
        else resolve(answer);
      },
    );
    if (signal === undefined) return promise;
    const stop = () => call.cancel();
    signal.addEventListener('abort', stop, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', stop));
  }
}

function decoded<T>(codec: Codec<T>, message: Buffer): T {
  const { byteLength } = message;
  if (byteLength > longestDescription)
    throw new BadAnswer(`the server's answer cannot be read: it has ${byteLength} bytes, more than ${longestDescription}`);
  try {
    return codec.decode(message);
  } catch (error) {
    throw new BadAnswer(`the server's answer cannot be read: ${errorText(error)}`);
  }
}

/** The trace goes in the parameters as well, for models that pass it on. */
function traced(request: InferRequest, traceparent: string | undefined): InferRequest {
  return traceparent === undefined ? request : { ...request, parameters: { ...request.parameters, traceparent } };
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'details' in error && 'code' in error && typeof error.code === 'number';
}

function callError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return abortReason(signal);
  return isServiceError(error) ? new TritonStatus(error.code, error.details) : (error ?? new TritonStatus(2, 'no answer'));
}
