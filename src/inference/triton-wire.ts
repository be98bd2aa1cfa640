import type { DataType, Tensor, TensorData } from '../core/inference.ts';

/**
 * ModelInferRequest and ModelInferResponse of proto/inference/grpc_service.proto, by hand: what writing (triton-wire-write.ts) and
 * reading (triton-wire-read.ts) have in common. Wire format: https://protobuf.dev/programming-guides/encoding/
 */

/** A `bigint` travels as int64_param, a `number` as double_param. */
export type InferParameters = Readonly<Record<string, boolean | bigint | string | number>>;

/** Where a tensor lies instead of in the message. */
export interface SharedPlace {
  readonly region: string;
  readonly offset: number;
  readonly byteSize: number;
}

export interface InferRequest {
  readonly model: string;
  /** Absent: the server's choice, the highest. */
  readonly version?: string;
  readonly id?: string;
  readonly parameters?: InferParameters;
  readonly inputs: readonly (Tensor & { readonly shared?: SharedPlace })[];
  /** Names of the outputs that are wanted; absent: all. */
  readonly outputs?: readonly string[];
}

export interface InferAnswer {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly parameters: InferParameters;
  readonly outputs: readonly Tensor[];
}

/** Bytes of the elements of each data type; BYTES have no size of their own. */
export const elementBytes = { FP32: 4, FP16: 2, INT32: 4, INT64: 8, UINT8: 1, BOOL: 1, BYTES: 0 } as const satisfies Readonly<
  Record<DataType, number>
>;

/** Wire types. */
export const varintType = 0;
export const doubleType = 1;
export const bytesType = 2;

export function viewOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Elements of a BYTES tensor, each behind its length in 4 bytes, as KServe's binary tensor data. */
export function joinBytes(elements: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const parts = elements.map((element) => (typeof element === 'string' ? Buffer.from(element) : element));
  const out = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + 4 + byteLength, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.byteLength, true);
    out.set(part, at + 4);
    at += 4 + part.byteLength;
  }
  return out;
}

/** The elements of a BYTES tensor; undefined where a length leads past the end. */
export function splitBytes(data: TensorData): readonly Uint8Array[] | undefined {
  const bytes = viewOf(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    if (at + 4 > bytes.byteLength) return undefined;
    const end = at + 4 + view.getUint32(at, true);
    if (end > bytes.byteLength) return undefined;
    elements.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return elements;
}

export function bytesElementCount(data: TensorData): number | undefined {
  return splitBytes(data)?.length;
}
