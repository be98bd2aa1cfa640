import type { CameraId } from './types.ts';

/** Who may do what: one table, asked by the HTTP server, the media door and the documentation. Pure. */

export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/**
 * `live`: video and metadata of one's cameras. `pictures`: photos of the watchlist, granted to a user one by one besides the role.
 * Everything that is of a camera is also bounded by the user's list of cameras.
 */
export const permissions = [
  'live',
  'alerts.read',
  'alerts.act',
  'watchlist.read',
  'watchlist.write',
  'watchlist.export',
  'pictures',
  'ledger.read',
  'health.read',
  'metrics.read',
  'config.reload',
  'users.manage',
  'audit.read',
] as const;
export type Permission = (typeof permissions)[number];

const ofRole: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['live', 'alerts.read', 'health.read'],
  operator: ['live', 'alerts.read', 'alerts.act', 'watchlist.read', 'watchlist.write', 'ledger.read', 'health.read'],
  admin: permissions,
};

export function permissionsOf(role: Role): readonly Permission[] {
  return ofRole[role];
}

/** Why what goes on for somebody ends. `rights`: whatever let them in. `logout`: their last session is over; what stands on it ends. */
export type RevokeCause = 'rights' | 'logout';

/** Somebody who has been let in, by whatever door. */
export interface Principal {
  readonly user: string;
  readonly role: Role;
  /** `all`, or these and no others. */
  readonly cameras: 'all' | readonly CameraId[];
  /** Photos of the watchlist. */
  readonly pictures: boolean;
  /** Of an API token: what the role allows is cut down to these. Absent: no cut. */
  readonly scopes?: readonly Permission[];
  readonly via: 'session' | 'token' | 'proxy' | 'ticket' | 'rtsp' | 'control' | 'open';
}

export function may(principal: Principal, permission: Permission): boolean {
  const byRole = ofRole[principal.role].includes(permission) || (permission === 'pictures' && principal.pictures);
  return byRole && (principal.scopes === undefined || principal.scopes.includes(permission));
}

export function maySee(principal: Principal, camera: CameraId): boolean {
  return principal.cameras === 'all' || principal.cameras.includes(camera);
}

/** The clean picture of a camera with masks shows what the masks hide: admins alone may see it, and no token of theirs. */
export function seesBehindMasks({ role, scopes }: Principal): boolean {
  return role === 'admin' && scopes === undefined;
}

export function mayWatch(
  principal: Principal,
  camera: CameraId,
  stream: { readonly variant: 'clean' | 'annotated'; readonly masked: boolean },
): boolean {
  if (!may(principal, 'live') || !maySee(principal, camera)) return false;
  return stream.variant === 'annotated' || !stream.masked || seesBehindMasks(principal);
}
