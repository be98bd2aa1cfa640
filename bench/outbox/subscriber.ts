import { connectAsync } from 'mqtt';

/**
 * A consumer in a process of its own: `subscriber.ts URL FILTER`. Says `ready`; each message on its channel is answered with how many
 * messages and how many different first hundred bytes came since the last time (an alert message begins with its id and revision).
 */
const [url = '', filter = ''] = process.argv.slice(2);
const client = await connectAsync(url, { protocolVersion: 5 });
let messages = 0;
let seen = new Set<string>();
client.on('message', (_topic: string, payload: Buffer) => {
  messages += 1;
  seen.add(payload.subarray(0, 100).toString('latin1'));
});
await client.subscribeAsync(filter, { qos: 1 });
process.on('message', (what) => {
  if (what === 'stop') {
    void client.endAsync(true).then(() => process.disconnect());
    return;
  }
  process.send?.({ messages, different: seen.size });
  messages = 0;
  seen = new Set();
});
process.send?.('ready');
