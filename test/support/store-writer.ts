import { parseArgs } from 'node:util';
import { startStore } from '../../src/store/store.ts';
import { testContext } from './context.ts';
import { exampleCommit, exampleEpisode, exampleEvent } from './store.ts';

/**
 * A process that commits alerts one after the other and prints the id of each once it is acknowledged, with the epoch it got, until
 * it is killed: `store-writer.ts --directory D --prefix P`.
 */
const { values } = parseArgs({ options: { directory: { type: 'string' }, prefix: { type: 'string' } } });
const { directory = '', prefix = '' } = values;
const ctx = testContext();
const store = await startStore({ directory }, ctx);
const picture = Buffer.alloc(30_000, prefix);
for (let i = 0; ; i += 1) {
  const id = `${prefix}-${i}`;
  const [epoch] = await Promise.all([
    store.nextEpoch('lobby'),
    store.alerts.commit(
      exampleCommit({
        events: [exampleEvent({ id, episodeId: id }, 1, picture)],
        episodes: [exampleEpisode({ id })],
        cooldowns: [{ key: id, at: i }],
      }),
    ),
  ]);
  process.stdout.write(`${id} ${epoch}\n`);
}
