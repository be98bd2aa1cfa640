import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Principal } from '../../core/access.ts';
import type { Alert } from '../../core/alerts.ts';
import type { AlertEventView, ControlHandlers, PartState } from '../../core/control.ts';
import type { LiveBox, LiveFrame } from '../../core/live-messages.ts';
import type { PhotoCheck } from '../../core/photo-check.ts';
import type { AlertStore, LedgerStore } from '../../core/store.ts';
import type { CameraId, CameraState } from '../../core/types.ts';
import type { AnswerFile } from './route.ts';
import type { clipIndex, figuresView, listView, statusView } from './schemas.ts';

/** What the routes of the API ask of the daemon; `composition/api-services.ts` puts it together. */

export interface ApiCamera {
  readonly camera: CameraId;
  readonly state: CameraState;
  readonly masked: boolean;
  /** Port and scheme of the RTSP server; undefined while there is none. */
  readonly rtsp: { readonly scheme: 'rtsp' | 'rtsps'; readonly port: number } | undefined;
  readonly figures: z.output<typeof figuresView>;
}

/** What happens, to whoever listens. `lost`: so many before the next one, this listener was too slow for them. */
export type FeedItem =
  | { readonly type: 'alert'; readonly event: AlertEventView }
  | { readonly type: 'camera'; readonly camera: CameraId; readonly state: CameraState | undefined }
  | { readonly type: 'lost'; readonly count: number };

export interface ClipIndexView extends Omit<z.output<typeof clipIndex>, 'frames'> {
  readonly frames: readonly { readonly time: number; readonly pts: number; readonly boxes: readonly LiveBox[] }[];
}

/** `record.camera`: whose video it is. The alert may have gone on to another one since. */
export interface ClipFile extends AnswerFile {
  readonly record: { readonly camera: CameraId };
}

/** Clips of alerts on disk; undefined where there is none, or not yet. */
export interface ClipShelf {
  open(alertId: string): Promise<ClipFile | undefined>;
  index(alertId: string): Promise<ClipIndexView | undefined>;
  /** Of one without; `dueAt`: one is being written and its last picture is due then, ms since 1970. */
  absence(alert: Pick<Alert, 'id' | 'camera'>): { readonly reason: string; readonly dueAt?: number };
}

/** Everything of `statusView` but the cameras, which depend on who asks. */
export type ApiStatus = Omit<z.input<typeof statusView>, 'cameras'>;

export interface AuditNotes {
  /** Returns at once; what cannot be stored is counted and logged. */
  note(
    principal: Principal,
    action: string,
    subject: string,
    details?: Readonly<Record<string, string | number | boolean>>,
  ): void;
}

export interface ApiServices {
  readonly audit: AuditNotes;
  readonly control: Pick<
    ControlHandlers,
    | 'alerts.act'
    | 'config.reload'
    | 'why'
    | 'watchlist.describe'
    | 'watchlist.enrol'
    | 'watchlist.list'
    | 'watchlist.show'
    | 'watchlist.remove'
    | 'watchlist.removeReference'
    | 'watchlist.export'
  >;
  readonly alerts: Pick<AlertStore, 'list' | 'get' | 'snapshot'>;
  readonly ledger: LedgerStore;
  /** Of a reference; `watchlist.unknown`. */
  image(referenceId: string): Promise<Uint8Array>;
  /** What enrolling the photo would say; nothing is kept. Errors: `photo.undecodable`. */
  check(photo: Uint8Array, kind: 'face' | 'body', signal: AbortSignal): Promise<PhotoCheck>;
  /** A crop as a photo that a face is found on. Errors: `photo.undecodable`. */
  pad(crop: Uint8Array): Promise<Uint8Array>;
  readonly clips: ClipShelf;
  readonly cameras: {
    list(): readonly ApiCamera[];
    /** Boxes of the newest frame; `pts` is of its own epoch. Undefined before the first. */
    frame(camera: CameraId): LiveFrame | undefined;
  };
  /** Bounded, in all and for each listener by name: `http.limited`. Ends with the signal. */
  events(signal: AbortSignal, listener: string): AsyncIterable<FeedItem>;
  /** By which the caller has reached us, without a port: for addresses of other servers of this machine. */
  hostOf(request: FastifyRequest): string;
  lists(): readonly z.input<typeof listView>[];
  status(): Promise<ApiStatus>;
  parts(): readonly PartState[];
  /** Whether this caller may know what the metrics say. */
  mayReadMetrics(request: FastifyRequest): Promise<boolean>;
  metrics(): Promise<{ readonly media: string; readonly text: string }>;
  now(): number;
  /** Calls `tick` every `ms` until disposed. */
  every(ms: number, tick: () => void): Disposable;
  /** JSON texts. */
  readonly documents: { readonly openapi: string; readonly asyncapi: string };
}
