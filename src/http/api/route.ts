import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Permission, Principal } from '../../core/access.ts';

/**
 * A route of the HTTP API is declared once; its registration, its lines in docs/openapi.json and its place in the test that walks every
 * route with every role follow from the declaration. `Services` is what its handler needs: handlers are plain functions of a
 * request and of it, so that the table can be read without a running daemon.
 */

/** `open`: nobody is asked who they are. `any`: somebody who is logged in, whatever their role. */
export type Access = Permission | 'any' | 'open';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What comes back with one status: JSON of a schema, bytes of a media type, or nothing. Problems (RFC 9457) need no mention. */
export interface AnswerSpec {
  readonly says: string;
  readonly json?: z.ZodType;
  readonly media?: string;
}

export interface RouteRequest<A extends Access, P, Q, B> {
  /** Of an open route: whoever it happens to be. */
  readonly principal: A extends 'open' ? Principal | undefined : Principal;
  /** From the path, the query and the body, checked. */
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Fires when the caller has gone, is no longer let in, or the server stops. */
  readonly signal: AbortSignal;
  /** For what only HTTP knows: cookies, addresses. */
  readonly raw: FastifyRequest;
  readonly reply: FastifyReply;
}

type Headers = Readonly<Record<string, string>>;

export type Answer =
  | { readonly kind: 'json'; readonly status: number; readonly value: unknown; readonly headers?: Headers }
  | { readonly kind: 'empty'; readonly status: number; readonly headers?: Headers }
  /** Small bytes with an entity tag: a caller that has them already gets 304. */
  | { readonly kind: 'bytes'; readonly media: string; readonly bytes: Uint8Array; readonly headers?: Headers }
  /** With an entity tag, too. */
  | { readonly kind: 'text'; readonly media: string; readonly text: string }
  /** A file, with ranges. The server disposes `file`. */
  | { readonly kind: 'file'; readonly media: string; readonly file: AnswerFile }
  /** Text as it comes; ends with the request's signal. */
  | { readonly kind: 'stream'; readonly media: string; readonly chunks: AsyncIterable<string> };

export interface AnswerFile extends AsyncDisposable {
  readonly bytes: number;
  /** Opaque; another one for other bytes. */
  readonly tag: string;
  /** Bytes from `start` to `end`, both included. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

export interface Route<Services> {
  readonly method: Method;
  /** Whole, parameters in braces: `/api/v1/alerts/{id}`. */
  readonly path: string;
  readonly access: Access;
  /** Heading of its group in the documentation. */
  readonly group: string;
  /** One sentence. */
  readonly says: string;
  readonly params: z.ZodType | undefined;
  readonly query: z.ZodType | undefined;
  readonly body: z.ZodType | undefined;
  /** Larger bodies are refused. */
  readonly bodyLimitBytes: number;
  /** Answers hold secrets: nothing may keep them. */
  readonly secret: boolean;
  /** The socket is taken over by another protocol: 101. */
  readonly upgrade: boolean;
  readonly answers: Readonly<Record<number, AnswerSpec>>;
  handle(request: RouteRequest<Access, unknown, unknown, unknown>, services: Services): Promise<Answer>;
}

/** Whatever services it needs: for reading the table. */
export type AnyRoute = Route<never>;

export interface RouteSpec<Services, A extends Access, P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly method: Method;
  readonly path: string;
  /** There is no default: a route without a permission does not compile. */
  readonly access: A;
  readonly group: string;
  readonly says: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly bodyLimitBytes?: number;
  readonly secret?: boolean;
  readonly upgrade?: boolean;
  readonly answers: Readonly<Record<number, AnswerSpec>>;
  handle(request: RouteRequest<A, z.output<P>, z.output<Q>, z.output<B>>, services: Services): Promise<Answer> | Answer;
}

/** A user with all cameras that one may have: 67 kB. */
const smallBodyBytes = 96 * 1024;

/** `const route = routesOf<MyServices>()`, then `route({...})` for each. */
export function routesOf<Services>() {
  return function route<
    const A extends Access,
    P extends z.ZodType = z.ZodUndefined,
    Q extends z.ZodType = z.ZodUndefined,
    B extends z.ZodType = z.ZodUndefined,
  >(spec: RouteSpec<Services, A, P, Q, B>): Route<Services> {
    const { method, path, access, group, says, params, query, body, answers } = spec;
    return {
      method,
      path,
      access,
      group,
      says,
      params,
      query,
      body,
      bodyLimitBytes: spec.bodyLimitBytes ?? smallBodyBytes,
      secret: spec.secret ?? false,
      upgrade: spec.upgrade ?? false,
      answers,
      // What the request holds has been checked with the schemas of this same spec, and that somebody is there with its access.
      handle: async (request, services) => spec.handle(request as Parameters<typeof spec.handle>[0], services),
    };
  };
}

export interface BoundRoute extends Omit<AnyRoute, 'handle'> {
  handle(request: RouteRequest<Access, unknown, unknown, unknown>): Promise<Answer>;
}

/** `getAlertsIdSnapshot`: its name in the documents and in metrics, where no path belongs. */
export function routeName({ method, path }: Pick<AnyRoute, 'method' | 'path'>): string {
  const parts = path
    .replace('/api/v1', '')
    .split(/[/{}.-]+/)
    .filter((part) => part !== '');
  return [method.toLowerCase(), ...parts.map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))].join('');
}

export function bindRoutes<Services>(routes: readonly Route<Services>[], services: Services): readonly BoundRoute[] {
  return routes.map((route) => ({ ...route, handle: (request) => route.handle(request, services) }));
}

export function json(value: unknown, status = 200, headers: Headers = {}): Answer {
  return { kind: 'json', status, value, headers };
}

export const nothing: Answer = { kind: 'empty', status: 204 };

export function jpeg(bytes: Uint8Array): Answer {
  return { kind: 'bytes', media: 'image/jpeg', bytes };
}
