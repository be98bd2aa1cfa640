import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { isSystemError, SightlineError } from '../core/errors.ts';
import { type ClipTokenizer, parseClipVocabulary } from './clip-tokens.ts';

/** The whole original has 3.2 MB. */
const mostBytes = 16_000_000;

/**
 * The tokenizer of a vocabulary file, packed by gzip or plain. Rejects with `model.missing` (the remedy in words) or `model.invalid`
 * naming file and line.
 */
export async function readClipVocabulary(file: string): Promise<ClipTokenizer> {
  const details = { file };
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    if (!isSystemError(cause, 'ENOENT')) throw new SightlineError('model.invalid', `cannot read ${file}`, { cause, details });
    const remedy =
      'put back merges.txt.gz of model_repository/clip_text, or bpe_simple_vocab_16e6.txt.gz of openai/CLIP under that name';
    throw new SightlineError('model.missing', `no vocabulary at ${file}; ${remedy}`, { details });
  }
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  try {
    const text = packed ? await promisify(gunzip)(bytes, { maxOutputLength: mostBytes }) : bytes;
    return parseClipVocabulary(text.toString('utf8'), file);
  } catch (cause) {
    if (cause instanceof SightlineError) throw cause;
    throw new SightlineError('model.invalid', `cannot unpack ${file}`, { cause, details });
  }
}
