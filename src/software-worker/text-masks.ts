import sharp from 'sharp';
import type { TextMask } from './draw.ts';

/** Texts as masks for drawing: each distinct one is rendered once, by the machine's fonts, and kept while it is used. */
export interface TextMasks {
  /** Undefined while it is not rendered: `ready` renders. */
  find(text: string, size: number): TextMask | undefined;
  /** Renders what is not there; never rejects. On a machine without fonts there are none. */
  ready(texts: readonly string[], size: number): Promise<void>;
}

const kept = 512;
/** Longer texts are cut: a plate names, it does not tell. */
const longest = 40;
/** Width of a line in sizes of its letters, at most. */
const widestLetter = 1.6;

/** Height of a line in pixels for letters of `size`; even. */
export function lineHeight(size: number): number {
  return 2 * Math.round(size * 0.7);
}

function shortened(text: string): string {
  // What XML cannot hold is nothing that could be drawn.
  const drawable = [...text.normalize('NFC').replace(/[^\P{C}\p{Cf}]|[\u{FFFE}\u{FFFF}]/gu, ' ')];
  return drawable.length > longest ? `${drawable.slice(0, longest - 1).join('')}…` : drawable.join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The text in one line, with a little room on both sides. */
async function render(text: string, size: number): Promise<TextMask> {
  const height = lineHeight(size);
  const room = 2 * Math.ceil(size / 8);
  const words = shortened(text);
  const canvas = 2 * room + 2 * Math.ceil(([...words].length * size * widestLetter) / 2);
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${canvas}" height="${height}">`,
    `<text x="${room}" y="${Math.round(height / 2 + size * 0.36)}" font-family="DejaVu Sans, sans-serif" font-weight="bold" `,
    `font-size="${size}" xml:space="preserve">${escaped(words)}</text></svg>`,
  ].join('');
  const alpha = await sharp(Buffer.from(svg)).ensureAlpha().extractChannel(3).raw().toBuffer();
  let width = 0;
  for (let y = 0; y < height; y += 1)
    for (let x = canvas - 1; x >= width; x -= 1) if (alpha[y * canvas + x] !== 0) width = x + 1;
  const trimmed = Math.min(canvas, 2 * Math.ceil((width + room) / 2));
  const mask = new Uint8Array(trimmed * height);
  for (let y = 0; y < height; y += 1) mask.set(alpha.subarray(y * canvas, y * canvas + trimmed), y * trimmed);
  return { width: trimmed, height, alpha: mask };
}

/** `onTrouble`: texts cannot be rendered, or this machine has no fonts; said once. */
export function createTextMasks(onTrouble: (reason: string) => void): TextMasks {
  const masks = new Map<string, TextMask>();
  let troubled = false;
  let fonts: Promise<boolean> | undefined;
  const keyOf = (text: string, size: number) => `${size} ${text}`;

  function trouble(reason: string): void {
    if (!troubled) onTrouble(reason);
    troubled = true;
  }

  /** Without fonts all letters look alike. */
  async function hasFonts(): Promise<boolean> {
    const [one, other] = await Promise.all([render('A', 16), render('W', 16)]);
    const same = one.width === other.width && one.alpha.every((value, index) => value === other.alpha[index]);
    if (same) trouble('this machine has no fonts; fonts-dejavu-core would do');
    return !same;
  }

  return {
    find: (text, size) => {
      const key = keyOf(text, size);
      const found = masks.get(key);
      if (found === undefined) return undefined;
      masks.delete(key);
      masks.set(key, found);
      return found;
    },
    ready: async (texts, size) => {
      const missing = [...new Set(texts)].filter((text) => !masks.has(keyOf(text, size)));
      if (missing.length === 0) return;
      try {
        fonts ??= hasFonts();
        if (!(await fonts)) return;
        for (const text of missing) {
          masks.set(keyOf(text, size), await render(text, size));
          const oldest = masks.keys().next().value;
          if (masks.size > kept && oldest !== undefined) masks.delete(oldest);
        }
      } catch (error) {
        trouble(error instanceof Error ? error.message : String(error));
      }
    },
  };
}
