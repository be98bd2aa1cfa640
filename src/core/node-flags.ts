/**
 * Options of Node.js for every process with pictures or vectors in its memory: a signal must not open a debugger to all users of the
 * machine. `bin/sightline` and the container image have it too.
 */
export const noDebugger = '--disable-sigusr1';
