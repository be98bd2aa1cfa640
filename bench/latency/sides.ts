import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'mqtt';
import { alertMessage } from '../../src/outputs/topics.ts';
import { type Broker, startBroker } from '../../test/support/broker.ts';
import { runProgram, startProgram } from '../../test/support/cli.ts';
import { type ClipTruth, readManifest } from '../../test/support/clips.ts';
import { dataPath } from '../../test/support/data.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';
import { until } from '../../test/support/until.ts';

/** One play of a film to one of the two sides, alerts as a subscriber of the same broker receives them. */

export interface SentFrame {
  readonly ptsMs: number;
  /** Wall clock, milliseconds. */
  readonly atMs: number;
}

export interface Heard {
  readonly id: string;
  /** Wall clock of the receipt at the subscriber, milliseconds: mosquitto acknowledges a message as it passes it on. */
  readonly heardMs: number;
  /** The frame whose detection brought the decision, as index into what the camera sent. */
  readonly frame: number;
  /** Milliseconds a stage took, by its name; ours only. */
  readonly stages: Readonly<Record<string, number>>;
}

export interface Play {
  readonly sent: readonly SentFrame[];
  readonly heard: readonly Heard[];
}

const nowMs = () => performance.timeOrigin + performance.now();
const lastWordMs = 1500;

interface FilmCamera {
  readonly url: string;
  /** What was sent, when the film is over. */
  readonly played: Promise<readonly SentFrame[]>;
}

async function startFilm(film: string): Promise<FilmCamera> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'camera.ts'), film], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const url = Promise.withResolvers<string>();
  const played = Promise.withResolvers<readonly SentFrame[]>();
  lines.on('line', (line) => {
    if (line.startsWith('ready ')) url.resolve(line.slice(6));
    else played.resolve(JSON.parse(line));
  });
  child.once('exit', (code) => {
    if (code === 0) return;
    url.reject(new Error(`the camera ended with ${code}`));
    played.reject(new Error(`the camera ended with ${code}`));
  });
  return { url: await url.promise, played: played.promise };
}

interface Message {
  readonly topic: string;
  readonly text: string;
  readonly heardMs: number;
}

async function subscribe(broker: Broker, filter: string): Promise<AsyncDisposable & { readonly messages: readonly Message[] }> {
  const messages: Message[] = [];
  const client = connect({ host: '127.0.0.1', port: broker.port, protocolVersion: 5 });
  client.on('message', (topic, payload) => messages.push({ topic, text: payload.toString('utf8'), heardMs: nowMs() }));
  await new Promise<void>((resolve) => client.once('connect', () => resolve()));
  await client.subscribeAsync(filter, { qos: 1 });
  return { messages, [Symbol.asyncDispose]: () => client.endAsync(true) };
}

function nearest(sent: readonly SentFrame[], distance: (frame: SentFrame) => number): number {
  let found = 0;
  for (const [index, frame] of sent.entries()) {
    const best = sent[found];
    if (best !== undefined && distance(frame) < distance(best)) found = index;
  }
  return found;
}

export interface PlayOptions {
  readonly film: string;
  readonly clip: ClipTruth;
}

export interface OursOptions extends PlayOptions {
  readonly repository: string;
  /** YAML flow style lines for the camera beside its source. */
  readonly camera: string;
  /** Begins once the camera is live, given the port of the RTSP server; disposed before the program ends. */
  readonly beside?: (rtspPort: number) => Disposable;
}

