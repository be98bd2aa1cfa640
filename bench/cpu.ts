import { parseArgs } from 'node:util';
import type { FivePoints } from '../src/core/types.ts';
import { startEmbedded } from '../src/inference/embedded.ts';
import { createDetector, createEmbedder } from '../src/models/kinds.ts';
import { hasMosquitto, startBroker } from '../test/support/broker.ts';
import { testContext } from '../test/support/context.ts';
import { missingTool } from '../test/support/data.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels, realRepository } from '../test/support/repository.ts';
import { decodeMs } from './support/decode.ts';
import { known } from './support/known.ts';
import { film720, type SceneName, scenes } from './support/media.ts';
import { type PathRun, runPath } from './support/path.ts';
import { missingPeer } from './support/peer.ts';
import { type PeerRun, runPeer } from './support/python.ts';
import { quantile } from './support/quantile.ts';
import { progress, publish } from './support/table.ts';

const names = Object.keys(scenes) as SceneName[];
const usage = `usage: node bench/cpu.ts [--scenes ${names.join(',')}] [--seconds 60] [--rounds 3]

Processor time of the whole path, from a 720p25 camera's film to the broker, at 5 looks a second: the program and the Python peer, one
after the other, the same film, the same CenterFace, everybody enrolled. Start-up is not counted on either side. Prints a table,
writes bench/results/cpu.json.

${names.map((name) => `  ${name.padEnd(8)} ${scenes[name].what}`).join('\n')}`;

const { values } = parseArgs({
  options: {
    scenes: { type: 'string', default: names.join(',') },
    seconds: { type: 'string', default: '60' },
    rounds: { type: 'string', default: '3' },
    help: { type: 'boolean' },
  },
});

const detector = 'centerface';
const embedder = 'face_embed';

interface Alone {
  /** ms: a frame, a look, a face. */
  readonly decode: number;
  readonly detect: number;
  readonly embed: number;
}

/** Eyes, nose, corners of the mouth where face embedders want them in a picture of 112 x 112. */
const upright: FivePoints = [
  { x: 38, y: 52 },
  { x: 74, y: 52 },
  { x: 56, y: 72 },
  { x: 42, y: 92 },
  { x: 71, y: 92 },
];

/** Processor time of one run of each network alone, in ms: median of 25. */
async function networksMs(): Promise<{ readonly detect: number; readonly embed: number }> {
  using ctx = testContext();
  await using repository = await realRepository();
  await using engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
  const alone: Record<string, number[]> = { [detector]: [], [embedder]: [] };
  const timed: typeof engine.infer = async (model, inputs, options) => {
    const begun = process.cpuUsage();
    const result = await engine.infer(model, inputs, options);
    const { user, system } = process.cpuUsage(begun);
    alone[model]?.push((user + system) / 1000);
    return result;
  };
  const faces = createDetector(await engine.describe(detector), timed);
  const embedding = createEmbedder(await engine.describe(embedder), timed);
  const options = { signal: ctx.signal, deadlineMs: Number.POSITIVE_INFINITY, stream: 'bench' };
  const grey = (width: number, height: number) => ({ width, height, data: new Uint8Array(3 * width * height).fill(127) });
  const film = { width: 1280, height: 720 };
  const content = faces.contentSize(film);
  const face = { image: grey(112, 112), box: { left: 28, top: 28, width: 56, height: 76 }, landmarks: upright };
  for (let run = 0; run < 25; run += 1) {
    await faces.detect(grey(content.width, content.height), film, options);
    await embedding.embed([face], options);
  }
  return { detect: quantile(alone[detector] ?? [], 0.5), embed: quantile(alone[embedder] ?? [], 0.5) };
}

interface SceneFigures {
  readonly scene: SceneName;
  readonly ours: readonly PathRun[];
  readonly peer: readonly PeerRun[];
}

const fixed = (value: number, digits: number) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
const median = (values: readonly number[]) => quantile(values, 0.5);

function judge({ scene, ours, peer }: SceneFigures, seconds: number, alone: Alone) {
  const total = ({ daemonS, workersS }: PathRun) => daemonS + workersS;
  const ourMs = median(ours.map((run) => (1000 * total(run)) / run.looked));
  const peerMs = median(peer.map((run) => (1000 * run.cpu_s) / run.frames));
  const ourS = median(ours.map((run) => total(run) / seconds));
  const peerS = median(peer.map((run) => run.cpu_s / seconds));
  const restMs = median(
    ours.map((run) => {
      const accounted = run.decoded * alone.decode + run.looked * alone.detect + run.embedded * alone.embed;
      return (1000 * total(run) - accounted) / run.looked;
    }),
  );
  const row = [
    scene,
    `${fixed(ourS, 3)} / ${fixed(peerS, 3)}`,
    fixed(ourS / peerS, 2),
    `${fixed(ourMs, 1)} / ${fixed(peerMs, 1)}`,
    fixed(ourMs / peerMs, 2),
    fixed(restMs, 1),
    `${median(ours.map(({ looked }) => looked))} / ${median(peer.map(({ frames }) => frames))}`,
    `${median(ours.map(({ alerts }) => alerts))} / ${median(peer.map(({ alerts }) => alerts))}`,
  ];
  return { row, figures: { scene, ourMs, peerMs, ourS, peerS, restMs, ours, peer } };
}

if (values.help) console.log(usage);
else {
  const missing =
    missingModels(detector, embedder) ||
    missingTool(hasMosquitto, 'mosquitto') ||
    missingTool(installedProgram('ffmpeg'), 'ffmpeg');
  const withoutPeer = missingPeer();
  if (missing !== false || withoutPeer !== false) console.log(`processor time is not measured: ${missing || withoutPeer}`);
  else {
    const chosen = known(values.scenes.split(','), names, 'scene');
    const seconds = Number(values.seconds);
    const films = new Map<SceneName, string>();
    for (const scene of chosen) films.set(scene, await film720(scene, seconds));
    progress('networks and decoder alone');
    const alone = { ...(await networksMs()), decode: await decodeMs(films.values().next().value ?? '') };
    const measured = chosen.map((scene) => ({ scene, ours: [] as PathRun[], peer: [] as PeerRun[] }));
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const { scene, ours, peer } of measured) {
        const film = films.get(scene) ?? '';
        ours.push(await runPath(film, { detector, embedder }));
        progress(`round ${round + 1}, ${scene}: ours`);
        await using broker = await startBroker();
        peer.push(await runPeer(['--file', film, '--max-speed'], `127.0.0.1:${broker.port}`));
        progress(`round ${round + 1}, ${scene}: peer`);
      }
    }
    const judged = measured.map((figures) => judge(figures, seconds, alone));
    publish({
      name: 'cpu',
      title: `Processor time, ours / peer, medians of ${values.rounds} runs`,
      columns: [
        'scene',
        'CPU s a stream second',
        'ratio',
        'ms a look',
        'ratio',
        'ours without decoder and networks',
        'looks',
        'alerts',
      ],
      rows: judged.map(({ row }) => row),
      notes: [
        `alone: decoder ${fixed(alone.decode, 2)} ms a frame, ${detector} ${fixed(alone.detect, 1)} ms, ${embedder} ${fixed(alone.embed, 2)} ms a face`,
      ],
      figures: { seconds, alone, scenes: judged.map(({ figures }) => figures) },
    });
  }
}
