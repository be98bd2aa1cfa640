/** Whose place is given to somebody else. Pure. */

/** A connection that has not shown yet that it may read anything. */
export interface Stranger {
  /** `networkOf` its address. */
  readonly network: string;
  /** It has asked something. */
  readonly spoke: boolean;
}

/** Players of one address that come at once are no crowd. */
export const crowd = 8;

/**
 * Of strangers, oldest first, the one whom a newcomer may follow whatever his age: the first that has said nothing, or else the first, of
 * the network that has most of them. Undefined where none has more than a few: then nobody holds places that others need.
 */
export function crowding<S extends Stranger>(strangers: readonly S[]): S | undefined {
  const [most] = Map.groupBy(strangers, ({ network }) => network)
    .values()
    .toArray()
    .sort((one, other) => other.length - one.length);
  if (most === undefined || most.length <= crowd) return undefined;
  return most.find(({ spoke }) => !spoke) ?? most[0];
}
