import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '../core/access.ts';

/** Who asks: what the server needs of logging in. `http/auth/` has it. */

export interface Caller {
  readonly principal: Principal;
  /** Fires as soon as this caller may no longer see what they asked for. */
  readonly signal: AbortSignal;
}

export interface Gate {
  /** Undefined: nobody. Throws `http.auth` for a token that is none, `http.forbidden` for an unsafe method without its CSRF token. */
  identify(request: FastifyRequest): Promise<Caller | undefined>;
  /** Throws `http.forbidden` when an unsafe method comes from another site. */
  requireSameSite(request: FastifyRequest): void;
  /** Throws unless this caller may read the metrics, by login or, where the configuration says so, by being on this machine. */
  requireMetrics(request: FastifyRequest): Promise<void>;
  /**
   * What counts as one place, of a connection and, with the headers of a request, of who is behind a trusted proxy. Undefined: such a proxy
   * itself, which speaks for many.
   */
  placeOf(peer: string | undefined, headers?: IncomingHttpHeaders): string | undefined;
}
