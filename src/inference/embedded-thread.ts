import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { errorText, SightlineError } from '../core/errors.ts';
import type { DataType, Tensor, TensorData } from '../core/inference.ts';
import { serveThread, Transferred } from '../core/thread.ts';
import type { SessionContract, SessionTensor } from './contract.ts';
import { quantisesActivations } from './quantisation.ts';
import { ownBuffer } from './tensor.ts';

/** The inference thread: ONNX Runtime sessions by model name. A run blocks this thread and no other. */

export type EmbeddedHandlers = {
  /** Replaces a loaded network of the same name; rejects with `model.invalid`. */
  load(model: string, weights: string): Promise<SessionContract>;
  unload(model: string): Promise<void>;
  /** Rejects with `inference.failed`. Buffers of the outputs are handed over. */
  run(model: string, inputs: readonly Tensor[]): Promise<Transferred<RunResult>>;
  close(): Promise<void>;
};

export interface RunResult {
  readonly outputs: readonly Tensor[];
  readonly computeMs: number;
}

export interface EmbeddedThreadData {
  readonly threads: number;
}

const datatypes: Readonly<Record<string, DataType>> = {
  float32: 'FP32',
  float16: 'FP16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  bool: 'BOOL',
};
const runtimeTypes = {
  FP32: 'float32',
  FP16: 'float16',
  INT32: 'int32',
  INT64: 'int64',
  UINT8: 'uint8',
  BOOL: 'bool',
} as const satisfies Partial<Record<DataType, RuntimeTensor.Type>>;

function describe(metadata: InferenceSession.ValueMetadata): SessionTensor {
  if (!metadata.isTensor) return { name: metadata.name, datatype: 'not a tensor', shape: [] };
  return {
    name: metadata.name,
    datatype: datatypes[metadata.type] ?? metadata.type,
    shape: metadata.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)),
  };
}

function toRuntime(tensor: Tensor): RuntimeTensor {
  if (tensor.datatype === 'BYTES')
    throw new SightlineError('inference.failed', `input "${tensor.name}" is BYTES, which the embedded engine does not run`);
  return new RuntimeTensor(runtimeTypes[tensor.datatype], tensor.data as never, [...tensor.shape]);
}

function fromRuntime(name: string, tensor: RuntimeTensor): Tensor {
  const datatype = datatypes[tensor.type];
  if (datatype === undefined || typeof tensor.data === 'string')
    throw new SightlineError('inference.failed', `output "${name}" is ${tensor.type}, which the embedded engine does not read`);
  return { name, datatype, shape: tensor.dims, data: tensor.data as TensorData };
}

function handlers(data: EmbeddedThreadData): EmbeddedHandlers {
  // onnxruntime-node 1.30 turns 16-bit floats into a Float16Array where there is one, and its native part cannot read those ("not
  // enough space: expected 4, got 0"). Without it in this thread both directions are bits in a Uint16Array.
  Reflect.deleteProperty(globalThis, 'Float16Array');
  const sessions = new Map<string, InferenceSession>();

  async function unload(model: string): Promise<void> {
    const session = sessions.get(model);
    sessions.delete(model);
    await session?.release();
  }

  return {
    load: async (model, weights) => {
      await unload(model);
      let session: InferenceSession;
      try {
        // Weights of 8 bits become floats once, at load, instead of on every run.
        const quantisation = (await quantisesActivations(weights)) ? {} : { disable_quant_qdq: '1' };
        // Spinning workers burn the CPU that decoding and the other threads of this machine need.
        session = await InferenceSession.create(weights, {
          intraOpNumThreads: data.threads,
          interOpNumThreads: 1,
          extra: { session: { ...quantisation, intra_op: { allow_spinning: '0' } } },
          logSeverityLevel: 3,
        });
      } catch (cause) {
        throw new SightlineError('model.invalid', `onnx runtime cannot load ${weights}: ${errorText(cause)}`, {
          details: { model, file: weights },
        });
      }
      sessions.set(model, session);
      return { inputs: session.inputMetadata.map(describe), outputs: session.outputMetadata.map(describe) };
    },
    unload,
    run: async (model, inputs) => {
      const session = sessions.get(model);
      if (session === undefined)
        throw new SightlineError('inference.failed', `${model} is not loaded in the inference thread`, { details: { model } });
      const feeds: Record<string, RuntimeTensor> = {};
      for (const input of inputs) feeds[input.name] = toRuntime(input);
      const start = performance.now();
      let results: InferenceSession.ReturnType;
      try {
        results = await session.run(feeds);
      } catch (cause) {
        throw new SightlineError('inference.failed', `${model} failed to run: ${errorText(cause)}`, { details: { model } });
      }
      const computeMs = performance.now() - start;
      const outputs = Object.entries(results).map(([name, tensor]) => fromRuntime(name, tensor));
      return new Transferred(
        { outputs, computeMs },
        outputs.flatMap(({ data }) => ownBuffer(data)),
      );
    },
    close: async () => {
      for (const model of [...sessions.keys()]) await unload(model);
    },
  };
}

await serveThread<EmbeddedHandlers>((data) => handlers(data as EmbeddedThreadData));
