import { writeSync } from 'node:fs';
import type { TestEvent } from 'node:test/reporters';

/**
 * Runs inside each test process and tells `tools/test.ts` on file descriptor 3, one JSON line an event, what happened. On SIGUSR2 it
 * also says what keeps the process alive, so that a leak has a name.
 */
export type Report =
  | { readonly type: 'enqueued'; readonly nesting: number }
  | { readonly type: 'completed'; readonly nesting: number }
  | { readonly type: 'started'; readonly name: string; readonly nesting: number }
  | { readonly type: 'passed'; readonly name: string; readonly suite: boolean; readonly skip?: string }
  | { readonly type: 'failed'; readonly name: string; readonly failureType: string; readonly because: string }
  | { readonly type: 'alive'; readonly resources: readonly string[] };

const descriptor = 3;

function send(report: Report): void {
  writeSync(descriptor, `${JSON.stringify(report)}\n`);
}

/** The error as a person wants to read it: message, differences, stack without the runner's own frames. */
function because(error: Error): string {
  // The runner wraps what a test threw; a time-out has only a text inside.
  const thrown = error.cause ?? error;
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? thrown.message;
  const lines = (stack.includes(thrown.message) ? stack : `${thrown.message}\n${stack}`)
    .split('\n')
    .filter((line) => !/^\s+at .*(node:internal|node:async_hooks|<anonymous>\)$)/.test(line))
    .join('\n');
  return thrown.cause === undefined ? lines : `${lines}\ncaused by: ${because(new Error('', { cause: thrown.cause }))}`;
}

/** What every test process has: its output, this handler. */
const ownResources = new Set(['SignalWrap', 'TTYWrap', 'PipeWrap']);

process.on('SIGUSR2', () => {
  const resources = process.getActiveResourcesInfo().filter((name) => !ownResources.has(name));
  send({ type: 'alive', resources });
});

// biome-ignore lint/style/noDefaultExport: --test-reporter takes the default export of a module
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<never> {
  const path: string[] = [];
  const nameOf = (event: { readonly name: string; readonly nesting: number }) =>
    [...path.slice(0, event.nesting), event.name].join(' > ');
  for await (const event of source) {
    switch (event.type) {
      case 'test:enqueue':
        send({ type: 'enqueued', nesting: event.data.nesting });
        break;
      case 'test:dequeue':
        send({ type: 'started', name: event.data.name, nesting: event.data.nesting });
        break;
      case 'test:complete':
        send({ type: 'completed', nesting: event.data.nesting });
        break;
      case 'test:start':
        path.splice(event.data.nesting, path.length, event.data.name);
        break;
      case 'test:pass': {
        const { skip, todo, details } = event.data;
        const why = skip === true ? 'no reason given' : (skip ?? (todo === true ? 'to do' : todo));
        const skipped = typeof why === 'string' ? { skip: why } : {};
        send({ type: 'passed', name: nameOf(event.data), suite: details.type === 'suite', ...skipped });
        break;
      }
      case 'test:fail': {
        const { error } = event.data.details;
        const failureType = 'failureType' in error ? String(error.failureType) : '';
        send({ type: 'failed', name: nameOf(event.data), failureType, because: because(error) });
        break;
      }
    }
  }
}
