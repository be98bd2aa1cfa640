import type { StreamPoint, SweepPoint, TritonBenchReport } from '../core/triton-bench.ts';

/** What a bench has measured, as an SVG picture: two charts of the sweep, two of the streams. Pure. */

const chart = { width: 460, height: 320, left: 64, right: 16, top: 58, bottom: 46 };
const headHeight = 48;
/** Told apart by people who see few colours: Okabe and Ito, https://jfly.uni-koeln.de/color/ */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
const legendColumns = 3;

interface Series {
  /** Absent: it goes with the one before and is not in the legend. */
  readonly name?: string;
  readonly colour: string;
  readonly dashed?: boolean;
  /** By the place on the axis below; undefined where nothing was measured. */
  readonly values: readonly (number | undefined)[];
}

interface Chart {
  readonly title: string;
  readonly below: string;
  readonly places: readonly number[];
  readonly series: readonly Series[];
}

export function benchPicture(report: TritonBenchReport): string {
  const { sweep, streams, model, modelVersion, server, serverVersion } = report;
  const charts = [
    ...(sweep.length === 0 ? [] : sweepCharts(sweep)),
    ...(streams.length === 0 ? [] : streamCharts(streams, report.deadlineMs)),
  ];
  const width = 2 * chart.width;
  const height = headHeight + Math.ceil(charts.length / 2) * chart.height;
  const title = `${model} version ${modelVersion} on ${server}, Triton ${serverVersion}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="16" y="30" font-size="16" font-weight="bold">${escaped(title)}</text>`,
    ...charts.flatMap((one, at) => [
      `<g transform="translate(${(at % 2) * chart.width} ${headHeight + Math.floor(at / 2) * chart.height})">`,
      ...drawn(one),
      '</g>',
    ]),
    '</svg>',
    '',
  ].join('\n');
}

function colour(at: number): string {
  return colours[at % colours.length] ?? '#000000';
}

function sweepCharts(points: readonly SweepPoint[]): readonly Chart[] {
  const batches = [...new Set(points.map(({ batch }) => batch))];
  const places = [...new Set(points.map(({ concurrency }) => concurrency))].sort((a, b) => a - b);
  const values = (batch: number, of: (point: SweepPoint) => number | undefined) =>
    places.map((place) => {
      const point = points.find((one) => one.batch === batch && one.concurrency === place);
      return point === undefined ? undefined : of(point);
    });
  const below = 'requests under way';
  return [
    {
      title: 'rows a second',
      below,
      places,
      series: batches.map((batch, at) => ({
        name: `batch ${batch}`,
        colour: colour(at),
        values: values(batch, ({ rowsPerSecond }) => rowsPerSecond),
      })),
    },
    {
      title: 'answer to a request, ms: median, dashed p95',
      below,
      places,
      series: batches.flatMap((batch, at) => [
        { name: `batch ${batch}`, colour: colour(at), values: values(batch, ({ latencyMs }) => latencyMs?.p50) },
        {
          colour: colour(at),
          dashed: true,
          values: values(batch, ({ latencyMs }) => latencyMs?.p95),
        },
      ]),
    },
  ];
}

function streamCharts(points: readonly StreamPoint[], deadlineMs: number): readonly Chart[] {
  const places = points.map(({ streams }) => streams);
  const below = `streams of ${points[0]?.fps} fps`;
  const series = (name: string, at: number, of: (point: StreamPoint) => number | undefined, dashed = false): Series => ({
    name,
    colour: colour(at),
    dashed,
    values: points.map(of),
  });
  return [
    {
      title: 'requests a second',
      below,
      places,
      series: [
        series('offered', 1, ({ offered, seconds }) => offered / seconds, true),
        series('answered in time', 0, ({ inTime, seconds }) => inTime / seconds),
      ],
    },
    {
      title: 'answer to a stream, ms',
      below,
      places,
      series: [
        series('p50', 0, ({ latencyMs }) => latencyMs?.p50),
        series('p95', 2, ({ latencyMs }) => latencyMs?.p95),
        series('p99', 3, ({ latencyMs }) => latencyMs?.p99),
        series('deadline', 1, () => deadlineMs, true),
      ],
    },
  ];
}

function drawn({ title, below, places, series }: Chart): readonly string[] {
  const { width, height, left, right, bottom } = chart;
  const named = series.flatMap((one) => (one.name === undefined ? [] : [{ ...one, name: one.name }]));
  const legendRows = Math.ceil(named.length / legendColumns);
  const top = chart.top + 16 * (legendRows - 1);
  const highest = Math.max(0, ...series.flatMap(({ values }) => values.filter((value) => value !== undefined)));
  const ticks = ticksTo(highest);
  const end = ticks.at(-1) ?? 1;
  // Places are as far from each other whatever their numbers: sweeps double.
  const step = (width - left - right) / Math.max(1, places.length);
  const x = (at: number) => left + step * (at + 0.5);
  const y = (value: number) => height - bottom - ((height - bottom - top) * value) / end;
  const text = (dx: number, dy: number, anchor: string, words: string, more = '') =>
    `<text x="${round(dx)}" y="${round(dy)}" text-anchor="${anchor}"${more}>${escaped(words)}</text>`;
  return [
    text(left, 16, 'start', title, ' font-weight="bold"'),
    ...named.flatMap(({ name, colour: stroke, dashed }, at) => {
      const dx = left + (at % legendColumns) * ((width - left - right) / legendColumns);
      const dy = 34 + 16 * Math.floor(at / legendColumns);
      return [line(dx, dy - 4, dx + 20, dy - 4, stroke, 2, dashed), text(dx + 26, dy, 'start', name)];
    }),
    ...ticks.flatMap((tick) => [
      line(left, y(tick), width - right, y(tick), tick === 0 ? '#333333' : '#dddddd', 1),
      text(left - 8, y(tick) + 4, 'end', String(tick)),
    ]),
    ...places.map((place, at) => text(x(at), height - bottom + 18, 'middle', String(place))),
    text((left + width - right) / 2, height - 10, 'middle', below),
    ...series.flatMap((one) => curve(one, x, y)),
  ];
}

function curve({ values, colour: stroke, dashed }: Series, x: (at: number) => number, y: (value: number) => number) {
  const points = values.flatMap((value, at) => (value === undefined ? [] : [[round(x(at)), round(y(value))] as const]));
  const dashes = dashed === true ? ' stroke-dasharray="6 4"' : '';
  return [
    `<polyline points="${points.map((point) => point.join()).join(' ')}" fill="none" stroke="${stroke}" stroke-width="2"${dashes}/>`,
    ...points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${stroke}"/>`),
  ];
}

function line(x1: number, y1: number, x2: number, y2: number, stroke: string, width: number, dashed = false): string {
  const dashes = dashed ? ' stroke-dasharray="6 4"' : '';
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}" stroke-width="${width}"${dashes}/>`;
}

/** From 0 up to the value or above, four to seven numbers that are easily read. */
function ticksTo(highest: number): readonly number[] {
  if (highest <= 0) return [0, 1];
  const rough = highest / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = magnitude * ([1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10);
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, at) => Number((at * step).toPrecision(6)));
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
