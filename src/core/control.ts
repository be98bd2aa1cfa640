import { z } from 'zod';
import type { Alert, AlertEvent, AlertStep, LedgerRow } from './alerts.ts';
import { longestDescription } from './descriptions.ts';
import type { DetectorView } from './detectors.ts';
import { SightlineError } from './errors.ts';
import type { GpuView } from './gpus.ts';
import type { ServedModelView } from './served-models.ts';
import type { EntryRecord, ReferenceRecord } from './store.ts';
import type { CameraState } from './types.ts';
import {
  type TokenView,
  tokenName,
  tokenScopes,
  typedPassword,
  type UserView,
  userCameras,
  userName,
  userRole,
} from './users.ts';

/**
 * What a person may ask of a running daemon: the methods of the control socket, later of the HTTP API. Both ends validate
 * requests with these schemas; answers are plain JSON of the types named here, bytes as base64. `http/control.ts` serves a table of
 * handlers, `cli/control-client.ts` calls it.
 */

/** Part of the address: raised when a method changes in a way that an older caller would not survive. */
export const controlVersion = 1;

interface UnaryMethod<Request extends z.ZodType, Response> {
  readonly kind: 'unary';
  readonly request: Request;
  readonly bodyLimitBytes: number;
  /** Type only. */
  readonly response?: Response;
}

interface StreamMethod<Request extends z.ZodType, Item> {
  readonly kind: 'stream';
  readonly request: Request;
  readonly bodyLimitBytes: number;
  /** Type only. */
  readonly response?: Item;
}

const smallBody = 1024 * 1024;
/** The largest photo that is taken, before base64. */
export const photoLimitBytes = 20 * 1024 * 1024;
const photoBody = Math.ceil((photoLimitBytes * 4) / 3) + smallBody;
/** An entry with all its pictures on its way in. */
const entryBody = 32 * 1024 * 1024;

function unary<Response>() {
  return <Request extends z.ZodType>(request: Request, bodyLimitBytes = smallBody): UnaryMethod<Request, Response> => ({
    kind: 'unary',
    request,
    bodyLimitBytes,
  });
}

function stream<Item>() {
  return <Request extends z.ZodType>(request: Request): StreamMethod<Request, Item> => ({
    kind: 'stream',
    request,
    bodyLimitBytes: smallBody,
  });
}

const text = z.string().min(1).max(200);
/** Ids become names of files when pictures are saved. */
const id = z.string().regex(/^[A-Za-z0-9_-]{1,200}$/, 'expected 1 to 200 letters, digits, - and _');
const note = z.string().max(2000);
const base64 = z.base64();
/** Up to the last moment that a Date can name. */
const timeMs = z.number().int().min(0).max(8.64e15);
/** Who asks, for the audit trail: the user name of the caller. */
const actor = text;
const limit = z.number().int().min(1).max(1000);

const box = z.strictObject({ left: z.number(), top: z.number(), width: z.number(), height: z.number() });
const point = z.strictObject({ x: z.number(), y: z.number() });
const entry = z.strictObject({
  id,
  name: text,
  list: text,
  kind: z.enum(['face', 'body', 'description']),
  notes: note,
  reason: note,
  addedBy: z.string().max(200),
  addedAt: timeMs,
  expiresAt: timeMs.exactOptional(),
  threshold: z.number().min(0).max(1).exactOptional(),
});
/** A reference as it is exported: its picture instead of its vector, so that any embedder can take it in. */
const portableReference = z.strictObject({
  id,
  entryId: id,
  negative: z.boolean(),
  box,
  landmarks: z.tuple([point, point, point, point, point]).exactOptional(),
  quality: z.number().min(0).max(1),
  accepted: z.boolean(),
  source: z.string().max(1000),
  addedAt: timeMs,
  /** Words instead of a picture, which is then empty. */
  text: z.string().min(1).max(longestDescription).exactOptional(),
  imageBase64: base64,
});
const portableEntry = z.strictObject({ entry, references: z.array(portableReference).max(1000) });

export type PortableEntry = z.output<typeof portableEntry>;
export type PortableReference = z.output<typeof portableReference>;

/** One line of an export file; `where` names it in the `control.request` that says which field is wrong. */
export function parsePortableEntry(value: unknown, where: string): PortableEntry {
  return parseWith(portableEntry, value, `${where} is not an entry of an export`);
}

/** A reference as people are shown it: neither picture nor vector. */
export type ReferenceSummary = Omit<ReferenceRecord, 'image' | 'vector'>;

export interface EntryView {
  readonly entry: EntryRecord;
  readonly references: readonly ReferenceSummary[];
}

export interface EnrolView {
  readonly entry: EntryRecord;
  readonly reference: ReferenceSummary;
  /** Worth a person's look: near to another entry, accepted despite its quality. */
  readonly warnings: readonly string[];
}

/** One part of the daemon that must work before it is ready. */
export interface PartState {
  readonly name: string;
  readonly ready: boolean;
  readonly reason?: string;
  /** Of what is not ready while others do its work: a problem, and the daemon is ready without it. */
  readonly needed?: false;
}

