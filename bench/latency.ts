import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbedded } from '../src/inference/embedded.ts';
import { decodeImage, startImageDecoding } from '../src/models/image.ts';
import { createDetector } from '../src/models/kinds.ts';
import { hasMosquitto } from '../test/support/broker.ts';
import { type ClipTruth, listedVisits, readClip, type Visit } from '../test/support/clips.ts';
import { testContext } from '../test/support/context.ts';
import { missingData, missingTool } from '../test/support/data.ts';
import { temporaryDirectory } from '../test/support/directory.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels, realRepository } from '../test/support/repository.ts';
import { missingRtspPatterns } from '../test/support/rtsp-patterns.ts';
import { type Arrivals, measureArrivals, type PatternKind, patternKinds } from './latency/arrival.ts';
import { type Play, playOurs, playPeer } from './latency/sides.ts';
import { publishFigures } from './publish/publish.ts';
import { known } from './support/known.ts';
import { missingPeer, peerPython } from './support/peer.ts';
import { quantile } from './support/quantile.ts';
import { machine } from './support/table.ts';

const clipNames = ['real_headpose_m', 'real_tilt_m', 'synth_crowd_a', 'synth_shots_a'];
const usage = `usage: node bench/latency.ts [--clips NAME,…] [--rounds N] [--from N] [--sides ours,peer] [--parts alerts,arrival] [--camera SETTINGS]
       [--publish]

From the first visible frame, and from the deciding frame, to the alert at the broker: the program and the Python peer, one after the
other, each with the same film over RTSP in real time. Prints tables, writes bench/results/latency.json.

  --clips    of ${clipNames.join(', ')} (default: all)
  --rounds   plays of each film to each side; each begins a frame later, so that the frames that are looked at
             meet a visit at every phase (default: 3)
  --from     number of the first round, to measure them apart (default: 0)
  --sides    who is measured (default: both)
  --parts    alerts: the above; arrival: frames of H.264 and H.265 from capture to the decoder (default: both)
  --camera   our camera's settings beside its source, as YAML in flow style, for trials (default: none, what is shipped)
  --publish  also write bench/latency.last.json, what the docs quote; needs a complete run of what is shipped

The peer's Python, with the packages of ../shared/peer/requirements.txt, is SIGHTLINE_PEER_PYTHON, else made in .cache/peer.`;

