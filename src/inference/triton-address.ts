import { isIP, isIPv6 } from 'node:net';
import type { TritonUrl } from '../core/triton-url.ts';

/** Where servers of the configuration are. Pure. */

/** One server: an address of a name. */
export interface TritonAddress extends TritonUrl {
  readonly ip: string;
}

/** What a name leads to, IPv4 first. */
export function addressesOf(url: TritonUrl, found: readonly string[]): readonly TritonAddress[] {
  const unique = [...new Set(found)].sort((one, other) => isIP(one) - isIP(other) || (one < other ? -1 : 1));
  return unique.map((ip) => ({ ...url, ip }));
}

/** What is known of an address; times of one clock. */
export interface SeenAddress {
  /** When the last question to it that is over was asked. */
  readonly askedMs: number;
  /** Since when it answers; absent: it does not. */
  readonly upMs?: number | undefined;
}

/**
 * The addresses of one name that are servers. Most machines have one of each family and would count twice: of both those count where
 * somebody answers, IPv4 before IPv6, which counts once those of IPv4 were asked since in vain. While nobody answers all of them may.
 */
export function addressesInUse(
  addresses: readonly TritonAddress[],
  seen: (address: TritonAddress) => SeenAddress | undefined,
): readonly TritonAddress[] {
  const four = addresses.filter(({ ip }) => isIP(ip) === 4);
  const six = addresses.filter(({ ip }) => isIP(ip) === 6);
  const upMs = (address: TritonAddress) => seen(address)?.upMs ?? Number.POSITIVE_INFINITY;
  if (four.some((address) => Number.isFinite(upMs(address)))) return four;
  const sixMs = Math.min(...six.map(upMs));
  const inVain = four.every((address) => (seen(address)?.askedMs ?? Number.NEGATIVE_INFINITY) >= sixMs);
  return Number.isFinite(sixMs) && inVain ? six : addresses;
}

/** `10.0.0.7:8001`, `[::1]:8001`: one server in messages, and its key. */
export function addressText({ ip, port }: TritonAddress): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** In the words of gRPC: https://github.com/grpc/grpc/blob/master/doc/naming.md */
export function grpcTarget(address: TritonAddress): string {
  return `${isIPv6(address.ip) ? 'ipv6' : 'ipv4'}:${addressText(address)}`;
}
