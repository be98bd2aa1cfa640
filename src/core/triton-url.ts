import { isIPv4, isIPv6 } from 'node:net';
import { SightlineError } from './errors.ts';
import { urlHost } from './url-host.ts';

/** Where a Triton server is, as it is written in a configuration. */
export interface TritonUrl {
  /** A name or an address. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** What is allowed, for messages. */
export const tritonUrlForms = 'host:port, [::1]:8001, grpc://host:port or grpcs://host:port (names in ASCII)';

/** Triton's own: [server:src/command_line_parser.h]. */
export const defaultPort = 8001;
/** What Triton serves beside gRPC, there too unless it was told otherwise. */
export const otherPorts: ReadonlyMap<number, string> = new Map([
  [8000, 'HTTP'],
  [8002, 'metrics'],
]);

/** As DNS has them: others cannot stand in a request (`:authority`), whatever the system finds for them. */
const hostName = /^(?=.{1,253}$)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/;

/** `host`, `host:port`, `[::1]:8001`, each with `grpc://` or, for TLS, `grpcs://` in front; undefined for anything else. */
export function readTritonUrl(text: string): TritonUrl | undefined {
  const [, scheme = 'grpc', bracketed, plain, digits] =
    /^(?:(grpcs?):\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^[\]:/@?#\s]+))(?::(\d{1,5}))?\/?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host === undefined || port < 1 || port > 65_535 || (bracketed !== undefined && !isIPv6(bracketed))) return undefined;
  if (plain !== undefined && !hostName.test(plain)) return undefined;
  // Digits and dots alone are no name: what a system makes of 8001 or 10.0.7 is an address that nobody meant.
  if (plain !== undefined && /^[\d.]+$/.test(plain) && !isIPv4(plain)) return undefined;
  return { host, port, tls: scheme === 'grpcs' };
}

/** The same; throws `config.invalid` for anything else. */
export function parseTritonUrl(text: string): TritonUrl {
  const url = readTritonUrl(text);
  if (url !== undefined) return url;
  throw new SightlineError(
    'config.invalid',
    // The text may hold a password that does not belong there.
    `"${text.replace(/\/\/[^/]*@/, '//***@')}" is not the address of a Triton server; allowed is ${tritonUrlForms}`,
  );
}

/** `host:port`, `[::1]:8001`: as an address has it, and a server in messages. */
export function tritonAuthority({ host, port }: TritonUrl): string {
  return `${urlHost(host)}:${port}`;
}
