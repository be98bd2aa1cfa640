import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import { systemClock } from '../core/clock.ts';
import { errorText, SightlineError } from '../core/errors.ts';
import type { TritonUrl } from '../core/triton-url.ts';
import { addressesInUse, addressesOf, type TritonAddress } from './triton-address.ts';

const connectWithinMs = 1000;

/** Addresses that a name leads to, by the system. Rejects with `inference.unavailable` when there are none. */
export async function lookUpName(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    const words = `${host} has no address (${errorText(error)}); is the name right, does the network know it`;
    throw new SightlineError('inference.unavailable', words, { details: { host } });
  }
}

/** The servers that an address of a command leads to, one at least. Rejects as `lookUpName`. */
export async function serversAt(url: TritonUrl, lookUp = lookUpName): Promise<readonly TritonAddress[]> {
  if (isIP(url.host) !== 0) return addressesOf(url, [url.host]);
  const addresses = addressesOf(url, await lookUp(url.host));
  const there = await Promise.all(addresses.map(takesConnections));
  return addressesInUse(addresses, (address) => ({ askedMs: 0, upMs: there[addresses.indexOf(address)] ? 0 : undefined }));
}

async function takesConnections({ ip, port }: TritonAddress): Promise<boolean> {
  const socket = connect(port, ip);
  using limit = systemClock.deadline(connectWithinMs);
  try {
    await once(socket, 'connect', { signal: limit.signal });
    return true;
  } catch {
    // Whoever asks it next says why not.
    return false;
  } finally {
    socket.destroy();
  }
}
