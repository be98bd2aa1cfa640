/**
 * What all players of a page share: one repaint loop, which runs only while something is in view, and one observer each for visibility,
 * size and the reader's wish for less motion.
 *
 * @typedef {object} Actor
 * @property {HTMLCanvasElement} canvas
 * @property {(inView: boolean) => void} viewed in view of a tab that is shown
 * @property {(width: number, height: number, ratio: number) => void} resized pixels of the canvas, and how many of them make one of the page
 * @property {(now: number) => void} paint at each repaint while in view
 * @property {(now: number) => void} watch each second while in view, also when repaints fail or do not come
 */

/** A canvas this near to the view is kept going, so that it has a picture when it is scrolled to. */
const margin = '160px';

const watchEveryMs = 1000;
/** A player that throws at each repaint is reported so often. */
const reportEveryMs = 10_000;

class Stage {
  /** @type {Map<Element, Actor & { seen: boolean }>} */
  #actors = new Map();
  #running = false;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #reduced = globalThis.matchMedia('(prefers-reduced-motion: reduce)');
  #views = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const actor = this.#actors.get(target);
        if (actor === undefined || actor.seen === isIntersecting) continue;
        actor.seen = isIntersecting;
        this.#tell(actor);
      }
    },
    { rootMargin: margin },
  );
  #sizes = new ResizeObserver((entries) => {
    for (const { target, contentRect, devicePixelContentBoxSize } of entries) {
      const [device, css] = [devicePixelContentBoxSize?.[0], contentRect];
      const rounded = Math.round(css.width * globalThis.devicePixelRatio);
      // An emulated device, as for screenshots, has the one of the machine in its box and its own in the ratio.
      const exact = device !== undefined && Math.abs(device.inlineSize - rounded) <= 2;
      const width = exact ? device.inlineSize : rounded;
      const height = exact ? device.blockSize : Math.round(css.height * globalThis.devicePixelRatio);
      if (width > 0 && height > 0) this.#actors.get(target)?.resized(width, height, width / css.width);
    }
  });

  constructor() {
    document.addEventListener('visibilitychange', () => {
      for (const actor of this.#actors.values()) this.#tell(actor);
    });
    setInterval(() => {
      if (!this.#shown) return;
      const now = performance.now();
      for (const actor of this.#actors.values()) if (actor.seen) this.#guard(() => actor.watch(now));
    }, watchEveryMs);
  }

  get reducedMotion() {
    return this.#reduced.matches;
  }

  /** @param {Actor} actor */
  enter(actor) {
    this.#actors.set(actor.canvas, Object.assign(actor, { seen: false }));
    this.#views.observe(actor.canvas);
    try {
      this.#sizes.observe(actor.canvas, { box: 'device-pixel-content-box' });
    } catch {
      this.#sizes.observe(actor.canvas);
    }
  }

  /** @param {Actor} actor */
  leave(actor) {
    this.#actors.delete(actor.canvas);
    this.#views.unobserve(actor.canvas);
    this.#sizes.unobserve(actor.canvas);
  }

  get #shown() {
    return document.visibilityState === 'visible';
  }

  /** @param {Actor & { seen: boolean }} actor */
  #tell(actor) {
    actor.viewed(actor.seen && this.#shown);
    if (!this.#running && actor.seen && this.#shown) {
      this.#running = true;
      requestAnimationFrame(this.#turn);
    }
  }

  #turn = () => {
    const now = performance.now();
    this.#running = false;
    for (const actor of this.#actors.values()) {
      if (!actor.seen) continue;
      this.#running = this.#shown;
      this.#guard(() => actor.paint(now));
    }
    if (this.#running) requestAnimationFrame(this.#turn);
  };

  /** What one player throws is no matter of the others. @param {() => void} act */
  #guard(act) {
    try {
      act();
    } catch (error) {
      const now = performance.now();
      if (now - this.#reportedAt < reportEveryMs) return;
      this.#reportedAt = now;
      reportError(error);
    }
  }
}

/** @type {Stage | undefined} */
let one;

/** The page's own, made with its first player. */
export function stage() {
  one ??= new Stage();
  return one;
}
