import { isSightlineError } from './errors.ts';
import type { ModelTraffic, ServerReading } from './served-models.ts';
import type { Trace } from './trace.ts';
import type { TritonUrl } from './triton-url.ts';

/**
 * The seam between whoever needs a network run and whoever runs it. Engines live in `inference/`; `models/` turns pixels
 * into tensors and tensors into detections or embeddings and knows engines only by `Infer`.
 */

/** KServe v2 data type names. */
export type DataType = 'FP32' | 'FP16' | 'INT32' | 'INT64' | 'UINT8' | 'BOOL' | 'BYTES';

/** FP16 travels as its 16 bits in a Uint16Array; BOOL as one byte each; BYTES as KServe's length-prefixed elements. */
export type TensorData =
  | Float32Array
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>;

export interface Tensor {
  readonly name: string;
  readonly datatype: DataType;
  /** Every axis, the batch axis included. */
  readonly shape: readonly number[];
  /**
   * Row-major. Handed over by `infer`: the caller must not touch it afterwards (engines may transfer its buffer), unless it is in shared
   * memory and `InferOptions.released` says so.
   */
  readonly data: TensorData;
}

export interface InferOptions {
  readonly signal: AbortSignal;
  /** Absolute, CLOCK_MONOTONIC milliseconds. A request that cannot make it is shed before it runs (`inference.deadline`). */
  readonly deadlineMs: number;
  /** Whom fairness is counted for: the camera, or `enrolment`. */
  readonly stream: string;
  readonly priority?: 'live' | 'background';
  /** Rejects with `inference.unavailable` as soon as no server can run it, or all of them hang, instead of waiting for one until the deadline. */
  readonly impatient?: boolean;
  /** Sent with the request to a server. Where requests share a message, the first one's is sent. */
  readonly trace?: Trace;
  /**
   * Called at most once, when nobody reads the inputs any more, whether the request was answered, refused or given up; a run that was
   * given up may still read them for a while. Data in shared memory may be filled again from then on.
   */
  readonly released?: () => void;
}

export interface InferResult {
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Milliseconds in the queue and in the network. */
  readonly queuedMs: number;
  readonly computeMs: number;
}

export type Infer = (model: string, inputs: readonly Tensor[], options: InferOptions) => Promise<InferResult>;

/** Work that was given up because there was too much of it: the model is well. */
export function isShed(error: unknown): boolean {
  return isSightlineError(error, 'inference.overload') || isSightlineError(error, 'inference.deadline');
}

export interface TensorContract {
  readonly name: string;
  readonly datatype: DataType;
  /** As in config.pbtxt: without the batch axis when `maxBatchSize` > 0; -1 is free. */
  readonly dims: readonly number[];
}

/** A model as its `config.pbtxt` describes it. */
export interface ModelDescription {
  readonly name: string;
  /** Highest version folder present, e.g. `1`; empty for whichever a server has. */
  readonly version: string;
  /** 0: the graph has no batch axis of its own. */
  readonly maxBatchSize: number;
  readonly inputs: readonly TensorContract[];
  readonly outputs: readonly TensorContract[];
  /** `parameters { key value { string_value } }`: kind, pre-processing, thresholds, embedding space. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Names of classes by number, from the file that an output's `label_filename` names; absent when none does. */
  readonly labels?: readonly string[];
  /** Where the weights lie; undefined when they are not there yet. */
  readonly weights?: string;
}

export type ModelState =
  /** `reason`: it runs, but not where it should. */
  | { readonly state: 'ready'; readonly model: string; readonly reason?: string }
  | { readonly state: 'loading'; readonly model: string }
  | { readonly state: 'unavailable'; readonly model: string; readonly reason: string };

/** A server that runs networks, as it is now. */
export interface InferenceServer {
  readonly name: string;
  /** `busy`: it says that it is not ready, because a model is being loaded or is broken; models that are there answer. */
  readonly state: 'unknown' | 'ready' | 'busy' | 'away';
  /** Why it is not ready. */
  readonly reason: string;
}

export interface InferenceEngine extends AsyncDisposable {
  readonly name: 'embedded' | 'triton';
  readonly infer: Infer;
  /** Rejects with `model.unknown` or `model.invalid`. */
  describe(model: string): Promise<ModelDescription>;
  /**
   * Loads ahead of the first request, and anew when its weights were replaced since; rejects with the reason a person can act on.
   * False when it was there already.
   */
  load(model: string): Promise<boolean>;
  states(): readonly ModelState[];
  /** Those that it asks; absent where it runs networks itself. */
  servers?(): readonly InferenceServer[];
  /** Whether one at this address of the configuration is ready; absent where there are none. */
  isReadyAt?(url: TritonUrl): boolean;
  /** What came of asking them, by model; absent where there are none. */
  traffic?(): readonly ModelTraffic[];
  /** What those that answer count of these models themselves; absent where there are none. Never rejects. */
  statistics?(models: readonly string[]): Promise<readonly ServerReading[]>;
  /** Times that it had to begin anew: its thread died, its server was gone. */
  readonly deaths: number;
}
