import { serveThread } from '../core/thread.ts';
import { createGraphHandlers } from './graph-handlers.ts';

/** The thread of one approximate index: it builds it, then searches it. */

await serveThread(createGraphHandlers);
