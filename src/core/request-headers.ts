/**
 * Headers that are sent with every request to a Triton server. Their values are secrets. A name is as gRPC takes it
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: Custom-Metadata), without those that HTTP/2 and gRPC write themselves.
 */
export type RequestHeaders = Readonly<Record<string, string>>;

const written = [
  ...['connection', 'content-length', 'content-type', 'host', 'http2-settings', 'keep-alive', 'proxy-connection', 'te'],
  ...['traceparent', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent'],
];

export const headerName = new RegExp(`^(?!grpc-|(?:${written.join('|')})$|.*-bin$)[0-9a-z_.-]{1,128}$`);
/** HTTP/2 carries no blanks around a value. */
export const headerValue = /^(?! )[ -~]{1,4096}(?<! )$/;

export const headerNameForm =
  'the name of a header: 1 to 128 of a-z, 0-9, _, . and -, none that gRPC writes itself (grpc-…, …-bin, content-type, host and such)';
export const headerValueForm = 'a text of 1 to 4096 printable ASCII characters without a blank at its ends';

/**
 * Headers from a text with one `name: value` a line; empty lines and those that begin with # are left out. `where` names the text. Gives
 * what is wrong, without anything of a value.
 */
export function parseHeaderLines(
  text: string,
  where: string,
): { readonly headers: RequestHeaders } | { readonly wrong: string } {
  const headers = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const at = `${where}:${index + 1}`;
    const colon = line.indexOf(':');
    if (colon < 0) return { wrong: `${at}: there is no colon in this line; expected name: value` };
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    // What stands before a colon may be half of a secret as well.
    if (!headerName.test(name)) return { wrong: `${at}: what is before the colon is not allowed; expected ${headerNameForm}` };
    if (!headerValue.test(value)) return { wrong: `${at}: the value of ${name} is not allowed; expected ${headerValueForm}` };
    if (headers.has(name)) return { wrong: `${at}: ${name} is written twice; keep one of them` };
    headers.set(name, value);
  }
  return { headers: Object.fromEntries(headers) };
}
