import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { errorText, SightlineError } from '../core/errors.ts';
import type { TritonUrl } from '../core/triton-url.ts';
import { addressesOf, type TritonAddress } from './triton-address.ts';

/** Addresses that a name leads to, by the system. Rejects with `inference.unavailable` when there are none. */
export async function lookUpName(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    const words = `${host} has no address (${errorText(error)}); is the name right, does the network know it`;
    throw new SightlineError('inference.unavailable', words, { details: { host } });
  }
}

/** The servers that an address of the configuration or of a command leads to, one at least. Rejects as `lookUpName`. */
export async function serversAt(url: TritonUrl): Promise<readonly TritonAddress[]> {
  return addressesOf(url, isIP(url.host) === 0 ? await lookUpName(url.host) : [url.host]);
}
