import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbedded } from '../src/inference/embedded.ts';
import { startImageDecoding } from '../src/models/image.ts';
import { createEmbedder } from '../src/models/kinds.ts';
import { hasMosquitto } from '../test/support/broker.ts';
import { testContext } from '../test/support/context.ts';
import { missingData, missingTool } from '../test/support/data.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels, realRepository } from '../test/support/repository.ts';
import { publishFigures, publishJson } from './publish/publish.ts';
import { bodyModels, measureBodies } from './recognition/bodies.ts';
import { faceModels, measureFaces } from './recognition/faces.ts';
import {
  bodyFigures,
  type CalibrationScores,
  calibrationScores,
  compact,
  type Figures,
  faceFigures,
  foundOf,
  type ModelFigures,
  type ModelScores,
} from './recognition/figures.ts';
import type { Bench } from './recognition/looks.ts';
import { drawCurves } from './recognition/picture.ts';
import { docsText, tablesOf, textTable } from './recognition/report.ts';
import { allClips, measureScenes, type Scenario, scenarios } from './recognition/scenes.ts';
import { known } from './support/known.ts';
import { machine, progress } from './support/table.ts';

const usage = `usage: node bench/recognition.ts [--clips NAME,…] [--scenes A,…] [--parts scenes,faces,bodies] [--quick] [--publish]

How well people are recognised: alerts of the whole program on clips with ground truth, error rates of photos, faces and bodies at every
threshold. Prints tables, writes bench/results/recognition.json and recognition.svg.

  --clips    for scenes and faces, of ${allClips.join(', ')} (default: all)
  --scenes   ${Object.entries(scenarios)
    .map(([name, what]) => `${name} ${what}`)
    .join('; ')} (default: all)
  --parts    what to measure (default: all)
  --quick    only scenario A, no faces scaled down
  --publish  also write what the docs quote and what tools/calibrate.ts reads: bench/recognition.last.json, bench/recognition.scores.json,
             docs/recognition.svg and the tables of docs/models.md; needs a complete run`;

const { values } = parseArgs({
  options: {
    clips: { type: 'string', default: allClips.join(',') },
    scenes: { type: 'string' },
    parts: { type: 'string', default: 'scenes,faces,bodies' },
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

const root = join(import.meta.dirname, '..');

function listed(text: string, allowed: readonly string[], what: string): readonly string[] {
  const names = text.split(',').filter((name) => name !== '');
  return known(names, allowed, what);
}

const parts = ['scenes', 'faces', 'bodies'];
const chosen = {
  clips: listed(values.clips, allClips, 'clip'),
  scenes: listed(values.scenes ?? (values.quick ? 'A' : Object.keys(scenarios).join(',')), Object.keys(scenarios), 'scenario'),
  parts: listed(values.parts, parts, 'part'),
};
const complete =
  !values.quick &&
  chosen.clips.length === allClips.length &&
  chosen.scenes.length === Object.keys(scenarios).length &&
  chosen.parts.length === parts.length;

async function measure(): Promise<{ readonly figures: Figures; readonly scores: CalibrationScores }> {
  using ctx = testContext();
  await using repository = await realRepository();
  await using engine = await startEmbedded({ repository: repository.directory, threads: 1 }, ctx);
  const bench: Bench = { engine, repository: repository.directory, ctx, progress };
  const threshold = async (model: string) => createEmbedder(await engine.describe(model), engine.infer).thresholds.open;
  const date = new Date().toISOString().slice(0, 10);
  const models: ModelFigures[] = [];
  const scores: ModelScores[] = [];

  const faces = chosen.parts.includes('faces')
    ? await measureFaces(bench, { clips: chosen.clips, scaled: !values.quick })
    : undefined;
  if (faces !== undefined) {
    for (const model of faceModels) {
      models.push(faceFigures(faces, model, await threshold(model)));
      scores.push(calibrationScores(faces.looks, faces.references, model, 'face'));
    }
  }
  const bodies = chosen.parts.includes('bodies') ? await measureBodies(bench) : undefined;
  if (bodies !== undefined) {
    for (const model of bodyModels) {
      models.push(bodyFigures(bodies, model, await threshold(model)));
      scores.push(calibrationScores(bodies.looks, bodies.references, model, 'appearance'));
    }
  }
  const scenes = chosen.parts.includes('scenes')
    ? await measureScenes({ scenarios: chosen.scenes as readonly Scenario[], clips: chosen.clips, progress })
    : [];
  const filmed = faces?.found.filter(({ source }) => source === 'clip') ?? [];
  const figures: Figures = {
    date,
    machine: machine(),
    scenes,
    models,
    found: faces === undefined ? [] : foundOf(faces.found),
    extraFaces: filmed.reduce((sum, { extra }) => sum + extra, 0),
    unusableBodies: bodies?.unusable ?? 0,
  };
  return { figures, scores: { date, models: scores } };
}

function publish(figures: Figures, scores: CalibrationScores, picture: string): void {
  const quoted = compact(figures);
  publishFigures('recognition', quoted);
  publishJson('bench/recognition.scores.json', scores);
  writeFileSync(join(root, 'docs/recognition.svg'), picture);
  const page = join(root, 'docs/models.md');
  writeFileSync(page, docsText(readFileSync(page, 'utf8'), quoted));
  progress('wrote bench/recognition.last.json, bench/recognition.scores.json, docs/recognition.svg and docs/models.md');
}

if (values.help) console.log(usage);
else {
  const missing =
    missingData('clips/synth_shots_a.mp4') ||
    missingModels('centerface', 'yolox_nano', ...faceModels, ...bodyModels) ||
    missingTool(hasMosquitto, 'mosquitto') ||
    missingTool(installedProgram('ffmpeg'), 'ffmpeg');
  if (missing !== false) {
    console.log(`recognition is not measured: ${missing}`);
  } else if (values.publish && !complete) {
    throw new Error('--publish needs a complete run: without --quick, --clips, --scenes and --parts');
  } else {
    startImageDecoding();
    const { figures, scores } = await measure();
    const picture = drawCurves(figures.models);
    const results = join(root, 'bench/results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'recognition.json'), `${JSON.stringify({ figures, scores })}\n`);
    writeFileSync(join(results, 'recognition.svg'), picture);
    console.log(`${figures.date}, ${figures.machine}\n`);
    for (const table of tablesOf(compact(figures))) console.log(textTable(table));
    if (values.publish) publish(figures, scores, picture);
  }
}
