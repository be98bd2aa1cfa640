import { collectSeldom } from '../core/heap.ts';

/** The media door as a process (`program.ts`): only what has to be done before its modules are loaded (docs/decisions/start.md). */

collectSeldom();
await import('./program.ts');
