import { type Figures, type ModelFigures, quotedThresholds } from './figures.ts';
import { type Scenario, type SceneFigures, scenarios } from './scenes.ts';
import type { Rates, Share } from './scores.ts';
import { type Interval, median, shareInterval, upperRate, upperShare } from './statistics.ts';

/** Figures as tables, for the terminal and for the docs. */

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

/** Share as per cent, two digits that say something. */
function percent(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const shown = 100 * value;
  if (shown === 0) return '0';
  if (shown >= 10) return shown.toFixed(0);
  return shown >= 1 ? shown.toFixed(1) : shown.toFixed(Math.min(4, 1 - Math.floor(Math.log10(shown))));
}

function range({ low, high }: Interval): string {
  return `${percent(low)} to ${percent(high)}`;
}

/** Never nought: where nothing was counted, the bound. */
function shareText({ count, of, share, pairs95 }: Share): string {
  if (of === 0) return '–';
  if (count === 0) return `≤ ${percent(pairs95.high)} % (none of ${of})`;
  return `${percent(share)} % (${range(pairs95)}; ${count} of ${of})`;
}

function peopleText(counted: Share): string {
  return counted.people95 === undefined ? 'cannot tell' : `${range(counted.people95)} %`;
}

function seconds(value: number): string {
  return value.toFixed(2);
}

const timeColumns = ['first visible frame → alert, s: median / largest', 'of it media time'] as const;
const timeNote =
  'Times: the deciding frame in media time, plus what detecting, deciding and publishing took after that frame had arrived; files at full speed, so that frames wait for each other.';

function times(scenes: readonly SceneFigures[]): readonly string[] {
  const hits = scenes.flatMap(({ toAlert }) => toAlert);
  const shown = (values: readonly number[]) =>
    values.length === 0 ? '–' : `${seconds(median(values))} / ${seconds(Math.max(...values))}`;
  return [shown(hits.map(({ mediaS, latencyS }) => mediaS + latencyS)), shown(hits.map(({ mediaS }) => mediaS))];
}

function alertTable(scenes: readonly SceneFigures[]): Table {
  return {
    title: 'Alerts by clip, shipped defaults',
    columns: ['scenario', 'clip', 'visits', 'alerts', 'missed', 'false', ...timeColumns],
    rows: scenes.map((scene) => {
      const { scenario, clip, visits, alerts, missed, false: wrong } = scene;
      return [scenario, clip, ...[visits, alerts, missed, wrong].map(String), ...times([scene])];
    }),
    notes: [...Object.entries(scenarios).map(([scenario, what]) => `${scenario}: ${what}.`), timeNote],
  };
}

const secondsOfDay = 86_400;

interface Exposure {
  readonly name: string;
  readonly what: string;
  readonly scenes: readonly SceneFigures[];
}

function exposures(scenes: readonly SceneFigures[]): readonly Exposure[] {
  const of = (...wanted: readonly Scenario[]) => scenes.filter(({ scenario }) => wanted.includes(scenario));
  const each = (Object.keys(scenarios) as Scenario[]).map((name) => ({ name, what: scenarios[name], scenes: of(name) }));
  return [...each, { name: 'C and E', what: 'each clip once, nobody listed in view', scenes: of('C', 'E') }].filter(
    (exposure) => exposure.scenes.length > 0,
  );
}

function missedText(missed: number, visits: number): string {
  if (visits === 0) return '–';
  return missed === 0
    ? `none seen (≤ ${percent(upperShare(0, visits))} %)`
    : `${missed} (${range(shareInterval(missed, visits))} %)`;
}

