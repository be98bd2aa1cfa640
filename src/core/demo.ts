/**
 * The demo as the command line starts it and shows it: what may be asked for, and what there is to tell. `demo/` runs it,
 * `cli/demo.ts` shows it.
 */

export interface DemoRequest {
  /** Folder of another scene than the program's own. */
  readonly scene?: string;
  /** 1 to `maxDemoCameras`. */
  readonly cameras: number;
  /** Members of the cast to list beside those that the scene lists. */
  readonly watch: readonly string[];
  /** Broker of the user instead of the embedded one; may hold credentials. */
  readonly mqtt?: string;
  /** Directory that stays; otherwise a temporary one. */
  readonly keep?: string;
  /** Each camera plays the film so many times and the demo ends; absent: until it is told to stop. */
  readonly loops?: number;
  /** The whole log on stderr too. */
  readonly verbose: boolean;
}

export const maxDemoCameras = 16;

/** A character of the scene. Of a `hidden` one the face is never seen; `lookalike` resembles somebody listed. */
export interface CastMember {
  readonly name: string;
  readonly role: 'listed' | 'lookalike' | 'ignored' | 'hidden' | 'other';
  /** What to look for when this one walks by. */
  readonly sentence: string;
}

/** What runs where, once everything does. */
export interface DemoFacts {
  /** How this program is called from here: `bin/sightline` in a clone. */
  readonly program: string;
  readonly cast: readonly CastMember[];
  readonly listed: readonly string[];
  readonly ignored: readonly string[];
  /** `faiss-flat`, or `scan` with the reason why FAISS does not serve. */
  readonly index: { readonly kind: string; readonly reason?: string };
  readonly engine: string;
  readonly detector: string;
  readonly embedder: string;
  /** Cosine from which a sighting speaks for an entry. */
  readonly threshold: number;
  readonly broker: { readonly url: string; readonly host: string; readonly port: number; readonly own: boolean };
  readonly baseTopic: string;
  /** What Sightline watches. */
  readonly cameras: readonly string[];
  readonly health?: string;
  /** Pages, and a login for them that was made for this demo. */
  readonly viewer?: { readonly url: string; readonly user: string; readonly password: string };
  /** The first camera as Sightline serves it to players; with `/annotated` behind it, with boxes. */
  readonly stream?: string;
  readonly directory: string;
  readonly dataDir: string;
  readonly log: string;
  /** To be run without the demo; only in a directory that stays. */
  readonly configFile?: string;
  /** Environment variable that `configFile` needs: the password of the user's broker. */
  readonly passwordIn?: string;
}

/** An alert as it came from the broker. */
export interface DemoAlert {
  readonly id: string;
  readonly name: string;
  readonly list: string;
  readonly camera: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Cosine; a similarity, not an identity. */
  readonly similarity: number;
  readonly threshold: number;
  /** From the first sighting that spoke for the entry until the message came. */
  readonly sinceSeenMs: number;
  /** From the arrival of the deciding frame until the message came. */
  readonly sinceFrameMs: number;
  readonly late: boolean;
  /** Where its picture was saved. */
  readonly picture?: string;
}

/** Somebody of whom nobody was told, and why. */
export type DemoSilence =
  | {
      readonly why: 'unlike';
      readonly camera: string;
      readonly nearest: string;
      readonly similarity: number;
      readonly threshold: number;
    }
  | { readonly why: 'ignored'; readonly camera: string; readonly nearest: string; readonly list: string };

export type DemoEvent =
  /** A step of the start, or a change worth a line. */
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'warning'; readonly text: string }
  | { readonly kind: 'ready'; readonly facts: DemoFacts }
  | { readonly kind: 'alert'; readonly alert: DemoAlert }
  | { readonly kind: 'silence'; readonly silence: DemoSilence }
  /** Everybody listed at the start has been told of: the moment to say what else can be tried. */
  | { readonly kind: 'toured'; readonly facts: DemoFacts }
  | { readonly kind: 'stopping' }
  | {
      readonly kind: 'stopped';
      readonly program: string;
      readonly alerts: number;
      /** Asked for by `--keep`. */
      readonly kept?: string;
      /** To be run without the demo; absent when it did not come so far. */
      readonly configFile?: string;
      /** Environment variable that `configFile` needs. */
      readonly passwordIn?: string;
      /** What the user's broker had not taken. */
      readonly waiting?: { readonly messages: number; readonly broker: string };
      /** Could not be removed. */
      readonly left?: string;
    };

export interface DemoView {
  show(event: DemoEvent): void;
  /** Names that the user types while it runs. */
  readonly names?: AsyncIterable<string>;
}

/** A demo of this user that runs now. */
export interface RunningDemo {
  readonly pid: number;
  readonly directory: string;
  /** So many run, this one among them. */
  readonly of: number;
  /** Lists members of its cast; gives what there is to say. Rejects with `cli.usage` for a name that is not in the cast. */
  watch(names: readonly string[], actor: string): Promise<readonly string[]>;
}

export interface DemoService {
  /** Runs until the program is told to stop, or for its loops. Rejects when it cannot begin or go on, having undone itself. */
  run(request: DemoRequest, view: DemoView): Promise<void>;
  /** The newest one, if any runs. */
  running(): Promise<RunningDemo | undefined>;
}
