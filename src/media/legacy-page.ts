/** The two pages of the legacy view and their script. No string of a user or a configuration gets in unescaped. */

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
</head>
<body>
${body}
</body>
</html>
`;
}

export function listPage(cameras: readonly string[]): string {
  const links = cameras.map((camera) => `<li><a href="${encodeURIComponent(camera)}">${escapeHtml(camera)}</a></li>`);
  const list = links.length === 0 ? '<p>There is no camera that you may see.</p>' : `<ul>${links.join('')}</ul>`;
  return page('Sightline, legacy view', `<h1>Cameras</h1>\n${list}\n<p>Names are similarities, not identities.</p>`);
}

export function cameraPage(camera: string): string {
  const shown = escapeHtml(camera);
  return page(
    `${camera}, legacy view`,
    `<p><a href="./">All cameras</a></p>
<h1>${shown}</h1>
<canvas id="picture" width="640" height="360" role="img" aria-label="Live picture of ${shown}"></canvas>
<p>Names are similarities, not identities.</p>
<script src="jsmpeg.js"></script>
<script src="legacy.js"></script>`,
  );
}

/** JSMpeg connects again by itself. */
export const pageScript = `'use strict';
const address = new URL(location.pathname + '/stream', location.href);
address.protocol = address.protocol.replace('http', 'ws');
new JSMpeg.Player(address.href, { canvas: document.getElementById('picture'), audio: false, reconnectInterval: 2 });
`;

export const pageHeaders = {
  'content-security-policy':
    // JSMpeg brings its styles within its script; no string of anybody else is in these pages unescaped.
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const;
