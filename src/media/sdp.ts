import { profileLevelId } from './h264.ts';
import { profileTierLevel } from './h265.ts';
import type { ParameterSets } from './nal.ts';
import { clockRate, payloadType } from './rtp.ts';

export const trackControl = 'trackID=0';

/**
 * Session description of one stream (RFC 8866; RFC 6184 section 8.2, RFC 7798 section 7.2). `name` must hold no line break; `client` is the
 * address that it is for, plain: media come over its kind of IP. Pure.
 */
export function describeStream(name: string, parameters: ParameterSets, client = ''): string {
  const [origin, connection] = client.includes(':') ? ['IP6 ::1', 'IP6 ::'] : ['IP4 127.0.0.1', 'IP4 0.0.0.0'];
  const lines = [
    'v=0',
    `o=- 0 0 IN ${origin}`,
    `s=${name}`,
    `c=IN ${connection}`,
    't=0 0',
    'a=control:*',
    'a=range:npt=now-',
    `m=video 0 RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} ${parameters.codec.toUpperCase()}/${clockRate}`,
    `a=fmtp:${payloadType} ${formatOf(parameters).join(';')}`,
    `a=control:${trackControl}`,
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function formatOf({ codec, vps, sps, pps }: ParameterSets): string[] {
  const base64 = (sets: readonly Uint8Array[]) => sets.map((set) => Buffer.from(set).toString('base64')).join(',');
  const [first] = sps;
  if (codec === 'h264') {
    return [
      'packetization-mode=1',
      ...(first === undefined ? [] : [`profile-level-id=${profileLevelId(first)}`]),
      `sprop-parameter-sets=${base64([...sps, ...pps])}`,
    ];
  }
  const level = first === undefined ? undefined : profileTierLevel(first);
  return [
    ...(level === undefined
      ? []
      : [`profile-space=${level.space}`, `profile-id=${level.profile}`, `tier-flag=${level.tier}`, `level-id=${level.level}`]),
    `sprop-vps=${base64(vps)}`,
    `sprop-sps=${base64(sps)}`,
    `sprop-pps=${base64(pps)}`,
  ];
}
