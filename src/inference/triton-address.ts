import { isIP, isIPv6 } from 'node:net';
import type { TritonUrl } from '../core/triton-url.ts';

/** Where servers of the configuration are. Pure. */

/** One server: an address of a name. */
export interface TritonAddress extends TritonUrl {
  readonly ip: string;
}

/**
 * The servers behind one name: its IPv4 addresses, or its IPv6 addresses where it has no others, since most machines have one of
 * each and would count twice.
 */
export function addressesOf(url: TritonUrl, found: readonly string[]): readonly TritonAddress[] {
  const unique = [...new Set(found)];
  const four = unique.filter((ip) => isIP(ip) === 4);
  return (four.length > 0 ? four : unique).sort().map((ip) => ({ ...url, ip }));
}

/** `10.0.0.7:8001`, `[::1]:8001`: one server in messages, and its key. */
export function addressText({ ip, port }: TritonAddress): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** In the words of gRPC: https://github.com/grpc/grpc/blob/master/doc/naming.md */
export function grpcTarget(address: TritonAddress): string {
  return `${isIPv6(address.ip) ? 'ipv6' : 'ipv4'}:${addressText(address)}`;
}
