/**
 * What a player says of itself, in words for people.
 *
 * @import { LiveState } from '../../../core/live-messages.ts'
 * @import { FeedState } from './feed.js'
 */

/**
 * @typedef {object} PlayerState
 * @property {'connecting' | 'live' | 'delayed' | 'behind' | 'away' | 'ended' | 'failed' | 'refused' | 'unsupported' | 'paused'} word
 * @property {string} text
 * @property {string} notice '' or a sentence that stays true beside the state
 * @property {number} [delayMs] capture to picture
 * @property {string} [reason] the server's
 */

/** More than this behind the camera is worth a word. */
const delayedMs = 1500;

/**
 * @param {object} facts
 * @param {FeedState} facts.feed
 * @param {LiveState | undefined} facts.camera the last the server said
 * @param {boolean} facts.playing whether it is in view
 * @param {{ code?: string, reason: string } | undefined} facts.refused why the stream is refused
 * @param {string | undefined} facts.unsupported why the browser cannot play it
 * @param {number | undefined} facts.delayMs of the picture on the canvas, undefined before the first
 * @param {boolean} facts.behind whether most pictures lately went without their boxes
 * @param {string} facts.notice
 * @returns {PlayerState}
 */
export function playerState({ feed, camera, playing, refused, unsupported, delayMs, behind, notice }) {
  const common = { notice, ...(delayMs === undefined ? {} : { delayMs: Math.round(delayMs) }) };
  if (feed.word === 'refused') return { word: 'refused', text: feed.text, notice };
  if (refused !== undefined) {
    const { code, reason } = refused;
    const text = code === 'http.forbidden' || code === 'http.auth' ? `not allowed: ${reason}` : reason;
    return { word: 'refused', text, reason, notice };
  }
  if (!playing) return { word: 'paused', text: 'paused while out of view', notice };
  if (feed.word !== 'live') return { word: 'connecting', text: feed.text, notice };
  if (camera !== undefined && (camera.state === 'away' || camera.state === 'failed' || camera.state === 'ended')) {
    const { state, reason } = camera;
    const text = reason === undefined ? state : `${state}: ${reason}`;
    return { word: state, text, ...(reason === undefined ? {} : { reason }), notice };
  }
  if (unsupported !== undefined) return { word: 'unsupported', text: unsupported, notice };
  if (delayMs === undefined || camera?.state === 'connecting') return { word: 'connecting', text: 'connecting', notice };
  if (delayMs > delayedMs) {
    const why = behind ? ', inference behind' : '';
    return { word: 'delayed', text: `delayed by ${Math.round(delayMs / 1000)} s${why}`, ...common };
  }
  if (behind) return { word: 'behind', text: 'inference behind', ...common };
  return { word: 'live', text: 'live', ...common };
}
