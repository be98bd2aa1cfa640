import type { ErrorCode } from '../core/errors.ts';
import type { ProbeTransport } from '../core/probe.ts';
import type { ProbeFailure } from './observation.ts';

/** What to do when nothing can be seen. Pure. */

const placeholders =
  "'${CAM_USER}:${CAM_PASSWORD}@' before the host, all of the address in single quotes and both variables exported";

function remedy({ code, units }: ProbeFailure, transport: ProbeTransport): string | undefined {
  const camera = transport === 'tcp' || transport === 'udp';
  // Video that arrives without a key frame cannot be shown, and nothing else is wrong with it.
  if (code === 'source.timeout' && units > 0)
    return `video arrives (${units} units) but no key frame: set the camera's key-frame (I-frame, GOP) interval to 1 to 2 s`;
  const remedies: Partial<Record<ErrorCode, string>> = {
    'source.auth': `mend user and password (a % of theirs is written %25, in a variable too); best written as ${placeholders}`,
    'source.unreachable':
      transport === 'file'
        ? 'check the path'
        : 'check address and port, and whether the camera is on and this machine may reach it',
    'source.timeout': `check that the address is the stream's${transport === 'udp' ? ', or try --transport tcp: a firewall may keep UDP away' : camera ? ', and try --transport udp' : ''}`,
    'source.format': camera
      ? "is it the path of the stream? The camera's manual or its ONVIF profile names it"
      : 'this is no video that FFmpeg can read; is it the stream and not a web page?',
    'source.ended': 'the camera closed the stream: it may allow no further client',
    'source.failed': camera
      ? "check the path of the stream: the camera's manual or its ONVIF profile names it"
      : 'try another player on it',
  };
  return remedies[code];
}

/** The reason of a failure with what would help. */
export function withRemedy(failure: ProbeFailure, transport: ProbeTransport): string {
  const help = remedy(failure, transport);
  // As a worker's state says it; a probe tries once.
  const reason = failure.reason.replace(/; tried again every \d+ min$/, '');
  return help === undefined ? reason : `${reason}; ${help}`;
}
