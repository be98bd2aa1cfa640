import type { Browser, Page } from 'playwright-core';
import { numberedSteps } from './live-server.ts';
import { numberBits } from './numbered-video.ts';

/**
 * A page with one player for each camera, which reads back what its canvases show after each drawing: the number of the picture from the
 * blocks along its bottom, and that of the metadata from where the red box begins.
 */

export interface Reading {
  /** Its place among the players of the page. */
  readonly player: number;
  readonly pts: number;
  /** Of the picture. */
  readonly picture: number;
  /** Of the box, modulo `numberedSteps`; undefined where none was found. */
  readonly box: number | undefined;
  /** Whether the player says that it has drawn boxes. */
  readonly boxed: boolean;
  /** Capture to reading, by the same machine's clock. */
  readonly delayMs: number;
}

export interface PlayerView {
  readonly state: { readonly word: string; readonly text: string; readonly notice: string };
  readonly figures: {
    readonly fps: number;
    readonly delayMs: number;
    readonly drawn: number;
    readonly dropped: number;
    readonly lost: number;
    readonly behind: number;
    readonly decoder: string;
    readonly variant: string;
  };
}

export interface PageOptions {
  /** A player for each; of one camera there may be several. */
  readonly players: readonly { readonly camera: string; readonly decoder?: 'auto' | 'webcodecs' | 'mse' }[];
  /** CSS pixels. */
  readonly width?: number;
  readonly height?: number;
  /** The canvas is read back after each drawing (1), or after each so many: reading takes time from drawing. */
  readonly readEvery?: number;
}

/** The page for `startLiveServer`. */
export function viewerPage({ players, width = 320, height = 180, readEvery = 1 }: PageOptions): string {
  return `<!doctype html><meta charset="utf-8"><title>player</title><link rel="icon" href="data:,">
<style>body { margin: 0 } canvas { width: ${width}px; height: ${height}px; vertical-align: top }</style>
${players.map((_player, index) => `<canvas id="p${index}"></canvas>`).join('')}
<script type="module">
import { LiveFeed } from '/live/feed.js';
import { Player } from '/live/player.js';
const readings = [];
const delays = [];
let turn = 0;
window.takeDelays = () => delays.splice(0);
window.states = [];
window.texts = [];
window.takeReadings = () => readings.splice(0);
const feed = new LiveFeed({
  url: location.origin.replace(/^http/, 'ws') + '/api/v1/live',
  ticket: async () => {
    const answer = await fetch('/ticket');
    if (!answer.ok) throw Object.assign(new Error('refused'), { status: answer.status });
    return answer.json();
  },
  onState: (state) => window.states.push(state.word + ': ' + state.text),
});
window.feed = feed;
function read(canvas, drawn, player) {
  const { width, height } = canvas;
  const context = canvas.getContext('2d');
  const strip = context.getImageData(0, Math.floor((height * 17) / 18), width, 1).data;
  let picture = 0;
  for (let bit = 0; bit < ${numberBits}; bit += 1) {
    const at = Math.floor(((bit + 0.5) * width) / ${numberBits}) * 4;
    picture = picture * 2 + (strip[at] > 128 ? 1 : 0);
  }
  const row = context.getImageData(0, Math.floor(height * 0.45), width, 1).data;
  let first;
  let last;
  for (let x = 0; x < width; x += 1) {
    const red = row[x * 4] > row[x * 4 + 1] + 60;
    if (red && first === undefined) first = x;
    if (red) last = x;
    else if (first !== undefined) break;
  }
  const middle = first === undefined ? undefined : (first + last + 1) / 2;
  const box = middle === undefined ? undefined : Math.round((middle * 320) / width) - 8;
  readings.push({ player, pts: drawn.pts, picture, box, boxed: drawn.boxes !== undefined, delayMs: Date.now() - drawn.captureMs });
  if (readings.length > 20000) readings.splice(0, 10000);
}
window.players = ${JSON.stringify(players)}.map(({ camera, decoder = 'auto' }, player) => {
  const canvas = document.getElementById('p' + player);
  return new Player({ feed, canvas, camera, decoder, onDraw: (drawn) => {
      delays.push([player, Date.now() - drawn.captureMs]);
      if (delays.length > 200000) delays.splice(0, 100000);
      if (turn++ % ${readEvery} === 0) read(canvas, drawn, player);
    },
    onState: (state) => window.texts.push(state.text) });
});
</script>`;
}

export class ViewerPage {
  readonly page: Page;
  readonly errors: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.errors.push(String(error.stack ?? error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
  }

  static async open(browser: Browser, url: string, viewport = { width: 1000, height: 600 }): Promise<ViewerPage> {
    const view = new ViewerPage(await browser.newPage({ viewport }));
    await view.page.goto(url);
    return view;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.page.close();
  }

  /** Since the last call. */
  readings(): Promise<Reading[]> {
    return this.page.evaluate('window.takeReadings()');
  }

  /** Of everything drawn since the last call: player, capture to the end of the drawing in milliseconds. */
  delays(): Promise<[number, number][]> {
    return this.page.evaluate('window.takeDelays()');
  }

  players(): Promise<PlayerView[]> {
    return this.page.evaluate('window.players.map(({ state, figures }) => ({ state, figures }))');
  }

  /** What the feed said so far, `word: text`. */
  feedStates(): Promise<string[]> {
    return this.page.evaluate('window.states');
  }

  /** What players said so far. */
  texts(): Promise<string[]> {
    return this.page.evaluate('window.texts');
  }
}

export interface Tally {
  readonly drawn: number;
  readonly boxed: number;
  readonly exact: number;
  /** Boxes by how many pictures they were off, where that is not 0. */
  readonly off: readonly number[];
  /** Pictures that were not the one of their time stamp. */
  readonly wrongPictures: number;
  /** The player said otherwise than the pixels. */
  readonly disagreed: number;
}

/** `startPts`: of picture 0; video of `length` pictures in a loop. */
export function tally(readings: readonly Reading[], startPts: number, fps: number, length: number): Tally {
  const modulo = (value: number) => ((value % numberedSteps) + numberedSteps) % numberedSteps;
  const boxes = readings.filter(({ box }) => box !== undefined);
  const off = boxes.map(({ box, picture }) => {
    const apart = modulo((box ?? 0) - picture);
    return apart > numberedSteps / 2 ? apart - numberedSteps : apart;
  });
  return {
    drawn: readings.length,
    boxed: boxes.length,
    exact: off.filter((apart) => apart === 0).length,
    off: off.filter((apart) => apart !== 0),
    wrongPictures: readings.filter(({ pts, picture }) => Math.round(((pts - startPts) * fps) / 90_000) % length !== picture)
      .length,
    disagreed: readings.filter(({ box, boxed }) => (box !== undefined) !== boxed).length,
  };
}
