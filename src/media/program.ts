import { flushCompileCache } from 'node:module';
import { Socket } from 'node:net';
import { aborted } from '../core/aborted.ts';
import { systemClock } from '../core/clock.ts';
import type { Context } from '../core/context.ts';
import { errorText } from '../core/errors.ts';
import { createLogger } from '../core/log.ts';
import { createLogStream } from '../core/log-stream.ts';
import type { FromDoor, ToDoor } from '../core/media-door.ts';
import { createMetrics } from '../core/metrics.ts';
import { createDoor } from './door.ts';

/**
 * The media door as a process: a child of the daemon that hears and says all (`core/media-door.ts`) over the channel between them. It ends
 * when it is told to and when the channel closes, which is how it learns of the daemon's death. Exit codes: 0 told to stop, anything
 * else a crash.
 */

/** Connections and clips are closed in moments; what is not by then goes with the process. */
const closeWithinMs = 3000;
/** By then the first streams have been served and all that a start needs is compiled. */
const keepCompiledAfterMs = 10_000;

const stop = new AbortController();
const ctx: Context = {
  log: createLogger({ level: 'info', destination: createLogStream(process.stderr, process.stderr.fd) }),
  clock: systemClock,
  metrics: createMetrics(),
  signal: stop.signal,
};
const over = Promise.withResolvers<string>();
const door = createDoor(send, ctx);

/** What the daemon does not hear because it is gone is of no use to anybody. */
function send(message: FromDoor): void {
  if (process.connected) process.send?.(message, undefined, {}, () => {});
}

// The terminal's Ctrl-C reaches the whole group; the daemon stops its children.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => over.resolve('terminated'));
process.on('disconnect', () => over.resolve('the daemon is gone'));
process.on('message', (message: ToDoor, handle: unknown) => {
  if (message.type === 'ping') send({ type: 'pong', id: message.id });
  else if (message.type === 'stop') over.resolve('stopped');
  else {
    if (message.type === 'configure') ctx.log.level = message.settings.logLevel;
    door.receive(message, handle instanceof Socket ? handle : undefined);
  }
});
process.on('uncaughtException', (error) => {
  ctx.log.error({ err: error, reason: errorText(error) }, 'media door stops');
  process.exit(1);
});

ctx.clock.sleep(keepCompiledAfterMs, stop.signal).then(flushCompileCache, () => {});
const why = await over.promise;
ctx.log.info({ reason: why }, 'media door closes');
stop.abort(new DOMException('the media door stops', 'AbortError'));
using limit = ctx.clock.deadline(closeWithinMs);
const late = aborted(limit.signal);
await Promise.race([door[Symbol.asyncDispose](), late]);
process.exit(0);
