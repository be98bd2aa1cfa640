import { SightlineError } from '../core/errors.ts';

/**
 * Some published networks state a fixed size that they do not need: CenterFace's ONNX file says 10 x 3 x 32 x 32 although it is fully
 * convolutional, and every loader that checks shapes refuses anything else. Field numbers:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

const graphField = 7;
const inputField = 11;
const outputField = 12;
const valueInfoField = 13;

/**
 * The same network with the given axes free at all inputs and outputs; axis 0 is the batch and common to all of them. Shapes stated
 * for what lies between are dropped, the runtime infers them. Throws `model.invalid` when the bytes are no ONNX model.
 */
export function freeAxes(model: Uint8Array, axes: readonly number[]): Uint8Array {
  let graphs = 0;
  const freed = mapFields(model, (field, graph) => {
    if (field !== graphField) return graph;
    graphs += 1;
    return mapFields(graph, (part, bytes) => {
      if (part === valueInfoField) return undefined;
      return part === inputField || part === outputField ? freeTensor(bytes, axes) : bytes;
    });
  });
  if (graphs !== 1) throw notOnnx();
  return freed;
}

/** ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1; Tensor: shape 2; TensorShapeProto: dim 1; Dimension: dim_param 2. */
function freeTensor(info: Uint8Array, axes: readonly number[]): Uint8Array {
  let name = '';
  mapFields(info, (field, bytes) => {
    if (field === 1) name = new TextDecoder().decode(bytes);
    return bytes;
  });
  const nested = (bytes: Uint8Array, wanted: number, change: (inner: Uint8Array) => Uint8Array) =>
    mapFields(bytes, (field, inner) => (field === wanted ? change(inner) : inner));
  return nested(info, 2, (type) =>
    nested(type, 1, (tensor) =>
      nested(tensor, 2, (shape) => {
        let axis = -1;
        return nested(shape, 1, (dimension) => {
          axis += 1;
          return axes.includes(axis) ? delimited(2, new TextEncoder().encode(axis === 0 ? 'N' : `${name}_${axis}`)) : dimension;
        });
      }),
    ),
  );
}

/** Copies a message, giving each length-delimited field to `change`; undefined drops it. */
function mapFields(message: Uint8Array, change: (field: number, bytes: Uint8Array) => Uint8Array | undefined): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at];
      if (byte === undefined || shift > 2 ** 63) throw notOnnx();
      at += 1;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const tag = varint();
    const kind = tag % 8;
    if (kind === 2) {
      const length = varint();
      const end = at + length;
      if (end > message.length) throw notOnnx();
      const bytes = message.subarray(at, end);
      const field = (tag - kind) / 8;
      const changed = change(field, bytes);
      if (changed === bytes) parts.push(message.subarray(start, end));
      else if (changed !== undefined) parts.push(delimited(field, changed));
      at = end;
      continue;
    }
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else throw notOnnx();
    if (at > message.length) throw notOnnx();
    parts.push(message.subarray(start, at));
  }
  return Buffer.concat(parts);
}

function delimited(field: number, bytes: Uint8Array): Uint8Array {
  const head: number[] = [];
  for (let value of [8 * field + 2, bytes.length]) {
    for (; value > 127; value = Math.floor(value / 128)) head.push((value % 128) + 128);
    head.push(value);
  }
  return Buffer.concat([Uint8Array.from(head), bytes]);
}

function notOnnx(): SightlineError {
  return new SightlineError('model.invalid', 'the file is not an ONNX model');
}
