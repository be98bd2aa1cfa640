import type { ErrorCode } from '../core/errors.ts';
import type { SourceStatus } from '../gen/sightline/bridge/v1/bridge.ts';

/** Something that is not as it should be with a camera that is live. */
export interface Trouble {
  readonly reason: string;
  readonly code: ErrorCode;
}

/** All of it as one state, the gravest first. */
export function joined(troubles: readonly (Trouble | undefined)[]): Pick<SourceStatus, 'reason' | 'code' | 'otherCodes'> {
  const found = troubles.filter((trouble) => trouble !== undefined);
  const [code = '', ...otherCodes] = new Set(found.map((trouble) => trouble.code));
  return { reason: found.map(({ reason }) => reason).join('; '), code, otherCodes };
}
