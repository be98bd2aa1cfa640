import type { ServerFigures, StreamPoint, SweepPoint, TritonBenchReport } from '../core/triton-bench.ts';

/** What a bench has measured, as an SVG picture: a row of charts for the sweep, one for the streams. Pure. */

const chart = { width: 440, height: 320, left: 64, right: 20, top: 58, bottom: 46 };
const columns = 3;
const headHeight = 68;
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
  /** For values of which some are many times the others. */
  readonly logarithmic?: boolean;
  readonly below: string;
  readonly places: readonly number[];
  readonly series: readonly Series[];
}

export function benchPicture(report: TritonBenchReport): string {
  const { sweep, streams, model, modelVersion, server, serverVersion, inputs } = report;
  const charts = [
    ...(sweep.length === 0 ? [] : sweepCharts(sweep)),
    ...(streams.length === 0 ? [] : streamCharts(streams, report.deadlineMs)),
  ];
  const width = columns * chart.width;
  const height = headHeight + Math.ceil(charts.length / columns) * chart.height;
  const title = `${model} version ${modelVersion} on ${server}, Triton ${serverVersion}`;
  const tensors = inputs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(', ')}]`).join('; ');
  const [first] = [...sweep, ...streams];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="16" y="30" font-size="16" font-weight="bold">${escaped(title)}</text>`,
    `<text x="16" y="50" fill="#555555">${escaped(`a row: ${tensors}; ${first?.seconds} s for each point`)}</text>`,
    ...charts.flatMap((one, at) => [
      `<g transform="translate(${(at % columns) * chart.width} ${headHeight + Math.floor(at / columns) * chart.height})">`,
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
  const pairs = (solid: (point: SweepPoint) => number | undefined, dashed: (point: SweepPoint) => number | undefined) =>
    batches.flatMap((batch, at) => [
      { name: `batch ${batch}`, colour: colour(at), values: values(batch, solid) },
      { colour: colour(at), dashed: true, values: values(batch, dashed) },
    ]);
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
      title: 'answer to a request, ms: median, dashed p99',
      logarithmic: true,
      below,
      places,
      series: pairs(
        ({ latencyMs }) => latencyMs?.p50,
        ({ latencyMs }) => latencyMs?.p99,
      ),
    },
    ...(points.some(({ server }) => server !== undefined)
      ? [
          {
            title: 'in the server, mean ms: run, dashed queue',
            logarithmic: true,
            below,
            places,
            series: pairs(
              ({ server }) => server && runMs(server),
              ({ server }) => server?.queueMs,
            ),
          },
        ]
      : []),
  ];
}

/** The network with its tensors in and out. */
function runMs({ inputMs, computeMs, outputMs }: ServerFigures): number {
  return inputMs + computeMs + outputMs;
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
        series('in time', 0, ({ inTime, seconds }) => inTime / seconds),
        series('missed', 3, ({ missed, seconds }) => missed / seconds),
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
        series(`deadline ${deadlineMs}`, 1, () => deadlineMs, true),
      ],
    },
    ...(points.some(({ server }) => server !== undefined)
      ? [
          {
            title: 'in the server, mean ms of a request',
            below,
            places,
            series: [
              series('run', 0, ({ server }) => server && runMs(server)),
              series('queue', 4, ({ server }) => server?.queueMs),
            ],
          },
        ]
      : []),
  ];
}

function drawn({ title, below, places, series, logarithmic = false }: Chart): readonly string[] {
  const { width, height, left, right, bottom } = chart;
  const named = series.flatMap((one) => (one.name === undefined ? [] : [{ ...one, name: one.name }]));
  const legendRows = Math.ceil(named.length / legendColumns);
  const top = chart.top + 16 * (legendRows - 1);
  const all = series.flatMap(({ values }) => values.filter((value) => value !== undefined));
  const ticks = logarithmic ? logarithmicTicks(all) : ticksTo(Math.max(0, ...all));
  const [begin, end] = [ticks[0] ?? 0, ticks.at(-1) ?? 1];
  // Places are as far from each other whatever their numbers: sweeps double.
  const step = (width - left - right) / Math.max(1, places.length);
  const x = (at: number) => left + step * (at + 0.5);
  const share = (value: number) =>
    logarithmic ? Math.log(Math.max(begin, value) / begin) / Math.log(end / begin) : (value - begin) / (end - begin);
  const y = (value: number) => height - bottom - (height - bottom - top) * share(value);
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
      line(left, y(tick), width - right, y(tick), tick === begin ? '#333333' : '#dddddd', 1),
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

/** 1, 2, 5, 10 and so on round the values; whole powers of ten where those would be many. What is below a thousandth is drawn at the foot. */
function logarithmicTicks(values: readonly number[]): readonly number[] {
  const above = values.filter((value) => value >= 0.001);
  if (above.length === 0) return [0.1, 1];
  const exponents = [Math.floor(Math.log10(Math.min(...above))), Math.floor(Math.log10(Math.max(...above)))] as const;
  const decades = Array.from({ length: exponents[1] - exponents[0] + 1 }, (_, at) => exponents[0] + at);
  const factors = decades.length > 2 ? [1] : [1, 2, 5];
  const ticks = [...decades.flatMap((exponent) => factors.map((factor) => factor * 10 ** exponent)), 10 ** (exponents[1] + 1)];
  const first = ticks.findLastIndex((tick) => tick <= Math.min(...above));
  const last = ticks.findIndex((tick) => tick >= Math.max(...above));
  return ticks.slice(Math.max(0, first), Math.max(first + 1, last) + 1).map((tick) => Number(tick.toPrecision(1)));
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
