import { isIP, isIPv6, type Socket } from 'node:net';

/** Addresses of callers as what they are compared by. Pure. */

/** IPv4 in IPv6 (RFC 4291, section 2.5.5.2) as IPv4. A zone stays: without it nothing can be sent to a link-local address. */
export function unmapped(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}

/** What an address is compared by: `unmapped`, no zone; undefined for what is no address. */
export function plainAddress(text: string | undefined): string | undefined {
  const [bare = ''] = (text ?? '').trim().split('%');
  const address = unmapped(bare);
  return isIP(address) === 0 ? undefined : address.toLowerCase();
}

/** An IPv4 address as it is; of an IPv6 address its first 64 bits, which one customer has to himself. What is no address stays. */
export function networkOf(address: string): string {
  const plain = plainAddress(address) ?? address;
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/** Who is at the other end: the same for a connection and for the TLS in it; undefined for one that is over. */
export function peerOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;
}
