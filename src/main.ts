#!/usr/bin/env node
import { dirname } from 'node:path';
import { useCompileCache } from './core/compile-cache.ts';
import { collectSeldom } from './core/heap.ts';

/** The entry that everybody calls: only what has to be done before the modules of the program are loaded (docs/decisions/start.md). */

collectSeldom();
Object.assign(process.env, useCompileCache(dirname(import.meta.dirname), process.env, process.getuid?.()));
await import('./program.ts');
