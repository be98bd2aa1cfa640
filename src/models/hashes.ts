import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { HashAlgorithm } from '../core/model-shelf.ts';

/** Hashes of a file in hexadecimal, in one reading. `git-blob` is the name that git gives its content. */
export async function hashFile(
  file: string,
  algorithms: readonly HashAlgorithm[],
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly hashes: ReadonlyMap<HashAlgorithm, string> }> {
  const { size: bytes } = await stat(file);
  const hashes = new Map(
    algorithms.map((algorithm) => {
      const hash = createHash(algorithm === 'git-blob' ? 'sha1' : algorithm);
      if (algorithm === 'git-blob') hash.update(`blob ${bytes}\0`);
      return [algorithm, hash];
    }),
  );
  for await (const chunk of createReadStream(file, { signal })) for (const hash of hashes.values()) hash.update(chunk);
  return { bytes, hashes: new Map([...hashes].map(([algorithm, hash]) => [algorithm, hash.digest('hex')])) };
}
