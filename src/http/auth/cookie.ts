/** The one cookie there is. Its value is base64url, which needs no encoding (RFC 6265, section 4.1.1). */

export const cookieName = 'sightline';

/** Undefined when there is none; of several the first, which is the most specific (section 5.4). */
export function readCookie(header: string | undefined): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const [name = '', ...value] = pair.split('=');
    if (name.trim() === cookieName) return value.join('=').trim();
  }
  return undefined;
}

/** A Set-Cookie header. No page's script reads it, and no other site's link or form carries it. */
export function writeCookie(
  value: string,
  { secure, maxAgeS }: { readonly secure: boolean; readonly maxAgeS: number },
): string {
  return `${cookieName}=${value}; Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
}