/** The real program with its shipped defaults: daemon, worker, durable store, outbox. */
export async function playOurs({ film, clip, repository, camera: settings, beside }: OursOptions): Promise<Play> {
  await using directory = await temporaryDirectory();
  await using broker = await startBroker();
  await using alerts = await subscribe(broker, 'sightline/v1/alerts/#');
  const camera = await startFilm(film);
  const config = join(directory.path, 'sightline.yaml');
  writeFileSync(
    config,
    [
      'dataDir: data',
      `inference: { repository: ${JSON.stringify(repository)} }`,
      `mqtt: { url: "${broker.url}" }`,
      'http: { enabled: false }',
      'media: { rtsp: { port: 0, open: true } }',
      'lists: { watch: { kind: watch } }',
      `cameras: { clip: { source: ${JSON.stringify(camera.url)}${settings === '' ? '' : `, ${settings}`} } }`,
      '',
    ].join('\n'),
  );
  const photos = join(directory.path, 'photos');
  for (const id of clip.watchlist) {
    mkdirSync(join(photos, id), { recursive: true });
    for (const photo of readManifest().people[id]?.enrol ?? []) symlinkSync(dataPath(photo), join(photos, id, basename(photo)));
  }
  const enrolled = await runProgram(['enroll', '--config', config, '--list', 'watch', photos]);
  if (enrolled.code !== 0) throw new Error(enrolled.stderr + enrolled.stdout);
  let sent: readonly SentFrame[];
  {
    await using running = startProgram(['run', config]);
    const failed = running.finished.then(({ stderr }) => Promise.reject(new Error(`the program ended: ${stderr}`)));
    let watching: Disposable | undefined;
    if (beside !== undefined) {
      const port = await until('the camera is live', () =>
        running.stderr().includes('"camera live"') ? /"rtspPort":(\d+)/.exec(running.stderr())?.[1] : undefined,
      );
      watching = beside(Number(port));
    }
    sent = await Promise.race([camera.played, failed]);
    failed.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, lastWordMs));
    watching?.[Symbol.dispose]();
  }
  const heard = alerts.messages.flatMap(({ text, heardMs }): readonly Heard[] => {
    const alert = alertMessage.parse(JSON.parse(text));
    if (alert.state !== 'opened') return [];
    const frame = nearest(sent, ({ atMs }) => Math.abs(atMs - alert.times.camera));
    const received = alert.stages[0]?.at ?? Number.NaN;
    const stages = Object.fromEntries(alert.stages.slice(1).map(({ stage, tookMs }) => [stage, tookMs]));
    const sentMs = sent[frame]?.atMs ?? Number.NaN;
    const published = alert.stages.at(-1)?.at ?? Number.NaN;
    return [
      {
        id: alert.entry?.name ?? '',
        heardMs,
        frame,
        stages: { received: received - sentMs, ...stages, acknowledged: heardMs - published },
      },
    ];
  });
  return { sent, heard };
}

export interface PeerOptions extends PlayOptions {
  readonly python: string;
  readonly program: string;
}

/** `python_peer.py` as one would run it for one camera. */
export async function playPeer({ film, clip, python, program }: PeerOptions): Promise<Play> {
  await using broker = await startBroker();
  await using alerts = await subscribe(broker, 'peer/alerts/#');
  const camera = await startFilm(film);
  const child = spawn(
    python,
    [
      program,
      ...['--rtsp', camera.url, '--fps', '5', '--embedder', 'mfn112'],
      ...['--models', dataPath('models'), '--gallery', dataPath('photos'), '--enrol-prefix', 'enrol_'],
      ...['--only', clip.watchlist.join(','), '--mqtt', `127.0.0.1:${broker.port}`],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`the peer ended: ${complaints}`)));
  const sent = await Promise.race([camera.played, ended]);
  ended.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, lastWordMs));
  child.kill('SIGKILL');
  await until('the peer is gone', () => child.exitCode !== null || child.signalCode !== null);
  const said = alerts.messages.map(({ text, heardMs }) => ({ heardMs, alert: JSON.parse(text) as PeerAlert }));
  const byStamp = said.map(({ alert }) => nearest(sent, ({ ptsMs }) => Math.abs(ptsMs - alert.pts * 1000)));
  const shift = stampShift(
    sent,
    said.map(({ alert }, index) => ({ frame: byStamp[index] ?? 0, capturedMs: alert.t.captured * 1000 })),
  );
  const heard = said.map(({ heardMs, alert }, index): Heard => {
    return { id: alert.id, heardMs, frame: Math.min(sent.length - 1, (byStamp[index] ?? 0) + shift), stages: {} };
  });
  return { sent, heard };
}

interface PeerAlert {
  readonly id: string;
  /** Seconds since what FFmpeg takes for the first frame. */
  readonly pts: number;
  /** Wall clock, seconds; `captured`: when FFmpeg handed the frame over. */
  readonly t: { readonly captured: number };
}

/**
 * With `nobuffer`, as the peer opens cameras, FFmpeg's time stamps may begin a frame or more after the first one sent. Its parser hands
 * a frame over when the next one comes (reference/video.md), so that what is between a frame's stamp and its hand-over beyond one
 * interval is that error; the least over a play, because a frame may also be late.
 */
function stampShift(
  sent: readonly SentFrame[],
  alerts: readonly { readonly frame: number; readonly capturedMs: number }[],
): number {
  const intervalMs = (sent.at(-1)?.ptsMs ?? 0) / Math.max(1, sent.length - 1);
  const late = alerts.map(({ frame, capturedMs }) => (capturedMs - (sent[frame]?.atMs ?? capturedMs)) / intervalMs);
  return Math.max(0, Math.round(Math.min(...late)) - 1);
}