/** Whether all that is needed is ready. */
export function isReady(parts: readonly PartState[]): boolean {
  return parts.every(({ ready, needed }) => ready || needed === false);
}

export interface ReloadView {
  readonly state: 'applied' | 'unchanged' | 'refused';
  readonly at: number;
  /** Paths of settings with what their change costs. */
  readonly changes: readonly { readonly path: string; readonly reload: string }[];
  /** What the daemon took from the changed file by itself, or at SIGHUP, since a reload was last asked for, and when it last did. */
  readonly taken?: { readonly at: number; readonly changes: ReloadView['changes'] };
  readonly needsDaemonRestart: readonly string[];
  /** `file:line:column path: message`, when refused. */
  readonly issues: readonly string[];
}

export interface StatusView {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly configFile: string;
  readonly parts: readonly PartState[];
  readonly cameras: readonly { readonly camera: string; readonly state: CameraState }[];
  /** `descriptions` are those of the references that are words; the others are pictures. */
  readonly watchlist: { readonly entries: number; readonly references: number; readonly descriptions: number };
  readonly alerts: { readonly open: number };
  readonly outbox: { readonly waiting: number; readonly dead: number };
  /** What Triton servers did in the last minute; absent where the program itself runs the networks. */
  readonly served?: readonly ServedModelView[];
  /** What workers look at their cameras with; absent before any has said so. */
  readonly detectors?: readonly DetectorView[];
  /** Cards that DeepStream workers run on; absent without any. */
  readonly gpus?: readonly GpuView[];
  readonly lastReload?: ReloadView;
}

/** An alert event without its picture; `alerts.snapshot` has it. */
export type AlertEventView = Omit<AlertEvent, 'snapshot'>;

export const controlMethods = {
  status: unary<StatusView>()(z.strictObject({})),
  'config.reload': unary<ReloadView>()(z.strictObject({})),
  'alerts.list': unary<{ readonly alerts: readonly Alert[]; readonly cursor?: string }>()(
    z.strictObject({
      from: timeMs.exactOptional(),
      to: timeMs.exactOptional(),
      camera: text.exactOptional(),
      entryId: text.exactOptional(),
      open: z.boolean().exactOptional(),
      limit: limit.default(50),
      cursor: z.string().max(1000).exactOptional(),
    }),
  ),
  'alerts.show': unary<{ readonly alert: Alert }>()(z.strictObject({ id: text })),
  'alerts.snapshot': unary<{ readonly jpegBase64: string }>()(z.strictObject({ id: text })),
  /** A person's step; `alert.durable` is false when it was announced and not stored. Errors: `alert.unknown`, `alert.transition`. */
  'alerts.act': unary<{ readonly alert: Alert; readonly step: AlertStep }>()(
    z.strictObject({
      id: text,
      step: z.enum(['acknowledged', 'resolved', 'rejected']),
      actor,
      reason: note.exactOptional(),
    }),
  ),
  /** Events from now on. */
  'alerts.tail': stream<AlertEventView>()(z.strictObject({ cameras: z.array(text).max(1000).default([]) })),
  'ledger.query': unary<{ readonly rows: readonly LedgerRow[] }>()(
    z.strictObject({ camera: text.exactOptional(), from: timeMs, to: timeMs, limit: limit.default(200) }),
  ),
  /** Why nobody was told: what happened on a camera around a time, as lines of text. */
  why: unary<{ readonly lines: readonly string[] }>()(
    z.strictObject({
      camera: text,
      at: timeMs,
      windowMs: z.number().int().min(1000).max(86_400_000).default(60_000),
      /** IANA name; times in the answer are in it. */
      timeZone: text,
    }),
  ),
  /** Errors: `photo.refused` (`details.refusals`), `photo.undecodable`, `watchlist.unknown`. */
  'watchlist.enrol': unary<EnrolView>()(
    z.strictObject({
      photoBase64: base64,
      source: z.string().max(1000),
      name: text,
      list: text,
      kind: z.enum(['face', 'body']).default('face'),
      entryId: text.exactOptional(),
      pick: z.number().int().min(1).max(1000).exactOptional(),
      acceptQuality: z.boolean().default(false),
      negative: z.boolean().default(false),
      notes: note.exactOptional(),
      reason: note.exactOptional(),
      expiresAt: timeMs.exactOptional(),
      threshold: z.number().min(0).max(1).exactOptional(),
      actor,
    }),
    photoBody,
  ),
  /** An entry known by words alone. Errors: `text.refused`, `watchlist.unknown`, `control.request` while descriptions are off. */
  'watchlist.describe': unary<EnrolView>()(
    z.strictObject({
      text: z
        .string()
        .min(1)
        .max(2 * longestDescription),
      name: text,
      list: text,
      entryId: text.exactOptional(),
      notes: note.exactOptional(),
      reason: note.exactOptional(),
      expiresAt: timeMs.exactOptional(),
      threshold: z.number().min(0).max(1).exactOptional(),
      actor,
    }),
  ),
  'watchlist.list': unary<{ readonly entries: readonly EntryView[] }>()(z.strictObject({ list: text.exactOptional() })),
  /** By id, or by name where one entry has it. */
  'watchlist.show': unary<EntryView>()(z.strictObject({ entry: text })),
  'watchlist.image': unary<{ readonly jpegBase64: string }>()(z.strictObject({ referenceId: text })),
  /** Erases the entry with everything that is of it. */
  'watchlist.remove': unary<{ readonly entry: EntryRecord }>()(z.strictObject({ entry: text, actor })),
  'watchlist.removeReference': unary<{ readonly removed: string }>()(z.strictObject({ referenceId: text, actor })),
  'watchlist.export': stream<PortableEntry>()(z.strictObject({ list: text.exactOptional(), actor })),
  /** One entry of an export; one whose id is there already gets the references that it lacks. */
  'watchlist.import': unary<{
    readonly entry: EntryRecord;
    readonly references: number;
    readonly warnings: readonly string[];
  }>()(z.strictObject({ record: portableEntry, actor }), entryBody),
  'users.list': unary<{ readonly users: readonly UserView[] }>()(z.strictObject({})),
  /** Errors: `user.exists`, `user.refused`. */
  'users.add': unary<UserView>()(
    z.strictObject({
      user: userName,
      password: typedPassword.exactOptional(),
      role: userRole,
      cameras: userCameras.default('all'),
      pictures: z.boolean().default(false),
      actor,
    }),
  ),
  /** With the tokens of their making, whose names it gives. Errors: `user.unknown`, `user.refused` for the last admin. */
  'users.remove': unary<{ readonly removed: string; readonly tokens: readonly string[] }>()(
    z.strictObject({ user: userName, actor }),
  ),
  /** Ends the user's sessions and streams. */
  'users.passwd': unary<UserView>()(z.strictObject({ user: userName, password: typedPassword, actor })),
  /** A new one, or none. */
  'users.streamPassword': unary<{ readonly password?: string }>()(
    z.strictObject({ user: userName, remove: z.boolean().default(false), actor }),
  ),
  'users.tokens': unary<{ readonly tokens: readonly TokenView[] }>()(z.strictObject({})),
  /** Of `actor`; its text is shown this once. */
  'users.addToken': unary<TokenView & { readonly token: string }>()(
    z.strictObject({
      name: tokenName,
      scopes: tokenScopes,
      cameras: userCameras.default('all'),
      expiresAt: timeMs.exactOptional(),
      actor,
    }),
  ),
  /** All of this name. Errors: `user.unknown`. */
  'users.removeToken': unary<{ readonly removed: readonly string[] }>()(z.strictObject({ name: tokenName, actor })),
  /** Errors: `user.exists` once there is a user. */
  'users.setupLink': unary<{ readonly link: string }>()(z.strictObject({ actor })),
} as const;

