import type { ErrorCode } from './errors.ts';
import type { RequestHeaders } from './request-headers.ts';

/** What the command line does for a Triton server: looks at a running one, and writes the repository that it is to serve. */

export interface TritonCheckRequest {
  /** `host`, `host:port`, `[::1]:8001`, with `grpcs://` in front for TLS. A name with several addresses is as many servers. */
  readonly url: string;
  readonly repository: string;
  /** Only these, all of which must be served; absent: all of the repository, of which those must that have weights. */
  readonly models?: readonly string[];
  /** PEM files. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Sent with every request. */
  readonly headers?: RequestHeaders;
  /** For each answer of a server. */
  readonly timeoutMs: number;
}

/**
 * `fits`; `differs`: requests would fail or mean something else; `not ready`: the server has it and cannot run it; `not served`: the
 * server does not have it; `not needed`: the same, and nothing here wants it; `server only`: the repository here does not have it;
 * `invalid`: its `config.pbtxt` here cannot be read.
 */
export type CheckedModelState = 'fits' | 'differs' | 'not ready' | 'not served' | 'not needed' | 'server only' | 'invalid';

export interface CheckedModel {
  readonly model: string;
  /** Served versions; where there are none, the one that is expected. */
  readonly versions: readonly string[];
  readonly state: CheckedModelState;
  /** In words, each naming tensor and values, or why it is not ready. */
  readonly differences: readonly string[];
  /** In words: it works, but not as described or not well. */
  readonly warnings: readonly string[];
}

export interface CheckedServer {
  /** Address and port. */
  readonly server: string;
  /** `2.51.0`; absent when it could not be asked. */
  readonly version?: string;
  readonly ready: boolean;
  /** Why it could not be asked, and what to do. */
  readonly problem?: string;
  readonly models: readonly CheckedModel[];
}

export const hardwareClasses = ['cpu', 'gpu', 'gpu-tensorrt'] as const;
export type HardwareClass = (typeof hardwareClasses)[number];

export interface RenderRequest {
  /** Where the repository is written. */
  readonly directory: string;
  /** Descriptions and weights. */
  readonly repository: string;
  readonly hardware: HardwareClass;
  /** Absent: all that have weights. */
  readonly models?: readonly string[];
  /** Runs of one model at once. */
  readonly instances: number;
  /** The folder on the server in which TensorRT keeps its engines. */
  readonly engineCache: string;
  /** Embedder for the ensemble `embed_image`. */
  readonly embedImage?: string;
  /** Detector and embedder for the ensemble `detect_embed`. */
  readonly detectEmbed?: { readonly detector: string; readonly embedder: string };
  /** Who decodes the pictures of `embed_image`. */
  readonly decoder: 'python' | 'dali';
}

export interface RenderReport {
  readonly directory: string;
  /** Names of what a server will find. */
  readonly models: readonly string[];
  /** Relative to the directory. */
  readonly written: readonly string[];
  readonly unchanged: readonly string[];
  /** Files of an earlier run that belong to nothing any more. */
  readonly removed: readonly string[];
  /** Models that were left out, and what to do. */
  readonly left: readonly { readonly model: string; readonly code: ErrorCode; readonly reason: string }[];
  /** What a person must know before serving it. */
  readonly notes: readonly string[];
}

/** What a configuration says of its servers. */
export interface ConfiguredTriton {
  readonly urls: readonly string[];
  readonly tls: NonNullable<TritonCheckRequest['tls']>;
  readonly headers: RequestHeaders;
  /** Those in use. */
  readonly models: readonly string[];
}

export interface TritonTools {
  /** The model repository that is meant. */
  readonly repository: string;
  /** Absent where no configuration file is meant. Throws `config.invalid`. */
  readonly configured?: () => ConfiguredTriton;
  /** Rejects with `inference.unavailable` when no server of the address answers, `cli.usage` for an address or a certificate that is none. */
  check(request: TritonCheckRequest, signal: AbortSignal): Promise<readonly CheckedServer[]>;
  /** Rejects with `model.foreign` before anything is written when a file is in the way that an earlier run did not leave so. */
  render(request: RenderRequest, signal: AbortSignal): Promise<RenderReport>;
}
