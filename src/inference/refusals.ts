import { SightlineError } from '../core/errors.ts';

/** Why a request never ran, in the same words from every engine. */

export function lateError(model: string, stream: string, waitedMs: number): SightlineError {
  return new SightlineError('inference.deadline', `a request to ${model} of ${stream} could not run before its deadline`, {
    details: { model, stream, waitedMs: Math.round(waitedMs) },
  });
}

export function overloadError(model: string, stream: string): SightlineError {
  return new SightlineError('inference.overload', `a request to ${model} of ${stream} gave way to newer ones`, {
    details: { model, stream },
  });
}

export function closedError(): SightlineError {
  return new SightlineError('inference.closed', 'the inference engine is closed');
}

/** What an aborted request rejects with. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new DOMException('the request was aborted', 'AbortError');
}
