import { serveThread, Transferred } from '../../src/core/thread.ts';
import type { EmbeddedHandlers } from '../../src/inference/embedded-thread.ts';

/**
 * In place of the inference thread: says on the broadcast channel named `held-inference` which run has begun (by the first value of
 * its input) and waits for `go` before it answers with that value. The value −1 kills the thread.
 */
const channel = new BroadcastChannel('held-inference');
let release: (() => void) | undefined;
channel.onmessage = (event) => {
  if ((event as MessageEvent).data === 'go') release?.();
};

await serveThread<EmbeddedHandlers>(() => ({
  load: async (model) => {
    if (model.startsWith('broken')) throw new Error('no such network');
    return {
      inputs: [{ name: 'in', datatype: 'FP32', shape: [-1, 1] }],
      outputs: [{ name: 'out', datatype: 'FP32', shape: [-1, 1] }],
    };
  },
  unload: async () => {},
  run: async (_model, inputs) => {
    const value = Number(inputs[0]?.data[0]);
    if (value === -1) process.exit(3);
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    channel.postMessage(value);
    await held;
    const data = Float32Array.of(value);
    const outputs = [{ name: 'out', datatype: 'FP32', shape: [1, 1], data }] as const;
    return new Transferred({ outputs, computeMs: 1 }, [data.buffer]);
  },
  close: async () => channel.close(),
}));
