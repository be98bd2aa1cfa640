import { isIP, isIPv6 } from 'node:net';
import { SightlineError } from '../core/errors.ts';

/** Where servers of the configuration are. Pure. */

/** A name or an address as it is configured. */
export interface TritonUrl {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** One server: an address of a name. */
export interface TritonAddress extends TritonUrl {
  readonly ip: string;
}

/** Triton's own: [server:src/command_line_parser.h]. */
const defaultPort = 8001;

/**
 * `host`, `host:port`, `[::1]:8001`, each with `grpc://` or, for TLS, `grpcs://` in front. Throws `config.invalid`.
 */
export function parseTritonUrl(text: string): TritonUrl {
  const [, scheme = 'grpc', bracketed, plain, digits] =
    /^(?:(grpcs?):\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^[\]:/@?#\s]+))(?::(\d{1,5}))?\/?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host === undefined || port < 1 || port > 65_535 || (bracketed !== undefined && !isIPv6(bracketed)))
    throw new SightlineError(
      'config.invalid',
      // The text may hold a password that does not belong there.
      `"${text.replace(/\/\/[^/]*@/, '//***@')}" is not the address of a Triton server; allowed is host:port, [::1]:8001, grpc://host:port or grpcs://host:port`,
    );
  return { host, port, tls: scheme === 'grpcs' };
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
