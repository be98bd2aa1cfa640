import { spanText } from '../core/duration.ts';
import type { DetectorFigures, FaceFigures, FaceFlaw, Finding, ProbeVerdict, StreamFigures } from '../core/probe.ts';

/** What the figures of a camera mean, in words, and what would help. Pure. */

export interface Measured {
  readonly stream: StreamFigures;
  readonly detector?: DetectorFigures;
  readonly faces?: FaceFigures;
  /** Why nobody looked for faces. */
  readonly noDetector?: string;
}

/** Frame rates below which somebody who walks past is seen too few times, and where it begins to be comfortable. */
const slowFps = 5;
const fewOfDeclared = 0.8;
/** Key frames further apart than this are felt at start-up and after every loss. */
const longKeyIntervalMs = 4000;
/** Camera clocks further off are not believed (design section 2); nearer ones shift the times of alerts. */
const believedWithinMs = 2000;
const noticeableMs = 500;
/** Delay that is worth a word. */
const longJitterMs = 150;
const lostShare = 0.002;
const missedShare = 0.1;
/** Narrower pictures are substreams. */
const substreamWidth = 640;
const mainStreamWidth = 1280;
/** Share of tracks with usable looks. */
const goodShare = 0.7;
const fairShare = 0.3;
/** Height from which hardly anything of the similarity is lost: 0.04 of 0.90 at 55 px, 0.15 at 40 px (see watchlist/quality.ts). */
const goodHeightPx = 55;

const px = (value: number) => `${Math.round(value)} px`;
const percent = (share: number) => `${Math.round(100 * share)} %`;

function times(count: number): string {
  return count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`;
}

function streamFindings(stream: StreamFigures): Finding[] {
  const found: Finding[] = [];
  const warn = (code: string, text: string) => found.push({ code, severity: 'warning', text });
  const note = (code: string, text: string) => found.push({ code, severity: 'note', text });
  const { width, height, fps, declaredFps, keyFrames, bFrames, clock, arrival, lostFrames } = stream;

  if (width < substreamWidth)
    warn('small_picture', `the picture is only ${width} x ${height}, as of a substream: use the main stream`);
  if (fps !== undefined && fps < slowFps)
    warn('low_fps', `only ${fps.toFixed(1)} frames a second: people who walk past are seen too few times; set 10 or more`);
  else if (fps !== undefined && declaredFps !== undefined && fps < fewOfDeclared * declaredFps)
    note(
      'fps',
      `${fps.toFixed(1)} frames a second come of ${declaredFps.toFixed(1)} declared: a dark picture or a busy camera`,
    );
  if (stream.live && keyFrames.longestIntervalMs > longKeyIntervalMs)
    warn(
      'key_frames',
      `key frames ${spanText(keyFrames.longestIntervalMs)} apart: start-up slow, and so is recovery after a loss; set the key-frame (I-frame, GOP) interval to 1 to 2 s`,
    );
  if (bFrames.depth > 0)
    note('b_frames', `B-frames add ${spanText(bFrames.delayMs)}${stream.live ? ': switch them off for faster alerts' : ''}`);
  if (clock?.senderReports === false)
    note('no_sender_reports', 'no sender reports tell the time of the camera: arrival time will be used');
  else if (clock !== undefined && Math.abs(clock.aheadMs) > believedWithinMs)
    warn(
      'clock',
      `clock off by ${spanText(Math.abs(clock.aheadMs))}: arrival time will be used; let the camera take its time from an NTP server`,
    );
  else if (clock !== undefined && Math.abs(clock.aheadMs) > noticeableMs)
    note('clock', `clock off by ${spanText(Math.abs(clock.aheadMs))}: times of alerts are off by as much`);
  if (clock?.senderReports === true && clock.jumps > 0)
    warn('clock_jump', `the camera's clock was set ${times(clock.jumps)} meanwhile`);
  if (stream.interruptions > 0)
    warn(
      'interrupted',
      `the stream broke off ${times(stream.interruptions)}: look at network, power and the camera's limit of clients`,
    );
  if (stream.newTimeLines > 0 && stream.live)
    warn('time_stamps', `time stamps began anew ${times(stream.newTimeLines)}: tracks end there`);
  if (lostFrames !== undefined && lostFrames > lostShare * stream.frames)
    warn(
      'lost_frames',
      `${lostFrames} frames did not come (${((100 * lostFrames) / (stream.frames + lostFrames)).toFixed(1)} %): ${stream.transport === 'udp' ? 'use transport tcp' : 'look at network and load of the camera'}`,
    );
  if (stream.skipped > 0)
    warn(
      'decoding_slow',
      `${stream.skipped} frames were not decoded (${percent(stream.skipped / (stream.frames + stream.skipped))}): this machine was too slow for this stream, or busy; decode on hardware, or take a smaller stream of the camera`,
    );
  if (stream.undecodable > 0) note('undecodable', `${stream.undecodable} parts of the stream could not be decoded`);
  if (arrival !== undefined && arrival.jitterMs > longJitterMs)
    note('jitter', `frames come up to ${spanText(arrival.jitterMs)} late: a busy network or camera delays alerts as much`);
  return found;
}

