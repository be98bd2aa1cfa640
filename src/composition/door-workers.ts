import type { CameraId } from '../core/types.ts';
import type { WorkerLink } from '../workers/life.ts';

/** A worker that may send video, with the secret of its bridge. */
export interface DoorWorker {
  readonly worker: string;
  readonly token: string;
  readonly cameras: readonly CameraId[];
}

/** The same link, telling `onChange` of the workers that there are by now, each time that changes. */
export function tellWorkers<Link extends WorkerLink>(link: Link, onChange: (workers: readonly DoorWorker[]) => void): Link {
  const workers = new Map<symbol, DoorWorker>();
  const tell = () => onChange([...workers.values()]);
  return {
    ...link,
    register: (worker, token, events) => {
      const key = Symbol(worker);
      const attachment = link.register(worker, token, events);
      return {
        configure: (wanted) => {
          workers.set(key, { worker, token, cameras: [...wanted.keys()] });
          // Before the worker hears of its cameras: their video comes at once.
          tell();
          attachment.configure(wanted);
        },
        drain: () => attachment.drain(),
        [Symbol.dispose]: () => {
          if (workers.delete(key)) tell();
          attachment[Symbol.dispose]();
        },
      };
    },
  };
}
