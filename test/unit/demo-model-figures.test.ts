import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { shippedRepository } from '../support/repository.ts';

/** What `evaluate_detector.py` writes; widths of faces name the inner keys. */
interface DetectorFigures {
  readonly sha256: string;
  readonly harsh: Bands;
  readonly clean: Bands;
  readonly footage: Readonly<Record<string, { readonly frames: number; readonly fired: number }>>;
  readonly milliseconds: Readonly<Record<string, number>>;
}

type Bands = Readonly<Record<string, { readonly ap: number; readonly landmark_error: number }>>;

/** What `evaluate_embedder.py` writes; conditions name the keys of `strangers`, sizes of batches those of the times. */
interface EmbedderFigures {
  readonly sha256: string;
  readonly milliseconds_per_crop: Readonly<Record<string, number>>;
  readonly strangers: Readonly<Record<string, { readonly eer: number }>>;
  readonly 'enrolled, harsh': Enrolled;
  readonly 'enrolled, mild': Enrolled;
}

/** Shares accepted by threshold; beside them a summary. */
type Enrolled = Readonly<Record<string, { readonly own?: number; readonly others?: number }>>;

const figuresOf = <T>(model: string): T =>
  JSON.parse(readFileSync(join(shippedRepository, model, 'figures.json'), 'utf8')) as T;

const shippedHash = (model: string): string =>
  createHash('sha256')
    .update(readFileSync(join(shippedRepository, model, '1/model.onnx')))
    .digest('hex');

/** The cells of the row of the model card that begins with `first`, without emphasis. */
function row(model: string, first: string): readonly string[] {
  for (const line of readFileSync(join(shippedRepository, model, 'README.md'), 'utf8').split('\n')) {
    const [, label, ...cells] = line.replaceAll('**', '').split('|');
    if (label?.trim() === first) return cells.slice(0, -1).map((cell) => cell.trim());
  }
  return assert.fail(`the model card of ${model} has no row ${first}`);
}

/** A figure that was not measured is outside every limit. */
const measured = (value: number | undefined): number => value ?? Number.NaN;
const percent = (share: number | undefined, digits: number): string => `${(100 * measured(share)).toFixed(digits)} %`;

/** How good the committed networks are is measured where they are trained; here their figures are held against what the demo needs. */
describe('figures of the detector of the demo', () => {
  const figures = figuresOf<DetectorFigures>('demo_face');

  it('were measured on the file that is shipped', () => {
    assert.equal(figures.sha256, shippedHash('demo_face'), 'measure it: tools/demo-models/evaluate_detector.py');
  });

  it('are good enough: faces from 32 pixels found and measured in harsh pictures, no face in an empty car park', () => {
    const harsh = figures.harsh['32 and more'];
    assert.ok(measured(harsh?.ap) >= 0.97, `AP ${harsh?.ap}`);
    assert.ok(measured(harsh?.landmark_error) <= 0.07, `landmark error ${harsh?.landmark_error}`);
    const park = figures.footage['neg_carpark'];
    assert.ok(measured(park?.frames) > 0);
    assert.equal(park?.fired, 0);
  });

  it("are at most three tenths of the time of the test data's CenterFace", () => {
    const { demo_face: own, centerface: theirs } = figures.milliseconds;
    assert.ok(measured(own) / measured(theirs) <= 0.3, `${own} ms and ${theirs} ms`);
  });

  it('are those of the model card', () => {
    for (const conditions of ['harsh', 'clean'] as const)
      for (const [band, { ap, landmark_error: error }] of Object.entries(figures[conditions])) {
        const cells = row('demo_face', `${conditions}, ${band} px`);
        assert.equal(cells[1], ap.toFixed(3), `AP, ${conditions}, ${band}`);
        assert.equal(cells[5]?.split(',')[0], percent(error, 1), `landmark error, ${conditions}, ${band}`);
      }
  });
});

describe('figures of the embedder of the demo', () => {
  const figures = figuresOf<EmbedderFigures>('demo_embed');

  it('were measured on the file that is shipped', () => {
    assert.equal(figures.sha256, shippedHash('demo_embed'), 'measure it: tools/demo-models/evaluate_embedder.py');
  });

  it('are good enough: few taken for others in harsh pictures, at most a millisecond for each', () => {
    const harsh = figures.strangers['26-170 px, harsh'];
    assert.ok(measured(harsh?.eer) <= 0.03, `EER ${harsh?.eer}`);
    assert.ok(measured(figures.milliseconds_per_crop['1']) <= 1, `${figures.milliseconds_per_crop['1']} ms`);
  });

  it('are those of the model card', () => {
    for (const [conditions, { eer }] of Object.entries(figures.strangers))
      assert.equal(row('demo_embed', conditions)[0], percent(eer, 1), conditions);
    for (const [suffix, threshold] of [
      [' keeps', '0.45'],
      [' opens', '0.50'],
    ] as const) {
      const [harsh, mild] = [figures['enrolled, harsh'][threshold], figures['enrolled, mild'][threshold]];
      const shares = [harsh?.own, mild?.own, harsh?.others, mild?.others].map((share) => percent(share, 2));
      assert.deepEqual(row('demo_embed', threshold + suffix), shares);
    }
  });
});