function scenarioTable(scenes: readonly SceneFigures[]): Table {
  return {
    title: 'Alerts by scenario, and false alerts per camera-day that this footage allows',
    columns: [
      'scenario',
      'listed visits',
      'alerted',
      'missed',
      ...timeColumns,
      'footage with nobody listed in view',
      'false alerts',
      'upper 95 % bound per camera-day',
    ],
    rows: exposures(scenes).map(({ name, what, scenes: own }) => {
      const sum = (value: (scene: SceneFigures) => number) => own.reduce((total, scene) => total + value(scene), 0);
      const footageS = sum(({ unlistedS }) => unlistedS);
      const wrong = sum((scene) => scene.false);
      const days = footageS / secondsOfDay;
      const hits = own.flatMap(({ toAlert }) => toAlert).length;
      return [
        `${name}: ${what}`,
        String(sum(({ visits }) => visits)),
        String(hits),
        missedText(
          sum(({ missed }) => missed),
          sum(({ visits }) => visits),
        ),
        ...times(own),
        `${footageS.toFixed(0)} s (${days.toPrecision(2)} days)`,
        wrong === 0 ? 'none seen' : String(wrong),
        `≤ ${Number(upperRate(wrong, days).toPrecision(2)).toLocaleString('en').replaceAll(',', ' ')}`,
      ];
    }),
    notes: [
      'The footage is far too little for the last column: it says how little it is, not how often alerts are false.',
      timeNote,
    ],
  };
}

function materialName({ model }: ModelFigures, { material }: { readonly material: string }): string {
  return `\`${model}\`, ${material}`;
}

function eachMaterial<T>(
  models: readonly ModelFigures[],
  row: (model: ModelFigures, material: { readonly material: string } & Rates) => T,
): T[] {
  return models.flatMap((model) => model.materials.map((material) => row(model, material)));
}

function errorText({ share, threshold, people95 }: Rates['eer']): string {
  if (share === 0) return `none seen from ${threshold.toFixed(2)}`;
  return `${percent(share)} % at ${threshold.toFixed(2)} (${range(people95)} %)`;
}

function scoreTable(models: readonly ModelFigures[], what: string): Table {
  return {
    title: `Scores of ${what}`,
    columns: [
      'embedder, material',
      'people',
      'genuine pairs',
      'impostor pairs (of people)',
      'lowest genuine',
      'highest impostor',
      'equal error rate (people 95 %)',
    ],
    rows: eachMaterial(models, (model, material) => [
      materialName(model, material),
      String(material.people),
      String(material.genuine),
      `${material.impostor} (${material.peoplePairs})`,
      material.lowestGenuine.toFixed(2),
      material.highestImpostor.toFixed(2),
      errorText(material.eer),
    ]),
    notes: [],
  };
}

function shippedTable(models: readonly ModelFigures[], what: string): Table {
  return {
    title: `${what} at the shipped threshold`,
    columns: [
      'embedder, material',
      'threshold',
      'false accepts (95 % over pairs)',
      'over people',
      'pairs of people ever accepted: upper 95 %',
      'false rejects (95 % over pairs)',
      'over people',
    ],
    rows: eachMaterial(models, (model, material) => [
      materialName(model, material),
      material.threshold.toFixed(2),
      shareText(material.far),
      peopleText(material.far),
      `≤ ${percent(material.peoplePairsUpper)} %`,
      shareText(material.frr),
      peopleText(material.frr),
    ]),
    notes: [
      'Pairs of one person are not independent (frames of one visit are nearly the same picture), so intervals over pairs are too narrow; those over people resample people (bootstrap, 1 000 rounds). A bootstrap cannot tell anything where nothing was counted; there the bound over pairs of people (rule of three) is the honest one.',
    ],
  };
}

function sweepTable(models: readonly ModelFigures[], what: string, from: number, to: number): Table {
  const columns = eachMaterial(models, (model, material) => materialName(model, material));
  return {
    title: `${what} by threshold: false accepts / false rejects, %`,
    columns: ['threshold', ...columns],
    rows: quotedThresholds
      .filter((threshold) => threshold >= from && threshold <= to)
      .map((threshold) => [
        threshold.toFixed(2),
        ...eachMaterial(models, (_, { curve }) => {
          const point = curve.find((item) => item.threshold === threshold);
          return point === undefined
            ? '–'
            : `${point.far === 0 ? 'none' : percent(point.far)} / ${point.frr === 0 ? 'none' : percent(point.frr)}`;
        }),
      ]),
    notes: ['none: among these pairs, not in general.'],
  };
}

