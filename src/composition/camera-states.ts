import type { PartState } from '../core/control.ts';
import type { CameraId, CameraState } from '../core/types.ts';

export interface FailedCamera {
  readonly camera: CameraId;
  readonly reason: string;
}

/** What is known of every configured camera, by its worker's word or by its worker's fate. */
export interface CameraStates {
  /** Cameras that are configured from now on; new ones are `connecting`. Returns those that are gone. */
  configure(cameras: readonly CameraId[], now: number): readonly CameraId[];
  set(camera: CameraId, state: CameraState): void;
  entries(): readonly { readonly camera: CameraId; readonly state: CameraState }[];
  /** This camera has come to its end or has failed. */
  isOver(camera: CameraId): boolean;
  /** Every camera has come to its end or has failed. */
  readonly allOver: boolean;
  failed(): readonly FailedCamera[];
  parts(): readonly PartState[];
}

/**
 * `onChange` is called with every new state, `undefined` once a camera is gone. `onRetry` where only the next attempt is another: news for
 * those who look on, for nobody else.
 */
export function createCameraStates(
  onChange: (camera: CameraId, state: CameraState | undefined) => void,
  onRetry: (camera: CameraId, state: CameraState) => void = () => {},
): CameraStates {
  const states = new Map<CameraId, CameraState>();
  const over = ({ state }: CameraState) => state === 'ended' || state === 'failed';

  function set(camera: CameraId, state: CameraState): void {
    const before = states.get(camera);
    if (before === undefined) return;
    // A camera that is away stays away until it is back: its attempts to come back are no news.
    if (before.state === 'away' && state.state === 'connecting') return;
    // The same state said again keeps the time at which it began.
    const kept = before.state === state.state ? { ...state, since: before.since } : state;
    states.set(camera, kept);
    if (before.state !== state.state || stateText(before) !== stateText(state)) onChange(camera, kept);
    else if (kept.state === 'away' && before.state === 'away' && kept.retryAt !== before.retryAt) onRetry(camera, kept);
  }

  return {
    configure: (cameras, now) => {
      const gone = [...states.keys()].filter((camera) => !cameras.includes(camera));
      for (const camera of gone) {
        states.delete(camera);
        onChange(camera, undefined);
      }
      for (const camera of cameras) {
        if (states.has(camera)) continue;
        const state: CameraState = { state: 'connecting', since: now };
        states.set(camera, state);
        onChange(camera, state);
      }
      return gone;
    },
    set,
    entries: () => [...states].map(([camera, state]) => ({ camera, state })),
    isOver: (camera) => {
      const state = states.get(camera);
      return state !== undefined && over(state);
    },
    get allOver() {
      return states.size > 0 && [...states.values()].every(over);
    },
    failed: () =>
      [...states].flatMap(([camera, state]) => (state.state === 'failed' ? [{ camera, reason: state.reason }] : [])),
    parts: () =>
      [...states].map(([camera, state]) => {
        const ready = state.state === 'live' || state.state === 'ended';
        return { name: `camera ${camera}`, ready, ...(ready ? {} : { reason: stateText(state) }) };
      }),
  };
}

/** A camera's state in words. */
export function stateText(state: CameraState): string {
  switch (state.state) {
    case 'live':
      return `${state.codec} ${state.width}x${state.height}, decoded by ${state.decode}${state.reason === undefined ? '' : `; ${state.reason}`}`;
    case 'connecting':
      return state.reason === undefined ? 'connecting' : `connecting: ${state.reason}`;
    case 'away':
      return `away: ${state.reason}`;
    case 'ended':
      return `ended: ${state.reason}`;
    case 'failed':
      return `failed: ${state.reason}`;
  }
}
