import { SightlineError } from '../core/errors.ts';
import type { Infer, InferOptions, ModelDescription, Tensor, TensorContract } from '../core/inference.ts';
import type { TextEmbedder } from '../core/models.ts';
import { type ClipTokenizer, endOfText, tokenRow } from './clip-tokens.ts';
import { normalise } from './embedder.ts';
import type { Parameters } from './parameters.ts';
import { failed, floatOutput } from './tensors.ts';

/** Reads a vocabulary by the name of its file in the model's folder. */
export type ReadVocabulary = (name: string) => Promise<ClipTokenizer>;

/** Characters: far more than fit, and few enough that the worst of them (one word) is split in a fraction of a second. */
const longestText = 1000;

const maskName = 'attention_mask';

/**
 * Kind `clip_text`: texts to unit vectors in the space of the image side, so that pictures can be compared with a description. The
 * cosine of a text and a picture is far lower than that of two pictures and has thresholds of its own. An input beside the ids is
 * `attention_mask`, as exports by way of Hugging Face's transformers have it: 1 up to the end of the text.
 */
export function createClipText(
  model: ModelDescription,
  parameters: Parameters,
  readVocabulary: ReadVocabulary,
  infer: Infer,
): TextEmbedder {
  const { ids, mask, length } = textInputs(model, parameters);
  const tooLong = parameters.choice('long_text', ['refuse', 'truncate'], 'refuse');
  const vocabulary = parameters.text('vocabulary', 'merges.txt.gz');
  if (/[/\\]/.test(vocabulary))
    throw parameters.contract(`parameter vocabulary says "${vocabulary}"; allowed is a file beside it`);
  const [output, second] = model.outputs;
  const dimensions = output?.dims.at(-1) ?? -1;
  if (output === undefined || second !== undefined || dimensions < 2)
    throw parameters.contract('an embedder has exactly one output, a vector of fixed length');
  const ceiling = model.maxBatchSize > 0 ? model.maxBatchSize : Math.max(1, ids.dims[0] ?? 1);
  const version = parameters.text('space_version', '1');
  let reading: Promise<ClipTokenizer> | undefined;

  /** Read at the first text; what could not be read is tried again with the next. */
  function tokenizer(): Promise<ClipTokenizer> {
    reading ??= readVocabulary(vocabulary).catch((error: unknown) => {
      reading = undefined;
      throw error;
    });
    return reading;
  }

  async function embedRows(rows: readonly Int32Array[], options: InferOptions): Promise<readonly Float32Array[]> {
    // A network whose batch is fixed is always given that many.
    const count = model.maxBatchSize > 0 ? rows.length : ceiling;
    const data = new Int32Array(count * length);
    for (const [index, row] of rows.entries()) data.set(row, index * length);
    const inputs = [wholeTensor(ids, count, length, data)];
    if (mask !== undefined) {
      const seen = new Int32Array(count * length);
      for (const [index, row] of rows.entries()) seen.fill(1, index * length, index * length + row.lastIndexOf(endOfText) + 1);
      inputs.push(wholeTensor(mask, count, length, seen));
    }
    const result = await infer(model.name, inputs, options);
    const { data: values } = floatOutput(model, result, output?.name ?? '', [count, dimensions]);
    return rows.map((_, index) => {
      const vector = values.slice(index * dimensions, (index + 1) * dimensions);
      if (!normalise(vector)) throw failed(model, 'a vector is zero or not finite');
      return vector;
    });
  }

  return {
    model: model.name,
    space: `${parameters.text('space', model.name)}@${version}`,
    dimensions,
    thresholds: {
      open: parameters.number('threshold_open', { min: -1, max: 1, fallback: 0.28 }),
      keep: parameters.number('threshold_keep', { min: -1, max: 1, fallback: 0.25 }),
      margin: parameters.number('threshold_margin', { min: 0, max: 2, fallback: 0.02 }),
    },
    embed: async (texts, options) => {
      for (const text of texts)
        if (text.length > longestText)
          throw new SightlineError('text.refused', `the text has ${text.length} characters; allowed are ${longestText}`);
      const { encode } = await tokenizer();
      const rows = texts.map((text) => {
        const said = encode(text);
        if (said.length === 0) throw new SightlineError('text.refused', 'the text is empty; say what to look for');
        return tokenRow(said, length, tooLong);
      });
      const vectors: Float32Array[] = [];
      for (let start = 0; start < rows.length; start += ceiling)
        vectors.push(...(await embedRows(rows.slice(start, start + ceiling), options)));
      return vectors;
    },
  };
}

/** The input of ids, the mask beside it and how many ids a text has. */
function textInputs(model: ModelDescription, parameters: Parameters) {
  const masks = model.inputs.filter(({ name }) => name === maskName);
  const [ids, second] = model.inputs.filter(({ name }) => name !== maskName);
  if (ids === undefined || second !== undefined)
    throw parameters.contract(
      `kind clip_text has one input of token ids and may have ${maskName}; described are ${model.inputs.map(({ name }) => name).join(', ')}`,
    );
  const axes = model.maxBatchSize > 0 ? 1 : 2;
  const length = ids.dims.at(-1) ?? -1;
  for (const { name, datatype, dims } of [ids, ...masks]) {
    if (datatype !== 'INT32' && datatype !== 'INT64')
      throw parameters.contract(`input "${name}" is ${datatype}; allowed is INT32, INT64`);
    if (dims.length !== axes || dims.at(-1) !== length || length < 3)
      throw parameters.contract(`input "${name}" is [${dims}]; texts have a fixed number of ids, [77] for CLIP`);
  }
  return { ids, mask: masks[0], length };
}

function wholeTensor(
  { name, datatype }: TensorContract,
  rows: number,
  length: number,
  values: Int32Array<ArrayBuffer>,
): Tensor {
  const shape = [rows, length];
  if (datatype === 'INT64') return { name, datatype, shape, data: BigInt64Array.from(values, BigInt) };
  return { name, datatype: 'INT32', shape, data: values };
}