function heightTable({ models, found }: Pick<Figures, 'models' | 'found'>): Table {
  const faces = models.filter(({ kind }) => kind === 'face');
  const rows = faces.flatMap(({ model, heights }) =>
    heights.map(({ band, scaled, people, far, frr }) => {
      const seen = found.find((item) => item.band === band && item.scaled === scaled);
      return [
        `\`${model}\``,
        `${band}${scaled ? ', scaled down' : ''}`,
        String(people),
        shareText(frr),
        shareText(far),
        seen === undefined ? '–' : `${percent(seen.found.share)} % of ${seen.found.of}`,
      ];
    }),
  );
  return {
    title: 'Faces by height at the shipped threshold',
    columns: [
      'embedder',
      'height, px',
      'people',
      'false rejects (95 % over pairs)',
      'false accepts (95 % over pairs)',
      'faces found',
    ],
    rows,
    notes: [
      'Scaled down: photos (antialiased, in a grey picture) and clips (bicubic, coded again) made smaller; a face that is small because it is far away is less sharp, so expect worse.',
      'Faces found: of faces at least 90 % visible in frames that were looked at; all photos as they are have one.',
    ],
  };
}

export function tablesOf(figures: Figures): readonly Table[] {
  const faces = figures.models.filter(({ kind }) => kind === 'face');
  const bodies = figures.models.filter(({ kind }) => kind === 'appearance');
  return [
    ...(figures.scenes.length === 0 ? [] : [alertTable(figures.scenes), scenarioTable(figures.scenes)]),
    ...(faces.length === 0
      ? []
      : [scoreTable(faces, 'faces'), shippedTable(faces, 'Faces'), sweepTable(faces, 'Faces', 0.2, 0.8), heightTable(figures)]),
    ...(bodies.length === 0
      ? []
      : [scoreTable(bodies, 'bodies'), shippedTable(bodies, 'Bodies'), sweepTable(bodies, 'Bodies', 0.5, 0.95)]),
  ];
}

export function textTable({ title, columns, rows, notes }: Table): string {
  const lines = [columns, ...rows].map((row) => row.map((cell) => cell.replaceAll('`', '')));
  const widths = columns.map((_, at) => Math.max(...lines.map((row) => row[at]?.length ?? 0)));
  const text = lines.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [title, '-'.repeat(title.length), ...text, ...notes, ''].join('\n');
}

export function markdownTable({ columns, rows, notes }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line), ...(notes.length === 0 ? [] : ['', ...notes])].join(
    '\n',
  );
}

const marks = { begin: '<!-- figures: written by bench/recognition.ts --publish -->', end: '<!-- end of figures -->' } as const;

/** What the docs quote, as Markdown. */
export function docsFigures(figures: Figures): string {
  const { models, date, machine, extraFaces, unusableBodies, found } = figures;
  const headed = (table: Table) => `**${table.title}**\n\n${markdownTable(table)}`;
  const looked = found.filter(({ scaled }) => !scaled).reduce((sum, item) => sum + item.found.of, 0);
  return [
    `Measured ${date} on ${machine}.`,
    headed(scenarioTable(figures.scenes)),
    headed(scoreTable(models, 'looks beside references')),
    headed(shippedTable(models, 'Pairs')),
    headed(heightTable(figures)),
    `Detections on the clips that are nobody's face: ${extraFaces === 0 ? 'none seen' : extraFaces} beside ${looked} faces. Pictures of bodies in which no body was found, left out: ${unusableBodies}.`,
  ].join('\n\n');
}

/** `page` with its figures replaced. Throws when it has no place for them. */
export function docsText(page: string, figures: Figures): string {
  const [begin, end] = [page.indexOf(marks.begin), page.indexOf(marks.end)];
  if (begin < 0 || end < begin) throw new Error(`the page has no ${marks.begin} … ${marks.end}`);
  return `${page.slice(0, begin)}${marks.begin}\n\n${docsFigures(figures)}\n\n${page.slice(end)}`;
}
