import type { Box } from '../core/types.ts';

/**
 * Constant-velocity Kalman filter of a box in media time. Centre x, centre y, width and height are filtered apart, each with
 * position and velocity, which is what the usual box filters (SORT, DeepSORT, ByteTrack) amount to, their matrices being
 * block-diagonal. Process noise is white acceleration integrated over the step, so that three steps of 67 ms and one of 200 ms
 * leave the same uncertainty: the frame rate does not change the filter.
 */

/** How a kind of object moves, in units of its own height. */
export interface MotionProfile {
  /** Standard deviation of the unknown speed at the first sighting, heights a second. */
  readonly speed: number;
  /** White acceleration: growth of the speed's standard deviation, heights a second per square root of a second. */
  readonly agility: number;
}

/** Box edges of detectors tremble by about a twentieth of the object's height (the same figure as in DeepSORT). */
const measurementShare = 0.05;
/** Sizes change far more slowly than places. */
const sizeShare = 0.25;

/** One coordinate: position and velocity (a second) with their covariance. */
interface Axis {
  readonly position: number;
  readonly velocity: number;
  readonly pp: number;
  readonly pv: number;
  readonly vv: number;
}

export interface BoxState {
  readonly x: Axis;
  readonly y: Axis;
  readonly width: Axis;
  readonly height: Axis;
}

function beginAxis(position: number, deviation: number, speed: number): Axis {
  return { position, velocity: 0, pp: deviation ** 2, pv: 0, vv: speed ** 2 };
}

function predictAxis(axis: Axis, seconds: number, agility: number): Axis {
  const q = agility ** 2;
  return {
    position: axis.position + axis.velocity * seconds,
    velocity: axis.velocity,
    pp: axis.pp + 2 * seconds * axis.pv + seconds ** 2 * axis.vv + (q * seconds ** 3) / 3,
    pv: axis.pv + seconds * axis.vv + (q * seconds ** 2) / 2,
    vv: axis.vv + q * seconds,
  };
}

function correctAxis(axis: Axis, measured: number, deviation: number): Axis {
  const total = axis.pp + deviation ** 2;
  const gainPosition = axis.pp / total;
  const gainVelocity = axis.pv / total;
  const residual = measured - axis.position;
  return {
    position: axis.position + gainPosition * residual,
    velocity: axis.velocity + gainVelocity * residual,
    pp: (1 - gainPosition) * axis.pp,
    pv: (1 - gainPosition) * axis.pv,
    vv: axis.vv - gainVelocity * axis.pv,
  };
}

export function beginBox(box: Box, profile: MotionProfile): BoxState {
  const deviation = measurementShare * box.height;
  const speed = profile.speed * box.height;
  return {
    x: beginAxis(box.left + box.width / 2, deviation, speed),
    y: beginAxis(box.top + box.height / 2, deviation, speed),
    width: beginAxis(box.width, deviation, speed * sizeShare),
    height: beginAxis(box.height, deviation, speed * sizeShare),
  };
}

export function predictBox(state: BoxState, seconds: number, profile: MotionProfile): BoxState {
  const agility = profile.agility * Math.max(1, state.height.position);
  return {
    x: predictAxis(state.x, seconds, agility),
    y: predictAxis(state.y, seconds, agility),
    width: predictAxis(state.width, seconds, agility * sizeShare),
    height: predictAxis(state.height, seconds, agility * sizeShare),
  };
}

export function correctBox(state: BoxState, box: Box): BoxState {
  const deviation = measurementShare * box.height;
  return {
    x: correctAxis(state.x, box.left + box.width / 2, deviation),
    y: correctAxis(state.y, box.top + box.height / 2, deviation),
    width: correctAxis(state.width, box.width, deviation),
    height: correctAxis(state.height, box.height, deviation),
  };
}

/** The filtered box; never thinner than a pixel. */
export function boxOf(state: BoxState): Box {
  const width = Math.max(1, state.width.position);
  const height = Math.max(1, state.height.position);
  return { left: state.x.position - width / 2, top: state.y.position - height / 2, width, height };
}
