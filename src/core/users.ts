import { z } from 'zod';
import { type Permission, permissions, type Role, roles } from './access.ts';

/** Users and tokens as the HTTP API and the control socket are asked for them, and show them: never with a secret. */

/** No colon: it ends the name in Basic and Digest authentication (RFC 7617, section 2), and begins that of a token. */
export const userName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/,
    'expected 1 to 64 letters, digits, . _ @ and -, beginning with a letter or digit',
  );

/** Cameras of one user or token, and characters of the longest name of one. */
export const maxUserCameras = 1000;
export const maxCameraName = 64;
const cameraName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'expected the name of a camera');
/** `all`, or these and no others. */
export const userCameras = z.union([z.literal('all'), z.array(cameraName).max(maxUserCameras)]);
export const userRole = z.enum(roles);
/** Longer ones are refused in words of their own. */
export const typedPassword = z.string().min(1).max(1000);
export const tokenName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$/,
    'expected 1 to 64 letters, digits, spaces, . _ and -, beginning with a letter or digit',
  );
export const tokenScopes = z.array(z.enum(permissions)).min(1).max(permissions.length);

export const userView = z.object({
  user: z.string(),
  role: userRole,
  cameras: userCameras,
  /** May see the photos of the watchlist. */
  pictures: z.boolean(),
  disabled: z.boolean(),
  /** Has a password to log in with; without one a trusted proxy lets them in. */
  password: z.boolean(),
  /** Has a password for streams. */
  streamPassword: z.boolean(),
  /** Milliseconds since 1970. */
  createdAt: z.number(),
  sessions: z.number().int(),
  lastSeenAt: z.number().exactOptional(),
});
export type UserView = Readonly<z.output<typeof userView>>;

export const tokenView = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(permissions)),
  cameras: userCameras,
  /** A user: of a token made by a token it is who made that one. */
  createdBy: z.string(),
  createdAt: z.number(),
  expiresAt: z.number().exactOptional(),
  lastUsedAt: z.number().exactOptional(),
});
export interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Permission[];
  readonly cameras: 'all' | readonly string[];
  readonly createdBy: string;
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
}

export interface NewUser {
  readonly user: string;
  /** Absent: they cannot log in by one. */
  readonly password?: string;
  readonly role: Role;
  readonly cameras: 'all' | readonly string[];
  readonly pictures: boolean;
}

export interface UserChanges {
  readonly role?: Role;
  readonly cameras?: 'all' | readonly string[];
  readonly pictures?: boolean;
  readonly disabled?: boolean;
  readonly password?: string;
}
