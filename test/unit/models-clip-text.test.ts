import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { modelFacts } from '../../src/composition/checked-config.ts';
import type { Infer, InferOptions, ModelDescription, Tensor, TensorContract } from '../../src/core/inference.ts';
import { describeModel } from '../../src/inference/repository.ts';
import { cleanText } from '../../src/models/clip-clean.ts';
import { type ClipTokenizer, endOfText, parseClipVocabulary, startOfText, tokenRow } from '../../src/models/clip-tokens.ts';
import { readClipVocabulary } from '../../src/models/clip-vocabulary.ts';
import { createEmbedder, createTextEmbedder, modelRole } from '../../src/models/kinds.ts';
import { readGolden } from '../support/golden.ts';
import { shippedRepository } from '../support/repository.ts';

interface Golden {
  readonly length: number;
  readonly texts: readonly (readonly [string, readonly number[]])[];
  /** Text, how many tokens it has, the row it is cut to. */
  readonly long: readonly (readonly [string, number, readonly number[]])[];
}

const golden = readGolden<Golden>('tokens');
const shippedFile = join(shippedRepository, 'clip_text/merges.txt.gz');
const options: InferOptions = { signal: new AbortController().signal, deadlineMs: Number.POSITIVE_INFINITY, stream: 'test' };
let tokenizer: ClipTokenizer;

before(async () => {
  tokenizer = await readClipVocabulary(shippedFile);
});

describe("CLIP's tokenizer", () => {
  it('gives the ids of the reference for every text', () => {
    for (const [text, ids] of golden.texts) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
  });

  it('gives the ids that are published', () => {
    for (const [text, ids] of [
      ['', []],
      ['a diagram', [320, 22697]],
      ['a person in a red jacket carrying a backpack', [320, 2533, 530, 320, 736, 6164, 9920, 320, 14894]],
      ["It's 2024: who's there?", [585, 568, 273, 271, 273, 275, 281, 822, 568, 997, 286]],
      ['a 日本 sign', [320, 39121, 19277, 361, 2292]],
      ['Jekyll', [49405]],
      ['don&amp;#39;t walk', [847, 713, 2374]],
    ] as const)
      assert.deepEqual(tokenizer.encode(text), ids, text);
  });

  it('knows start and end where a text holds them, as upstream does', () => {
    assert.deepEqual(tokenizer.encode('a <|endoftext|> dog<|STARTOFTEXT|>'), [320, endOfText, 1929, startOfText]);
    assert.deepEqual([startOfText, endOfText], [49406, 49407]);
  });

  it('cuts a row to its length with the end in the last place, or refuses', () => {
    for (const [text, count, row] of golden.long) {
      const ids = tokenizer.encode(text);
      assert.equal(ids.length, count, text);
      assert.deepEqual([...tokenRow(ids, golden.length, 'truncate')], row);
      if (count <= golden.length - 2) assert.deepEqual([...tokenRow(ids, golden.length, 'refuse')], row);
      else
        assert.throws(() => tokenRow(ids, golden.length, 'refuse'), {
          code: 'text.refused',
          message: `the text has ${count} tokens (a word is one or a few); allowed are 75`,
        });
    }
  });

  it('cares for neither case nor white space', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('Red', 'JACKET', "it's", '42', 'café', '!'), { minLength: 1 }), (words) => {
        const plain = tokenizer.encode(words.join(' '));
        assert.deepEqual(tokenizer.encode(` \t${words.join('\n\u00a0 ').toUpperCase()}\r\n`), plain);
      }),
    );
  });

  it('gives known ids for any text, whatever its characters, and those of its cleaned form', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const ids = tokenizer.encode(text);
        assert.ok(ids.every((id) => Number.isInteger(id) && id >= 0 && id <= endOfText));
        // A cleaned text may hold a reference that only shows once the rest is undone.
        if (!text.includes('&')) assert.deepEqual(tokenizer.encode(cleanText(text)), ids);
      }),
    );
  });

  it('loses no byte of a clean text', () => {
    const merges = gunzipSync(readShipped()).toString('utf8').split('\n').slice(1);
    const pieces = (id: number): string =>
      id < 512 ? byteOf(id) : (merges[id - 512] ?? '').split(' ').join('').replaceAll('</w>', ' ');
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'abc xyz09-é日'), maxLength: 40 }), (text) => {
        const bytes = tokenizer.encode(text).map(pieces).join('');
        const said = new TextDecoder().decode(Uint8Array.from(bytes.replaceAll(' ', ''), fromSymbol));
        assert.equal(said, cleanText(text).replaceAll(' ', ''));
      }),
    );
  });
});

