import type { ModelFigures } from './figures.ts';
import type { CurvePoint, Rates } from './scores.ts';

/** FAR and FRR over the threshold as an SVG, one panel for each material, errors on a logarithmic axis. */

const panel = { width: 380, height: 300, left: 62, top: 76, gap: 34, bottom: 110 } as const;
const plot = { width: panel.width - panel.left - 8, height: panel.height - 30 } as const;
const colours = { far: '#b3261e', frr: '#1f5fa8', axis: '#5f6368', grid: '#e3e5e8', text: '#202124' } as const;
/** Shares below this are drawn on the lowest line, which says so. */
const lowest = 1e-4;
const decades = [1, 0.1, 0.01, 0.001] as const;

interface Panel {
  readonly title: string;
  readonly counts: string;
  readonly from: number;
  readonly to: number;
  readonly curves: readonly { readonly model: string; readonly rates: Rates }[];
}

function panelsOf(models: readonly ModelFigures[]): readonly Panel[] {
  const materials = [...new Set(models.flatMap((model) => model.materials.map(({ material }) => material)))];
  return materials.map((material) => {
    const curves = models.flatMap(({ model, materials: own }) =>
      own.filter((item) => item.material === material).map((rates) => ({ model, rates })),
    );
    const [first] = curves;
    const { genuine = 0, impostor = 0, people = 0 } = first?.rates ?? {};
    const body = models.some(
      ({ kind, materials: own }) => kind === 'appearance' && own.some((item) => item.material === material),
    );
    return {
      title: material,
      counts: `${people} people, ${genuine} genuine and ${impostor} impostor pairs`,
      from: body ? 0.3 : 0,
      to: 1,
      curves,
    };
  });
}

function drawPanel({ title, counts, from, to, curves }: Panel, left: number): string {
  const x = (threshold: number) => left + panel.left + ((threshold - from) / (to - from)) * plot.width;
  const y = (value: number) => panel.top + (Math.log10(Math.max(value, lowest)) / Math.log10(lowest)) * plot.height;
  const path = (curve: readonly CurvePoint[], which: 'far' | 'frr', dashed: boolean) => {
    const points = curve.filter(({ threshold }) => threshold >= from - 1e-9 && threshold <= to + 1e-9);
    const d = points.map((point, i) => `${i === 0 ? 'M' : 'L'}${x(point.threshold).toFixed(1)} ${y(point[which]).toFixed(1)}`);
    return `<path d="${d.join('')}" fill="none" stroke="${colours[which]}" stroke-width="2"${dashed ? ' stroke-dasharray="5 4"' : ''}/>`;
  };
  const text = (at: number, line: number, content: string, more = '') =>
    `<text x="${at.toFixed(1)}" y="${line.toFixed(1)}" fill="${colours.text}" ${more}>${content}</text>`;
  const parts: string[] = [
    text(left + panel.left, panel.top - 28, title, 'font-size="12" font-weight="600"'),
    text(left + panel.left, panel.top - 12, counts),
  ];
  for (const value of [...decades, lowest]) {
    const [label, line] = [value === lowest ? 'none' : `${value * 100} %`, y(value)];
    parts.push(
      `<path d="M${x(from)} ${line.toFixed(1)}H${x(to)}" stroke="${colours.grid}"/>`,
      text(left + panel.left - 6, line + 4, label, 'text-anchor="end"'),
    );
  }
  for (let tick = Math.round(from * 10); tick <= to * 10; tick += 2) {
    parts.push(text(x(tick / 10), panel.top + plot.height + 18, (tick / 10).toFixed(1), 'text-anchor="middle"'));
  }
  parts.push(text(x((from + to) / 2), panel.top + plot.height + 36, 'threshold (cosine)', 'text-anchor="middle"'));
  for (const [at, { rates }] of curves.entries()) {
    parts.push(path(rates.curve, 'far', at > 0), path(rates.curve, 'frr', at > 0));
  }
  const thresholds = [...new Set(curves.map(({ rates }) => rates.threshold))];
  for (const threshold of thresholds) {
    parts.push(
      `<path d="M${x(threshold).toFixed(1)} ${panel.top}V${panel.top + plot.height}" stroke="${colours.axis}" stroke-dasharray="2 3"/>`,
      text(x(threshold) - 4, panel.top + 12, `shipped ${threshold.toFixed(2)}`, 'text-anchor="end"'),
    );
  }
  for (const [at, { model }] of curves.entries()) {
    const line = panel.top + plot.height + 56 + 18 * at;
    const dash = at > 0 ? ' stroke-dasharray="5 4"' : '';
    parts.push(
      `<path d="M${left + panel.left} ${line - 4}h26" stroke="${colours.far}" stroke-width="2"${dash}/>`,
      text(left + panel.left + 32, line, 'false accepts'),
      `<path d="M${left + panel.left + 116} ${line - 4}h26" stroke="${colours.frr}" stroke-width="2"${dash}/>`,
      text(left + panel.left + 148, line, 'false rejects'),
      text(left + panel.left + 230, line, model),
    );
  }
  return parts.join('\n');
}

export function drawCurves(models: readonly ModelFigures[]): string {
  const panels = panelsOf(models);
  const width = panels.length * (panel.width + panel.gap);
  const height = panel.top + plot.height + panel.bottom;
  const heading = 'Share of pairs wrong at each threshold. Pairs are not independent; few people: see docs/models.md';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    '<title>Share of genuine pairs rejected and of impostor pairs accepted, by threshold</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${panel.left}" y="22" fill="${colours.text}" font-size="13">${heading}</text>`,
    ...panels.map((item, at) => drawPanel(item, at * (panel.width + panel.gap))),
    '</svg>',
    '',
  ].join('\n');
}
