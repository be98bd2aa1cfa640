import type { Alert, AlertEvent, AlertState, AlertStep } from '../core/alerts.ts';
import { SightlineError } from '../core/errors.ts';

/** What a person may do with an alert. */
export type Act = Extract<AlertState, 'acknowledged' | 'resolved' | 'rejected'>;

/**
 * The state after a step, or undefined where the step is not allowed. An update does not undo an acknowledgement; acknowledging what
 * has closed by itself leaves it closed; resolved and rejected are final.
 */
const transitions: Readonly<Record<AlertState, Partial<Readonly<Record<AlertState, AlertState>>>>> = {
  opened: {
    updated: 'updated',
    acknowledged: 'acknowledged',
    resolved: 'resolved',
    rejected: 'rejected',
    closed: 'closed',
  },
  updated: {
    updated: 'updated',
    acknowledged: 'acknowledged',
    resolved: 'resolved',
    rejected: 'rejected',
    closed: 'closed',
  },
  acknowledged: { updated: 'acknowledged', resolved: 'resolved', rejected: 'rejected', closed: 'closed' },
  closed: { acknowledged: 'closed', resolved: 'resolved', rejected: 'rejected' },
  resolved: {},
  rejected: {},
};

export function nextState(state: AlertState, step: AlertState): AlertState | undefined {
  return transitions[state][step];
}

/** Whether the alert still follows what the cameras see. */
export function isLive(state: AlertState): boolean {
  return nextState(state, 'updated') !== undefined;
}

/** An alert as it is kept: with the number of its last event. */
export interface Numbered {
  readonly alert: Alert;
  readonly revision: number;
}

/**
 * Takes a step, at its time or at that of the step before where that is later: the wall clock may have been set back. Earlier updates give way to the newest one in `steps`, so that a visit of hours has a history of a few lines.
 * A step that the state does not allow is `alert.transition`.
 */
export function takeStep(
  { alert, revision }: Numbered,
  taken: AlertStep,
  picture: Pick<AlertEvent, 'snapshot' | 'faces'> = {},
): AlertEvent {
  const step = { ...taken, at: Math.max(taken.at, alert.steps.at(-1)?.at ?? taken.at) };
  const state = nextState(alert.state, step.state);
  const done = step.state === 'acknowledged' && alert.steps.some((past) => past.state === 'acknowledged');
  if (state === undefined || done) {
    const already = done || alert.state === step.state;
    const why = already ? `is ${step.state} already` : `is ${alert.state} and cannot be ${step.state} any more`;
    throw new SightlineError('alert.transition', `alert ${alert.id} ${why}`, {
      details: { alert: alert.id, state: alert.state, step: step.state },
    });
  }
  const kept = step.state === 'updated' ? alert.steps.filter((past) => past.state !== 'updated') : alert.steps;
  return {
    alert: { ...alert, state, steps: [...kept, step] },
    step,
    revision: revision + 1,
    ...picture,
  };
}
