import { remember, remembered } from './remembered.js';

/** A short tone on a new alert. Browsers let a page sound only after somebody has touched it. */

/** @type {AudioContext | undefined} */
let context;
let wanted = remembered('sound') === 'on';

export function soundWanted() {
  return wanted;
}

/** False while it is wanted and the browser still waits for a touch. */
export function soundReady() {
  return context?.state === 'running';
}

/**
 * @param {boolean} on
 * @returns {Promise<void>}
 */
export async function setSound(on) {
  wanted = on;
  remember('sound', on ? 'on' : undefined);
  if (on) await unlock();
}

/** @type {() => void} */
let onChange = () => {};

async function unlock() {
  if (context === undefined) {
    context = new AudioContext();
    context.onstatechange = () => onChange();
  }
  if (context.state !== 'running') await context.resume();
}

/**
 * For a sound that was wanted at the last visit, or that the browser or its machine has stopped since: the next touch or key lets it.
 * @param {() => void} changed also whenever it stops or comes back by itself
 */
export function unlockOnTouch(changed) {
  onChange = changed;
  for (const name of ['pointerdown', 'keydown'])
    addEventListener(name, () => {
      if (wanted && !soundReady()) unlock().then(changed, () => {});
    });
}

/** @type {Readonly<Record<string, readonly number[]>>} */
const tones = { low: [440], medium: [523], high: [659, 659], critical: [880, 659, 880] };

const lateMs = 3000;

/** @param {string} severity higher ones sound higher and more often */
export function beep(severity) {
  if (!wanted || context === undefined) return;
  if (context.state === 'running') return play(context, severity);
  // A tone minutes later would be of nothing.
  const now = performance.now();
  const resumed = context;
  resumed.resume().then(
    () => {
      if (performance.now() - now < lateMs) play(resumed, severity);
    },
    () => {},
  );
}

/** @param {AudioContext} context @param {string} severity */
function play(context, severity) {
  let start = context.currentTime;
  for (const hertz of tones[severity] ?? [523]) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(0.25, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.2);
    tone.connect(volume).connect(context.destination);
    tone.start(start);
    tone.stop(start + 0.22);
    start += 0.24;
  }
}
