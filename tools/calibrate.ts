import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { calibrationScores, deriveThresholds, statedThresholds, withThresholds } from './calibration.ts';

/**
 * Computes the default thresholds of every measured embedder from `bench/recognition.scores.json` by the rule in `calibration.ts` and
 * shows them beside those in force.
 */
const usage = `usage: node tools/calibrate.ts [--write]

  --write   put them into model_repository/*/config.pbtxt`;

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { write: { type: 'boolean' }, help: { type: 'boolean' } } });

if (values.help) console.log(usage);
else {
  const scores = calibrationScores.parse(JSON.parse(readFileSync(join(root, 'bench/recognition.scores.json'), 'utf8')));
  for (const measured of scores.models) {
    const file = join(root, 'model_repository', measured.model, 'config.pbtxt');
    const text = readFileSync(file, 'utf8');
    const [derived, stated] = [deriveThresholds(measured), statedThresholds(text)];
    const changed = withThresholds(text, derived);
    const show = (thresholds: typeof derived) =>
      `open ${thresholds.open.toFixed(2)}  keep ${thresholds.keep.toFixed(2)}  margin ${thresholds.margin.toFixed(2)}`;
    console.log(`${measured.model.padEnd(18)} ${show(derived)}   ${changed === text ? 'in force' : `stated: ${show(stated)}`}`);
    if (values.write && changed !== text) {
      writeFileSync(file, changed);
      console.log(`wrote ${file}`);
    }
  }
}