function detectorFindings({ detector, noDetector }: Measured): Finding[] {
  if (noDetector !== undefined) return [{ code: 'no_detector', severity: 'warning', text: noDetector }];
  if (detector === undefined) return [];
  const { looks, missed, model, fps, failing } = detector;
  if (failing !== undefined)
    return [{ code: 'detector_failing', severity: 'warning', text: `${model} does not work: ${failing}` }];
  if (missed > missedShare * (looks + missed)) {
    const share = percent(missed / (looks + missed));
    return [
      {
        code: 'detector_slow',
        severity: 'warning',
        text: `${share} of the looks at ${fps} a second were missed: this machine was too slow for ${model}, or busy; lower fps or take a lighter detector`,
      },
    ];
  }
  return [];
}

/** What is wrong with most of the faces that cannot be used. */
function commonFlaw(flaws: FaceFigures['flaws']): FaceFlaw | undefined {
  // Too small to be compared and too small to say much are one trouble.
  const joined = Object.entries({ ...flaws, small: flaws.small + flaws.too_small, too_small: 0 }) as [FaceFlaw, number][];
  const [flaw, count] = joined.toSorted((a, b) => b[1] - a[1])[0] ?? [];
  return count === undefined || count === 0 ? undefined : flaw;
}

function flawText(flaw: FaceFlaw, { width }: StreamFigures): string {
  switch (flaw) {
    case 'too_small':
    case 'small':
      return `faces too small: move closer, zoom in${width < mainStreamWidth ? ' or use the main stream' : ' or narrow the view'}`;
    case 'blurred':
      return 'faces blurred: more light, a shorter exposure, a better focus or a higher bitrate';
    case 'turned':
      return 'faces turned away: mount the camera where people walk towards it';
    case 'tilted':
      return 'faces tilted: turn the camera upright';
    case 'cut_off':
      return 'faces cut off: aim the camera so that they pass inside the picture';
    case 'uncertain':
      return 'faces hard to make out: more light, and nothing before them';
  }
}

const briefText = 'faces seen too briefly: aim where people stay longer in view, or look more often (fps)';

type FaceVerdict = Pick<ProbeVerdict, 'faces' | 'summary'>;

function judgeFaces({ stream, detector, faces }: Measured): FaceVerdict {
  if (detector === undefined || faces === undefined) return { faces: 'unknown', summary: 'nobody looked for faces' };
  if (detector.failing !== undefined)
    return { faces: 'unknown', summary: 'the detector does not work: nothing is known of faces' };
  const { heightPx, bestHeightPx, tracks, briefTracks, usableTracks } = faces;
  if (heightPx === undefined || bestHeightPx === undefined) {
    return { faces: 'unknown', summary: 'no face came into view: probe again while somebody walks through the picture' };
  }
  // One look at a face is left over where a track or the probe begins or ends; many of them are a trouble of their own.
  const brief = briefTracks > tracks / 2;
  const share = brief ? usableTracks / tracks : usableTracks / (tracks - briefTracks);
  const flaw = commonFlaw(faces.flaws);
  const trouble = flaw === undefined || brief ? briefText : flawText(flaw, stream);
  if (share >= goodShare && bestHeightPx >= goodHeightPx) return { faces: 'good', summary: 'good for faces' };
  if (share >= goodShare) {
    const summary = `fair for faces: at best ${px(bestHeightPx)} high, ${px(goodHeightPx)} and more are safer; ${flawText('small', stream)}`;
    return { faces: 'fair', summary };
  }
  if (share >= fairShare) return { faces: 'fair', summary: `fair for faces, ${percent(share)} can be compared; ${trouble}` };
  return { faces: 'poor', summary: trouble };
}

export function judge(measured: Measured): ProbeVerdict {
  return { ...judgeFaces(measured), findings: [...streamFindings(measured.stream), ...detectorFindings(measured)] };
}
