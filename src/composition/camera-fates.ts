import type { CameraId } from '../core/types.ts';
import { needWords, type WorkerState } from '../workers/state.ts';
import type { SupervisorOptions } from '../workers/supervisor.ts';
import type { CameraStates } from './camera-states.ts';
import type { SourceEnds } from './source-ends.ts';

/** What becomes of cameras when their worker does not run. */
export function cameraFates(options: {
  readonly cameras: Pick<CameraStates, 'set'>;
  readonly sourceEnds: Pick<SourceEnds, 'away' | 'over'>;
  readonly now: () => number;
}): Required<Pick<SupervisorOptions, 'onState' | 'onProgress'>> {
  const { cameras, sourceEnds, now } = options;

  function away(camera: CameraId, reason: string, code: string): void {
    cameras.set(camera, { state: 'away', since: now(), reason, code });
    sourceEnds.away(camera);
  }

  return {
    onState: (_worker, state, affected) => {
      if (state.state === 'waiting') for (const camera of affected) away(camera, waitingWords(state), state.code);
      if (state.state !== 'failed') return;
      const reason = `its worker: ${state.reason}${state.retryMonoMs === undefined ? '' : '; tried again every few minutes'}`;
      for (const camera of affected) {
        cameras.set(camera, { state: 'failed', since: now(), reason, code: state.code });
        void sourceEnds.over(camera);
      }
    },
    onProgress: (_worker, words, affected) => {
      for (const camera of affected) away(camera, `its worker is being started: ${words}`, 'container.image');
    },
  };
}

function waitingWords({ needs, reason }: Extract<WorkerState, { state: 'waiting' }>): string {
  return needs === undefined
    ? `its worker is started again: ${reason}`
    : `its worker is started again once ${needWords[needs]} is there: ${reason}`;
}
