import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { SightlineError } from '../core/errors.ts';

/**
 * Published networks often declare the sizes of the one run in which they were exported, although they take any. This rewrites the
 * declared shapes of inputs and outputs, and nothing else; shapes of tensors inside, which follow from them, are dropped. Field
 * numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

/** Sizes of every axis, the batch axis included; -1 is free. */
export type DeclaredShapes = ReadonlyMap<string, readonly number[]>;

const graphOfModel = 7;
const inputOfGraph = 11;
const outputOfGraph = 12;
const innerShapesOfGraph = 13;
const nameOfValue = 1;
const typeOfValue = 2;
const tensorOfType = 1;
const shapeOfTensor = 2;
const dimOfShape = 1;
const valueOfDim = 1;
const nameOfDim = 2;

/** Copies a message; `change` answers for a length-delimited field: other bytes, or undefined to leave it out. */
function rewrite(message: Uint8Array, change: (field: number, bytes: Uint8Array) => Uint8Array | undefined): Uint8Array {
  const reader = new BinaryReader(message);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) {
      const changed = change(field, reader.bytes());
      if (changed !== undefined) writer.tag(field, type).bytes(changed);
    } else {
      reader.skip(type, field);
      writer.raw(message.subarray(start, reader.pos));
    }
  }
  return writer.finish();
}

function fieldText(message: Uint8Array, wanted: number): string {
  let text = '';
  rewrite(message, (field, bytes) => {
    if (field === wanted) text = new TextDecoder().decode(bytes);
    return undefined;
  });
  return text;
}

function shapeMessage(name: string, sizes: readonly number[]): Uint8Array {
  const shape = new BinaryWriter();
  for (const [axis, size] of sizes.entries()) {
    const dim = new BinaryWriter();
    if (size >= 0) dim.tag(valueOfDim, WireType.Varint).int64(size);
    // A name of its own for each free axis: equal names would claim equal sizes.
    else dim.tag(nameOfDim, WireType.LengthDelimited).string(axis === 0 ? 'N' : `${name}_${axis}`);
    shape.tag(dimOfShape, WireType.LengthDelimited).bytes(dim.finish());
  }
  return shape.finish();
}

function redeclare(value: Uint8Array, shapes: DeclaredShapes): Uint8Array {
  const name = fieldText(value, nameOfValue);
  const sizes = shapes.get(name);
  if (sizes === undefined) return value;
  return rewrite(value, (field, bytes) => {
    if (field !== typeOfValue) return bytes;
    return rewrite(bytes, (kind, tensor) => {
      if (kind !== tensorOfType) return tensor;
      return rewrite(tensor, (part, shape) => (part === shapeOfTensor ? shapeMessage(name, sizes) : shape));
    });
  });
}

/** The network with the given inputs and outputs declared so. Throws `model.invalid` when the bytes are no ONNX file. */
export function redeclareShapes(onnx: Uint8Array, shapes: DeclaredShapes): Uint8Array {
  let found = false;
  try {
    const changed = rewrite(onnx, (field, graph) => {
      if (field !== graphOfModel) return graph;
      found = true;
      return rewrite(graph, (part, bytes) => {
        if (part === innerShapesOfGraph) return undefined;
        return part === inputOfGraph || part === outputOfGraph ? redeclare(bytes, shapes) : bytes;
      });
    });
    if (found) return changed;
  } catch (cause) {
    throw new SightlineError('model.invalid', 'the file is no ONNX network', { cause });
  }
  throw new SightlineError('model.invalid', 'the file is no ONNX network: it holds no graph');
}