export type ControlMethods = typeof controlMethods;
export type ControlMethod = keyof ControlMethods;
export type UnaryName = { [M in ControlMethod]: ControlMethods[M]['kind'] extends 'unary' ? M : never }[ControlMethod];
export type StreamName = Exclude<ControlMethod, UnaryName>;

/** As a caller writes it: what has a default may be left out. */
export type ControlRequest<M extends ControlMethod> = z.input<ControlMethods[M]['request']>;
/** As a handler gets it. */
export type ControlArguments<M extends ControlMethod> = z.output<ControlMethods[M]['request']>;
export type ControlResponse<M extends ControlMethod> = NonNullable<ControlMethods[M]['response']>;

/**
 * What answers. `signal` fires when the caller has gone or the daemon stops. A stream misses nothing from the moment its handler is
 * called, and its handler bounds what it keeps for a slow reader.
 */
export type ControlHandlers = {
  readonly [M in UnaryName]: (request: ControlArguments<M>, signal: AbortSignal) => Promise<ControlResponse<M>>;
} & {
  readonly [M in StreamName]: (request: ControlArguments<M>, signal: AbortSignal) => AsyncIterable<ControlResponse<M>>;
};

/** What commands call: a running daemon through its socket, or the store opened by the command itself. */
export interface Control {
  call<M extends UnaryName>(method: M, request: ControlRequest<M>, signal: AbortSignal): Promise<ControlResponse<M>>;
  stream<M extends StreamName>(method: M, request: ControlRequest<M>, signal: AbortSignal): AsyncIterable<ControlResponse<M>>;
}

/** Throws `control.request` naming the fields that are wrong. */
export function parseControlRequest<M extends ControlMethod>(method: M, value: unknown): ControlArguments<M> {
  const schema: z.ZodType = controlMethods[method].request;
  return parseWith(schema, value, `${method} cannot be answered`) as ControlArguments<M>;
}

function parseWith<T>(schema: z.ZodType<T>, value: unknown, complaint: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => ({
    field: issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : ''),
    message: issue.message,
  }));
  const shown = fields.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
  throw new SightlineError('control.request', `${complaint}: ${shown}`, { details: { fields } });
}
