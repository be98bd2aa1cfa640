import { readdirSync } from 'node:fs';
import { startVectorIndex } from '../../src/watchlist/faiss.ts';
import { testContext } from './context.ts';

/**
 * Prints how many threads a large search adds to the process, and whether the index warned: `faiss-threads.ts 1|unset`. The
 * variable is set as `program.ts` sets it: after the process began and before the index thread does.
 */
const [setting = 'unset'] = process.argv.slice(2);
if (setting !== 'unset') process.env['OMP_NUM_THREADS'] = setting;

function threads(): number {
  return readdirSync('/proc/self/task').length;
}

using ctx = testContext();
await using index = await startVectorIndex({}, ctx);
const before = threads();
const [count, dimensions] = [2000, 512];
await index.reset('test@1', dimensions);
const vectors = Array.from({ length: count }, () => Float32Array.from({ length: dimensions }, Math.random));
await index.change('test@1', { ids: Array.from({ length: count }, (_, i) => `id${i}`), vectors });
await index.search('test@1', Float32Array.from(vectors.slice(0, 64).flatMap((vector) => [...vector])), 5);
const warned = ctx.lines.some(({ msg }) => String(msg).includes('OMP_NUM_THREADS=1'));
process.stdout.write(JSON.stringify({ grown: threads() - before, warned }));
