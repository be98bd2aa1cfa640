import { serveThread } from '../../src/core/thread.ts';
import { createGraphHandlers, type GraphHandlers } from '../../src/watchlist/graph-handlers.ts';

/**
 * In place of the thread of an approximate index: says on the broadcast channel named `held-graph` that a build was asked for, and
 * begins it when `go` comes. `fail` makes it fail, `die` ends the thread, whatever it is doing.
 */
const channel = new BroadcastChannel('held-graph');
let decide: ((word: unknown) => void) | undefined;
channel.onmessage = (event) => {
  const word: unknown = (event as MessageEvent).data;
  if (word === 'die') process.exit(3);
  decide?.(word);
};

await serveThread<GraphHandlers>(async () => {
  const real = await createGraphHandlers();
  return {
    ...real,
    build: async (snapshot) => {
      const decided = new Promise((resolve) => {
        decide = resolve;
      });
      channel.postMessage('asked');
      if ((await decided) === 'fail') throw new Error('told to fail');
      real.build(snapshot);
    },
  } as GraphHandlers;
});