let shippedBytes: Buffer;
before(async () => {
  shippedBytes = await readFile(shippedFile);
});
const readShipped = () => shippedBytes;

const visible = Array.from({ length: 256 }, (_, byte) => byte).filter(
  (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173),
);
const hidden = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !visible.includes(byte));

/** The symbol of one of the first 512 ids; a space stands for the end of a word. */
function byteOf(id: number): string {
  const symbols = [
    ...visible.map((byte) => String.fromCodePoint(byte)),
    ...hidden.map((_, at) => String.fromCodePoint(256 + at)),
  ];
  return `${symbols[id % 256]}${id < 256 ? '' : ' '}`;
}

function fromSymbol(symbol: string): number {
  const point = symbol.codePointAt(0) ?? 0;
  return point < 256 ? point : (hidden[point - 256] ?? 0);
}

describe('the vocabulary file', () => {
  it('is the part of the original that the models know', () => {
    const text = gunzipSync(shippedBytes);
    const sha256 = createHash('sha256').update(text).digest('hex');
    assert.equal(sha256, '685491abbdad36159d094ecdc23bebc0dd53f8d1df35c4d74ef6036db2ba7572');
    const lines = text.toString('utf8').trimEnd().split('\n');
    assert.deepEqual([lines.length, lines[1], lines.at(-1)], [48_895, 'i n', 'jeky ll</w>']);
  });

  it('serves as well plain, and with more merges than the models know', async () => {
    const text = `${gunzipSync(shippedBytes)}th is</w>\n`;
    const directory = await mkdtemp(join(tmpdir(), 'sightline-vocabulary-'));
    try {
      for (const [name, bytes] of [
        ['plain.txt', text],
        ['packed.gz', gzipSync(text)],
      ] as const) {
        await writeFile(join(directory, name), bytes);
        const { encode } = await readClipVocabulary(join(directory, name));
        assert.deepEqual(encode('Jekyll'), [49405]);
      }
      await writeFile(join(directory, 'cut.gz'), shippedBytes.subarray(0, 1000));
      await assert.rejects(readClipVocabulary(join(directory, 'cut.gz')), {
        code: 'model.invalid',
        message: /cannot unpack .*cut\.gz/,
      });
      await assert.rejects(readClipVocabulary(join(directory, 'none.gz')), {
        code: 'model.missing',
        message: /no vocabulary at .*none\.gz; put back merges\.txt\.gz of model_repository\/clip_text/,
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('is refused by line when it is something else', () => {
    const text = gunzipSync(shippedBytes).toString('utf8');
    for (const [given, message] of [
      ['i n\nt h\n', /v\.txt:1: the first line names no version; expected is bpe_simple_vocab_16e6\.txt of CLIP/],
      [text.replace('\nt h\n', '\nt h e\n'), /v\.txt:3: this is no merge of two known symbols/],
      [text.replace('\nt h\n', '\nt hello\n'), /v\.txt:3: this is no merge/],
      [text.slice(0, text.indexOf('\n', 100)), /v\.txt:\d+: it ends after \d+ merges of 48894/],
    ] as const)
      assert.throws(() => parseClipVocabulary(given, 'v.txt'), { code: 'model.invalid', message });
  });
});

/** A network whose vector is (sum of a row's ids, 3 000 000): enough to see which row became which vector. */
function engine(change: (vector: Float32Array) => void = () => {}) {
  const asked: (readonly Tensor[])[] = [];
  const infer: Infer = async (_model, inputs) => {
    asked.push(inputs);
    const [rows = 0, length = 0] = inputs[0]?.shape ?? [];
    const data = new Float32Array(2 * rows);
    const ids = Array.from(inputs[0]?.data ?? [], Number);
    for (let row = 0; row < rows; row += 1) {
      const sum = ids.slice(row * length, (row + 1) * length).reduce((total, id) => total + id, 0);
      data.set([sum, 3e6], 2 * row);
      change(data.subarray(2 * row, 2 * row + 2));
    }
    return {
      outputs: new Map([['out', { name: 'out', datatype: 'FP32', shape: [rows, 2], data }]]),
      queuedMs: 0,
      computeMs: 0,
    };
  };
  return { infer, asked };
}

function model(over: Partial<ModelDescription> = {}, parameters: Readonly<Record<string, string>> = {}): ModelDescription {
  return {
    name: 'texts',
    version: '1',
    maxBatchSize: 2,
    inputs: [{ name: 'in', datatype: 'INT32', dims: [77] }],
    outputs: [{ name: 'out', datatype: 'FP32', dims: [2] }],
    parameters: { kind: 'clip_text', ...parameters },
    ...over,
  };
}

const texts = ['a dog', 'a cat', 'red jacket, black cap'];
const row = (text: string) => [...tokenRow(tokenizer.encode(text), 77, 'refuse')];

describe('text embedder', () => {
  const reading = async () => tokenizer;

  it('gives vectors of length one, in order, and splits at the batch ceiling', async () => {
    const { infer, asked } = engine();
    const vectors = await createTextEmbedder(model(), reading, infer).embed(texts, options);
    assert.deepEqual(
      asked.map(([input]) => [input?.shape, input?.datatype]),
      [
        [[2, 77], 'INT32'],
        [[1, 77], 'INT32'],
      ],
    );
    assert.deepEqual([...(asked[0]?.[0]?.data ?? [])], [...row('a dog'), ...row('a cat')]);
    for (const [index, vector] of vectors.entries()) {
      const sum = row(texts[index] ?? '').reduce((total, id) => total + id, 0);
      assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
      assert.ok(Math.abs((vector[0] ?? 0) / (vector[1] ?? 1) - sum / 3e6) < 1e-6);
    }
  });

  it('gives 64-bit ids and a mask to a network that wants them', async () => {
    const { infer, asked } = engine();
    const inputs: TensorContract[] = [
      { name: 'input_ids', datatype: 'INT64', dims: [77] },
      { name: 'attention_mask', datatype: 'INT64', dims: [77] },
    ];
    await createTextEmbedder(model({ inputs }), reading, infer).embed(['a! dog', 'a'], options);
    const [ids, mask] = asked[0] ?? [];
    assert.ok(ids?.data instanceof BigInt64Array && mask?.data instanceof BigInt64Array);
    assert.deepEqual([ids.name, mask.name, mask.shape], ['input_ids', 'attention_mask', [2, 77]]);
    assert.deepEqual(Array.from(ids.data, Number), [...row('a! dog'), ...row('a')]);
    const ones = (count: number) => Array.from({ length: 77 }, (_, at) => (at < count ? 1 : 0));
    assert.deepEqual(Array.from(mask.data, Number), [...ones(5), ...ones(3)]);
  });

  it('fills up a network of fixed batch', async () => {
    const { infer, asked } = engine();
    const fixed = model({ maxBatchSize: 0, inputs: [{ name: 'in', datatype: 'INT32', dims: [4, 77] }] });
    assert.equal((await createTextEmbedder(fixed, reading, infer).embed(texts, options)).length, 3);
    assert.deepEqual(
      asked.map(([input]) => input?.shape),
      [[4, 77]],
    );
  });

  it('refuses a text that is empty or too long before anything runs, and cuts it when told to', async () => {
    const { infer, asked } = engine();
    const embedder = createTextEmbedder(model(), reading, infer);
    const [long = ''] = golden.long[0] ?? [];
    for (const [text, message] of [
      [' \n', /the text is empty; say what to look for/],
      ['\ufeff&#1;', /the text is empty/],
      [long, /the text has 80 tokens .*; allowed are 75/],
      ['a'.repeat(1001), /the text has 1001 characters; allowed are 1000/],
    ] as const)
      await assert.rejects(embedder.embed(['a dog', text], options), { code: 'text.refused', message });
    assert.equal(asked.length, 0);
    await createTextEmbedder(model({}, { long_text: 'truncate' }), reading, infer).embed([long], options);
    assert.deepEqual([...(asked[0]?.[0]?.data ?? [])], golden.long[0]?.[2]);
  });

  it('reads the vocabulary once, at the first text, and again after a failure', async () => {
    const names: string[] = [];
    let broken = true;
    const embedder = createTextEmbedder(
      model({}, { vocabulary: 'own.txt' }),
      async (name) => {
        names.push(name);
        if (broken) throw new Error('not there');
        return tokenizer;
      },
      engine().infer,
    );
    assert.deepEqual(names, []);
    await assert.rejects(embedder.embed(['a'], options), /not there/);
    broken = false;
    await Promise.all([embedder.embed(['a'], options), embedder.embed(['b'], options)]);
    assert.deepEqual(names, ['own.txt', 'own.txt']);
  });

  it('fails on a vector without length or with a value that is not finite', async () => {
    for (const bad of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      const { infer } = engine((vector) => vector.fill(bad));
      await assert.rejects(createTextEmbedder(model(), reading, infer).embed(['a'], options), {
        code: 'inference.failed',
        message: /texts: a vector is zero or not finite/,
      });
    }
  });

  const refused: readonly (readonly [string, ModelDescription, RegExp])[] = [
    [
      'floats',
      model({ inputs: [{ name: 'in', datatype: 'FP32', dims: [77] }] }),
      /input "in" is FP32; allowed is INT32, INT64/,
    ],
    [
      'a free length',
      model({ inputs: [{ name: 'in', datatype: 'INT32', dims: [-1] }] }),
      /input "in" is \[-1\]; texts have a fixed/,
    ],
    [
      'two inputs of ids',
      model({ inputs: ['a', 'b'].map((name) => ({ name, datatype: 'INT32', dims: [77] })) }),
      /one input of token ids and may have attention_mask; described are a, b/,
    ],
    ['a free vector', model({ outputs: [{ name: 'o', datatype: 'FP32', dims: [-1] }] }), /a vector of fixed length/],
    [
      'a vocabulary elsewhere',
      model({}, { vocabulary: '../v.gz' }),
      /vocabulary says "\.\.\/v\.gz"; allowed is a file beside it/,
    ],
    ['another way with long texts', model({}, { long_text: 'cut' }), /long_text says "cut"; allowed is refuse, truncate/],
    ['an unknown parameter', model({}, { colour: 'rgb' }), /parameter colour is unknown for kind clip_text/],
    ['another kind', model({}, { kind: 'clip_visual' }), /parameter kind says "clip_visual"; allowed is clip_text/],
  ];
  for (const [what, description, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => createTextEmbedder(description, reading, engine().infer), { code: 'model.invalid', message });
    });
  }

  it('has, as shipped, the space of the shipped image side and lower thresholds', async () => {
    const shipped = await describeModel(shippedRepository, 'clip_text');
    assert.equal(modelRole(shipped), 'text_embedder');
    assert.equal(modelFacts(shippedRepository, shipped).kind, 'text');
    const words = createTextEmbedder(shipped, reading, engine().infer);
    const pictures = createEmbedder(await describeModel(shippedRepository, 'clip_visual'), engine().infer);
    assert.deepEqual([words.space, words.dimensions], [pictures.space, pictures.dimensions]);
    assert.ok(words.thresholds.open < pictures.thresholds.open - 0.3);
  });
});
