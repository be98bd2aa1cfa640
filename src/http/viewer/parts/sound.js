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

async function unlock() {
  context ??= new AudioContext();
  if (context.state === 'suspended') await context.resume();
}

/**
 * For a sound that was wanted at the last visit: the first touch or key lets it.
 * @param {() => void} changed
 */
export function unlockOnTouch(changed) {
  const events = ['pointerdown', 'keydown'];
  const first = () => {
    for (const name of events) removeEventListener(name, first);
    if (wanted) unlock().then(changed, () => {});
  };
  for (const name of events) addEventListener(name, first);
}

/** @type {Readonly<Record<string, readonly number[]>>} */
const tones = { low: [440], medium: [523], high: [659, 659], critical: [880, 659, 880] };

/** @param {string} severity higher ones sound higher and more often */
export function beep(severity) {
  if (!wanted || context === undefined || context.state !== 'running') return;
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
