import { BlockList, isIPv6 } from 'node:net';
import { SightlineError } from '../../core/errors.ts';
import { networkOf, plainAddress } from '../../core/network.ts';
import type { AddressKind } from '../../core/store.ts';

/** Addresses of callers: which are ours to believe, and what counts as one place. Pure. */

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

/** Throws `config.invalid` naming what is neither an address nor a network. */
export function addressList(entries: readonly string[], setting: string): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of entries) {
    const [text = '', bits, ...rest] = entry.split('/');
    const address = plainAddress(text);
    const most = address === undefined ? 0 : isIPv6(address) ? 128 : 32;
    const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (address === undefined || rest.length > 0 || !(length <= most)) {
      const words = `${setting}: ${entry} is neither an address nor a network; write one like 127.0.0.1 or 172.30.32.0/23`;
      throw new SightlineError('config.invalid', words, { details: { issues: [words], value: entry } });
    }
    list.addSubnet(address, length, family(address));
  }
  return (address) => list.check(address, family(address));
}

const isLoopbackAddress = addressList(['127.0.0.0/8', '::1'], 'loopback');
const isPrivateAddress = addressList(
  ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fe80::/10'],
  'private',
);

export function addressKind(address: string): AddressKind {
  if (isLoopbackAddress(address)) return 'loopback';
  return isPrivateAddress(address) ? 'private' : 'public';
}

/** One customer of a provider has a whole /64 of IPv6: it counts as one place. */
export function placeOf(address: string): string {
  return isIPv6(address) ? `${networkOf(address)}::/64` : address;
}

export interface Seen {
  readonly address: string;
  readonly https: boolean;
  /** As the browser wrote it, with its port where it is not the usual one. */
  readonly host: string;
}

type Header = string | readonly string[] | undefined;

export function headerText(value: Header): string | undefined {
  return typeof value === 'string' ? value : value?.join(',');
}

/** How the caller sees us. What a header says of that counts where `isProxy` knows who sent it. */
export function seenAs(
  request: {
    readonly peer: string;
    readonly encrypted: boolean;
    readonly headers: Readonly<Record<string, Header>>;
  },
  isProxy: (address: string) => boolean,
): Seen {
  const { peer, encrypted, headers } = request;
  const direct = { address: peer, https: encrypted, host: headerText(headers['host']) ?? '' };
  if (!isProxy(peer)) return direct;
  const first = (name: string) => headerText(headers[name])?.split(',')[0]?.trim();
  // From the nearest on: the first that is no proxy of ours was seen by one; what stands before it anybody may have written.
  let address = peer;
  for (const hop of (headerText(headers['x-forwarded-for']) ?? '').split(',').toReversed()) {
    const plain = plainAddress(hop);
    if (plain === undefined) break;
    address = plain;
    if (!isProxy(plain)) break;
  }
  return {
    address,
    https: encrypted || first('x-forwarded-proto') === 'https',
    host: first('x-forwarded-host') || direct.host,
  };
}

/** A host with its port as browsers name it; undefined for what is none. */
function hostOf(text: string, scheme: string): string | undefined {
  return URL.canParse(`${scheme}//${text}`) ? new URL(`${scheme}//${text}`).host : undefined;
}

/** Without its port; IPv6 in its brackets. Empty for what is no host. */
export function hostName(text: string): string {
  const scheme = 'http:';
  return URL.canParse(`${scheme}//${text}`) ? new URL(`${scheme}//${text}`).hostname : '';
}

/**
 * Whether a request may have side effects by where it comes from: `Sec-Fetch-Site` (Fetch Metadata) where the browser sends it, else `Origin`
 * (RFC 6454) against the hosts that we are known by. What sends neither is no browser of today.
 */
export function isSameSite(headers: Readonly<Record<string, Header>>, hosts: readonly string[]): boolean {
  const site = headerText(headers['sec-fetch-site']);
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const origin = headerText(headers['origin']);
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  return host !== '' && hosts.some((known) => hostOf(known, protocol) === host);
}

/** A host by which only this machine is meant: another name may have been made to point here (DNS rebinding). */
export function isLoopbackHost(host: string): boolean {
  const name = hostOf(host, 'http:')?.replace(/:\d+$/, '');
  if (name === undefined) return false;
  const address = plainAddress(name.replace(/^\[|\]$/g, ''));
  return name === 'localhost' || (address !== undefined && isLoopbackAddress(address));
}
