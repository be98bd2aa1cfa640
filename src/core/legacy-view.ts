import type { StreamUser } from './media-door.ts';
import type { CameraId } from './types.ts';

/** What the daemon and the program of the legacy view say to each other over the channel between parent and child. */
export type ToLegacyView =
  | {
      readonly type: 'configure';
      readonly host: string;
      readonly port: number;
      /** Our own RTSP server, on this machine. */
      readonly rtspPort: number;
      /** Folder with the node_modules of `tools/bootstrap legacy-view`. */
      readonly modules: string;
    }
  | { readonly type: 'users'; readonly users: readonly StreamUser[] }
  | { readonly type: 'cameras'; readonly cameras: readonly CameraId[] }
  /** Answer to `ask`: a login for this camera's annotated stream that is good for one connection in the next seconds. */
  | { readonly type: 'login'; readonly id: number; readonly user: string; readonly password: string };

export type FromLegacyView =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'failed'; readonly reason: string }
  /** Wrong logins since this was last said. */
  | { readonly type: 'loginsFailed'; readonly count: number }
  | { readonly type: 'ask'; readonly id: number; readonly camera: CameraId };
