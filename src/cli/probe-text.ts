import { spanText } from '../core/duration.ts';
import type { FaceFigures, FaceFlaw, ProbeReport, StreamFigures } from '../core/probe.ts';
import { count, table } from './text.ts';

/** What a probe has found, as text. Pure. */

const barColumns = 32;

const flawWords: Readonly<Record<FaceFlaw, string>> = {
  too_small: 'too small to compare',
  small: 'small',
  blurred: 'blurred',
  turned: 'turned away',
  tilted: 'tilted',
  cut_off: 'cut off',
  uncertain: 'hard to make out',
};

function rate(kbitPerSecond: number): string {
  return kbitPerSecond < 1000 ? `${Math.round(kbitPerSecond)} kbit/s` : `${(kbitPerSecond / 1000).toFixed(1)} Mbit/s`;
}

function videoText({ codec, width, height, fps, declaredFps, kbitPerSecond, decode }: StreamFigures): string {
  const measured = fps === undefined ? 'one frame' : `${fps.toFixed(1)} fps`;
  const declared = declaredFps === undefined ? 'none declared' : `${Number(declaredFps.toFixed(2))} declared`;
  const bitrate = kbitPerSecond === undefined ? [] : [rate(kbitPerSecond)];
  return [`${codec} ${width}x${height}`, `${measured} (${declared})`, ...bitrate, `decoded by ${decode}`].join(', ');
}

function keyFrameText({ keyFrames, bFrames }: StreamFigures): string {
  const { meanIntervalMs, longestIntervalMs, count: keys } = keyFrames;
  const every =
    meanIntervalMs === undefined
      ? `${count(keys, 'key frame')} in ${spanText(longestIntervalMs)}`
      : `every ${spanText(meanIntervalMs)}, longest ${spanText(longestIntervalMs)}`;
  return `${every}; ${bFrames.depth === 0 ? 'no B-frames' : `B-frames, ${spanText(bFrames.delayMs)}`}`;
}

function transportText(stream: StreamFigures): string {
  const { transport, arrival, lostFrames, frames, skipped, undecodable, interruptions } = stream;
  return [
    transport,
    ...(arrival === undefined
      ? []
      : [`arrival jitter ${spanText(arrival.jitterMs)} (95 %), longest gap ${spanText(arrival.longestGapMs)}`]),
    ...(lostFrames === undefined ? ['frame rate varies'] : [`${lostFrames} of ${frames + lostFrames + skipped} frames lost`]),
    ...(skipped === 0 ? [] : [`${skipped} not decoded`]),
    ...(undecodable === 0 ? [] : [`${undecodable} undecodable`]),
    ...(interruptions === 0 ? [] : [count(interruptions, 'interruption')]),
  ].join(', ');
}

function clockText({ clock }: StreamFigures): string | undefined {
  if (clock === undefined) return undefined;
  if (!clock.senderReports) return 'no RTCP sender reports';
  const where = clock.aheadMs < 0 ? 'behind' : 'ahead of';
  const jumps = clock.jumps === 0 ? 'no jump' : count(clock.jumps, 'jump');
  return `RTCP sender reports, ${spanText(Math.abs(clock.aheadMs))} ${where} this machine at arrival, ${jumps}`;
}

function share(part: number, whole: number): string {
  return `${part} of ${whole} (${Math.round((100 * part) / whole)} %)`;
}

function histogram({ histogram: bins }: FaceFigures): string[] {
  const most = Math.max(1, ...bins.map(({ looks }) => looks));
  const rows = bins.map(({ fromPx, toPx, looks }) => {
    const heights = toPx === undefined ? `${fromPx} px up` : fromPx === 0 ? `below ${toPx} px` : `${fromPx} to ${toPx - 1} px`;
    return [`  ${heights}`, String(looks), '#'.repeat(Math.ceil((barColumns * looks) / most))];
  });
  return table(rows);
}

function faceText(faces: FaceFigures): string[] {
  const { heightPx, looks, tracks, usableLooks, usableTracks, flaws } = faces;
  if (heightPx === undefined) return ['faces       none seen'];
  const [p10, median, p90] = [heightPx.p10, heightPx.median, heightPx.p90].map(Math.round);
  const flawed = (Object.entries(flaws) as [FaceFlaw, number][]).filter(([, n]) => n > 0).toSorted((a, b) => b[1] - a[1]);
  return [
    `faces       ${count(looks, 'look')} at ${count(tracks, 'track')}; height ${median} px (10 %: ${p10}, 90 %: ${p90})`,
    ...histogram(faces),
    `usable      ${share(usableLooks, looks)} looks, ${share(usableTracks, tracks)} tracks`,
    ...(flawed.length === 0 ? [] : [`not usable  ${flawed.map(([flaw, n]) => `${n} ${flawWords[flaw]}`).join(', ')}`]),
  ];
}

function detectorText({ detector, engine }: ProbeReport): string[] {
  if (detector === undefined) return ['detector    none'];
  const { model, looks, missed, msPerLook } = detector;
  const time = msPerLook === undefined ? '' : `, ${Math.round(msPerLook)} ms each`;
  const who = engine === 'triton' ? `${model} on Triton` : model;
  if (looks + missed === 0) return [`detector    ${who}, looked at no frame`];
  return [`detector    ${who}, looked at ${looks} of ${count(looks + missed, 'frame')} that were due${time}`];
}

export function probeText(report: ProbeReport): string[] {
  const { stream, faces, verdict } = report;
  const clock = clockText(stream);
  const seen = `${(stream.mediaMs / 1000).toFixed(1)} s of ${stream.live ? 'live ' : ''}video${report.stopped ? ', stopped early' : ''}`;
  return [
    `${report.source}: ${seen}`,
    '',
    `video       ${videoText(stream)}`,
    `key frames  ${keyFrameText(stream)}`,
    `transport   ${transportText(stream)}`,
    ...(clock === undefined ? [] : [`clock       ${clock}`]),
    ...detectorText(report),
    ...(faces === undefined ? [] : faceText(faces)),
    '',
    `verdict     ${verdict.summary}`,
    ...verdict.findings.map(({ severity, text }) => `  ${severity === 'warning' ? '!' : '-'} ${text}`),
    '',
    'For the configuration:',
    '',
    report.yaml,
    ...hints(report),
  ];
}

function hints({ variables, writtenOut }: ProbeReport): string[] {
  return [
    ...(variables.length === 0 ? [] : ['', `Before sightline run: export ${variables.map((name) => `${name}=...`).join(' ')}`]),
    ...(writtenOut
      ? [
          "The address held credentials: they are in your shell's history and were in the process list. Next time write variables, in single quotes.",
        ]
      : []),
  ];
}
