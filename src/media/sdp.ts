import { type ParameterSets, profileLevelId } from './h264.ts';
import { clockRate, payloadType } from './rtp.ts';

export const trackControl = 'trackID=0';

/** Session description of one H.264 stream (RFC 8866, RFC 6184 section 8.2). `name` must hold no line break. Pure. */
export function describeStream(name: string, parameters: ParameterSets): string {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const fmtp = [
    'packetization-mode=1',
    `profile-level-id=${profileLevelId(parameters.sps)}`,
    `sprop-parameter-sets=${base64(parameters.sps)},${base64(parameters.pps)}`,
  ];
  const lines = [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    `s=${name}`,
    'c=IN IP4 0.0.0.0',
    't=0 0',
    'a=control:*',
    'a=range:npt=now-',
    `m=video 0 RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} H264/${clockRate}`,
    `a=fmtp:${payloadType} ${fmtp.join(';')}`,
    `a=control:${trackControl}`,
  ];
  return `${lines.join('\r\n')}\r\n`;
}