const { values } = parseArgs({
  options: {
    clips: { type: 'string', default: clipNames.join(',') },
    rounds: { type: 'string', default: '3' },
    from: { type: 'string', default: '0' },
    sides: { type: 'string', default: 'ours,peer' },
    parts: { type: 'string', default: 'alerts,arrival' },
    camera: { type: 'string', default: '' },
    publish: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

type Side = 'ours' | 'peer';
const peerProgram = resolve(import.meta.dirname, '../../shared/peer/python_peer.py');
/** Nothing in view before each film, so that nobody is there when the source is opened. */
const leadS = 3;
/** The ground truth begins a visit where most of a face is visible; half a second before, some of it is. */
const earlyS = 0.5;
const detectorRuns = 30;

interface Hit {
  readonly id: string;
  readonly firstMs: number;
  readonly decidingMs: number;
  readonly stages: Readonly<Record<string, number>>;
}

interface Outcome {
  readonly side: Side;
  readonly clip: string;
  readonly round: number;
  readonly visits: number;
  readonly hits: readonly Hit[];
  /** Alerts that are no visit's first. */
  readonly others: number;
}

function listed<T extends string>(text: string, allowed: readonly T[], what: string): readonly T[] {
  const names = known(text.split(','), allowed, what);
  return allowed.filter((item) => names.includes(item));
}

interface Spread {
  readonly count: number;
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

function spread(values: readonly number[]): Spread {
  const at = (share: number) => Math.round(10 * quantile(values, share)) / 10;
  return { count: values.length, median: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

function cells({ count, median, p90, p99, max }: Spread, digits: number): readonly string[] {
  return [median, p90, p99, max].map((value) => (count === 0 ? '–' : value.toFixed(digits)));
}

function makeFilm(clip: ClipTruth, leadFrames: number, folder: string): string {
  const film = join(folder, `${clip.name}-${leadFrames}.mp4`);
  if (existsSync(film)) return film;
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-y', '-i', clip.path, '-an', '-vf', `tpad=start=${leadFrames}:color=gray`],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '16', '-profile:v', 'main', '-bf', '0', '-g', '30'],
    ...['-pix_fmt', 'yuv420p', film],
  ]);
  return film;
}

function judge(play: Play, clip: ClipTruth, leadFrames: number): { readonly hits: readonly Hit[]; readonly others: number } {
  const hits: Hit[] = [];
  const at = (frame: number) => play.sent[Math.min(play.sent.length - 1, frame + leadFrames)]?.atMs ?? Number.NaN;
  for (const visit of listedVisits(clip)) {
    const own = play.heard.find((alert) => alert.id === visit.id && isDuring(visit, alert.frame - leadFrames, clip.fps));
    const sentMs = own === undefined ? undefined : play.sent[own.frame]?.atMs;
    if (own === undefined || sentMs === undefined) continue;
    hits.push({
      id: visit.id,
      firstMs: own.heardMs - at(visit.from),
      decidingMs: own.heardMs - sentMs,
      stages: own.stages,
    });
  }
  return { hits, others: play.heard.length - hits.length };
}

function isDuring(visit: Visit, frame: number, fps: number): boolean {
  return frame >= visit.from - earlyS * fps && frame <= visit.to;
}

function table(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [columns, ...rows];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  return [title, ...all.map(line), ''].join('\n');
}

interface SideFigures {
  readonly clip: string;
  readonly side: Side;
  readonly visits: number;
  readonly others: number;
  readonly first: Spread;
  readonly deciding: Spread;
}

function sideFigures(outcomes: readonly Outcome[]): readonly SideFigures[] {
  const sides = [...new Set(outcomes.map(({ side }) => side))];
  const clips = [...new Set(outcomes.map(({ clip }) => clip)), 'all'];
  return clips.flatMap((clip) =>
    sides.map((side) => {
      const own = outcomes.filter((item) => item.side === side && (clip === 'all' || item.clip === clip));
      const hits = own.flatMap((item) => item.hits);
      return {
        clip,
        side,
        visits: own.reduce((sum, item) => sum + item.visits, 0),
        others: own.reduce((sum, item) => sum + item.others, 0),
        first: spread(hits.map(({ firstMs }) => firstMs)),
        deciding: spread(hits.map(({ decidingMs }) => decidingMs)),
      };
    }),
  );
}

function stageFigures(outcomes: readonly Outcome[]): Readonly<Record<string, Spread>> {
  const hits = outcomes.filter(({ side }) => side === 'ours').flatMap((item) => item.hits);
  const names = [...new Set(hits.flatMap(({ stages }) => Object.keys(stages)))];
  return Object.fromEntries(names.map((name) => [name, spread(hits.flatMap(({ stages }) => stages[name] ?? []))]));
}

const spreadColumns = ['median', 'p90', 'p99', 'max'] as const;

function alertTable(figures: readonly SideFigures[], which: 'first' | 'deciding', title: string): string {
  const rows = figures.map((item) => [
    `${item.clip} ${item.side}`,
    `${item[which].count}/${item.visits}`,
    String(item.others),
    ...cells(item[which], 0),
  ]);
  return table(title, ['clip, side', 'visits', 'others', ...spreadColumns], rows);
}

function stageTable(stages: Readonly<Record<string, Spread>>): string {
  const rows = Object.entries(stages).map(([name, values]) => [name, ...cells(values, 1)]);
  return table('ours by stage, ms to the end of each', ['stage', ...spreadColumns], rows);
}

/** CenterFace alone on a frame of the clip, scaling and boxes included, as the worker runs it: one thread, nothing beside it. */
async function bareDetector(repository: string, clip: ClipTruth): Promise<number> {
  using ctx = testContext();
  await using engine = await startEmbedded({ repository, threads: 1 }, ctx);
  const detector = createDetector(await engine.describe('centerface'), engine.infer);
  const png = execFileSync(
    'ffmpeg',
    ['-v', 'error', '-i', clip.path, '-frames:v', '1', '-f', 'image2pipe', '-c:v', 'png', '-'],
    {
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  const image = await decodeImage(png);
  const content = detector.contentSize(image);
  const scaled = { width: content.width, height: content.height, data: new Uint8Array(3 * content.width * content.height) };
  const times: number[] = [];
  for (let run = 0; run < detectorRuns; run += 1) {
    const begin = performance.now();
    await detector.detect(scaled, image, { signal: ctx.signal, deadlineMs: ctx.clock.mono() + 60_000, stream: 'bench' });
    times.push(performance.now() - begin);
  }
  return quantile(times, 0.5);
}

async function measureAlerts(clips: readonly string[], sides: readonly Side[], from: number, rounds: number) {
  await using folder = await temporaryDirectory();
  await using repository = await realRepository();
  const python = sides.includes('peer') ? await peerPython() : '';
  const outcomes: Outcome[] = [];
  for (let round = from; round < from + rounds; round += 1) {
    for (const clip of clips.map((name) => readClip(name))) {
      // Another phase of the frames that are looked at in every round.
      const leadFrames = Math.round(leadS * clip.fps) + round;
      const film = makeFilm(clip, leadFrames, folder.path);
      for (const side of sides) {
        const play =
          side === 'ours'
            ? await playOurs({ film, clip, repository: repository.directory, camera: values.camera })
            : await playPeer({ film, clip, python, program: peerProgram });
        const outcome = { side, clip: clip.name, round, visits: listedVisits(clip).length, ...judge(play, clip, leadFrames) };
        outcomes.push(outcome);
        process.stderr.write(
          `${clip.name} ${side}: ${outcome.hits.map(({ id, firstMs, decidingMs }) => `${id} ${firstMs.toFixed(0)}/${decidingMs.toFixed(0)}`).join(' ')}\n`,
        );
      }
    }
  }
  return { outcomes, detectorMs: await bareDetector(repository.directory, readClip(clips[0] ?? '')) };
}

interface ArrivalFigures {
  readonly kind: PatternKind;
  readonly arrived: Spread;
  readonly decoded: Spread;
}

function arrivalTable(arrivals: readonly ArrivalFigures[]): string {
  return table(
    'capture → last packet in the worker → frame out of the decoder, ms (encoding is part of the first; frames are 67 ms apart)',
    ['camera', ...spreadColumns.map((name) => `arrived ${name}`), ...spreadColumns.map((name) => `decoded ${name}`)],
    arrivals.map(({ kind, arrived, decoded }) => [patternKinds[kind], ...cells(arrived, 1), ...cells(decoded, 1)]),
  );
}

if (values.help) console.log(usage);
else {
  const clips = listed(values.clips, clipNames, 'clip');
  const sides = listed(values.sides, ['ours', 'peer'] as const, 'side');
  const parts = listed(values.parts, ['alerts', 'arrival'] as const, 'part');
  const missing =
    missingData('clips/synth_shots_a.mp4') ||
    missingModels('centerface', 'face_embed') ||
    missingTool(hasMosquitto, 'mosquitto') ||
    missingTool(installedProgram('ffmpeg'), 'ffmpeg') ||
    (parts.includes('arrival') && missingRtspPatterns()) ||
    (parts.includes('alerts') && sides.includes('peer') && missingPeer());
  const complete =
    clips.length === clipNames.length &&
    sides.length === 2 &&
    parts.length === 2 &&
    values.camera === '' &&
    values.from === '0' &&
    Number(values.rounds) >= 3;
  if (missing !== false) {
    console.log(`latency is not measured: ${missing}`);
  } else if (values.publish && !complete) {
    throw new Error(
      '--publish needs a complete run: without --clips, --sides, --parts, --from and --camera, of 3 rounds or more',
    );
  } else {
    startImageDecoding();
    const date = new Date().toISOString().slice(0, 10);
    const ranOn = machine();
    const alerts = parts.includes('alerts')
      ? await measureAlerts(clips, sides, Number(values.from), Number(values.rounds))
      : undefined;
    const arrivals: Arrivals[] = [];
    if (parts.includes('arrival')) {
      for (const kind of Object.keys(patternKinds) as readonly PatternKind[]) arrivals.push(await measureArrivals(kind));
    }
    const figures = {
      date,
      machine: ranOn,
      alerts: alerts === undefined ? [] : sideFigures(alerts.outcomes),
      stages: alerts === undefined ? {} : stageFigures(alerts.outcomes),
      detectorMs: alerts?.detectorMs,
      arrivals: arrivals.map(({ kind, arrivedMs, decodedMs }) => ({
        kind,
        arrived: spread(arrivedMs),
        decoded: spread(decodedMs),
      })),
    };
    const results = join(import.meta.dirname, 'results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'latency.json'), `${JSON.stringify({ figures, alerts, arrivals })}\n`);
    console.log(`${date}, ${ranOn}\n`);
    if (alerts !== undefined) {
      console.log(alertTable(figures.alerts, 'first', 'first visible frame → alert at the broker, ms'));
      console.log(alertTable(figures.alerts, 'deciding', 'deciding frame → alert at the broker, ms'));
      if (sides.includes('ours')) console.log(stageTable(figures.stages));
      console.log(`bare detector, median of ${detectorRuns}: ${alerts.detectorMs.toFixed(1)} ms\n`);
    }
    if (arrivals.length > 0) console.log(arrivalTable(figures.arrivals));
    if (values.publish) publishFigures('latency', figures);
  }
}
