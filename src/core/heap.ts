import { setFlagsFromString } from 'node:v8';

/**
 * Lets the heap grow to four times of what lives in it before all of it is collected. Pictures and tensors lie outside V8's heap but count
 * towards it, and beside a heap of 15 MB a dozen of them already had it collected, at 30 ms each time and several times a second. Call it
 * before modules are loaded: V8 refuses what the compile cache holds if it was made under other settings.
 */
export function collectSeldom(): void {
  setFlagsFromString('--heap-growing-percent=300');
}
