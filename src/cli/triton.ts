import { resolve } from 'node:path';
import { isSightlineError } from '../core/errors.ts';
import {
  type CheckedModel,
  type CheckedServer,
  hardwareClasses,
  type RenderReport,
  type RenderRequest,
  type TritonCheckRequest,
  type TritonTools,
} from '../core/triton-tools.ts';
import { type Command, noPositionals, numberOption, onlyPositional, parse, present, usage } from './command.ts';
import { headersOf } from './header-file.ts';
import { count, table } from './text.ts';

const defaultTimeoutS = 5;
const defaultEngineCache = '/tmp/sightline-tensorrt';

export const triton: Command = {
  help: `Looks at a running Triton server, and writes the model repository for one.

Usage: sightline triton check [URL [MODEL...]] [--config FILE | --repository DIR] [options]
       sightline triton render DIR --hardware CLASS [MODEL...] [--config FILE | --repository DIR] [options]

  check    compares what a server serves with the repository, and names every difference
  render   writes a repository that a stock server can load: descriptions with what the hardware asks for, weights, ensembles

  URL                   host, host:port, [::1]:8001; grpcs:// in front for TLS. A name with several addresses is as many servers
                        (default: those of the configuration, with its certificates)
  MODEL                 check: only these, which must be served (default: those that the configuration uses; without one all, of
                        which those must that have weights here)
                        render: only these (default: all that have weights)
  -c, --config FILE     its inference.repository is meant (default $SIGHTLINE_CONFIG; without one the program's own repository)
      --repository DIR  this repository instead
      --json            one JSON object a line instead of text

check:
      --ca FILE         PEM of the authority that has signed the server's certificate (default: those that Node trusts)
      --cert FILE, --key FILE
                        PEM of our own certificate and its key, where the server asks for one
      --header-file FILE  headers for every request, such as tokens of a proxy: a line name: value for each (default, without a URL:
                        inference.headers)
      --timeout SECONDS for each answer (default ${defaultTimeoutS})

render:
      --hardware CLASS  ${hardwareClasses.join(', ')}
      --instances N     runs of one model at once (default 1)
      --embed-image EMBEDDER
                        also the ensemble embed_image: a JPEG in, its embedding out
      --detect-embed DETECTOR,EMBEDDER
                        also the ensemble detect_embed: a JPEG in, its faces and their embeddings out
      --decoder NAME    who decodes for embed_image: python (default), or dali on a GPU, which we could not try
      --engine-cache DIR
                        where TensorRT keeps its engines on the server (default ${defaultEngineCache})

Exit codes: 0 written, or everything fits; 1 failed, or something differs, is not served, or a server is not ready; 2 wrong usage.
Example: sightline triton render /srv/models --hardware cpu && tritonserver --model-repository=/srv/models`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      config: { type: 'string', short: 'c' },
      repository: { type: 'string' },
      json: { type: 'boolean' },
      ca: { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
      'header-file': { type: 'string' },
      timeout: { type: 'string' },
      hardware: { type: 'string' },
      instances: { type: 'string' },
      'embed-image': { type: 'string' },
      'detect-embed': { type: 'string' },
      decoder: { type: 'string' },
      'engine-cache': { type: 'string' },
    });
    const [verb, target, ...models] = positionals;
    if (verb === undefined) throw usage('what: check or render');
    noPositionals(['check', 'render'].includes(verb) ? [] : [verb]);
    const config = values.config ?? io.env['SIGHTLINE_CONFIG'];
    const open = () =>
      services.triton(
        present({
          repository: values.repository === undefined ? undefined : resolve(values.repository),
          config: config === undefined ? undefined : resolve(config),
        }),
      );
    const misplaced = Object.keys(values).find((name) => name in optionsOf && optionsOf[name] !== verb);
    if (misplaced !== undefined) throw usage(`--${misplaced} belongs to sightline triton ${optionsOf[misplaced]}`);

    if (verb === 'check') {
      const { ca, cert, key } = values;
      if ((cert === undefined) !== (key === undefined)) throw usage('--cert and --key go together');
      const timeoutS = numberOption(values.timeout, 'timeout', { min: 0.1, max: 3600 }) ?? defaultTimeoutS;
      const given = present({ ca, cert, key });
      const hasGiven = Object.keys(given).length > 0;
      const givenHeaders = await headersOf(values['header-file']);
      const tools = await open();
      const { repository } = tools;
      const configured = models.length > 0 && target !== undefined ? undefined : tools.configured?.();
      if (target === undefined && configured === undefined)
        throw usage('URL is missing: which server, or --config FILE that names some');
      const wanted = models.length > 0 ? models : configured?.models;
      const urls = target === undefined ? (configured?.urls ?? []) : [target];
      const requests = urls.map((url): TritonCheckRequest => {
        const tls = hasGiven ? given : target === undefined && url.startsWith('grpcs://') ? (configured?.tls ?? {}) : {};
        return {
          url,
          repository,
          timeoutMs: timeoutS * 1000,
          ...(wanted === undefined ? {} : { models: wanted }),
          ...(Object.keys(tls).length === 0 ? {} : { tls }),
          // Those of the configuration are for its servers alone.
          ...present({ headers: givenHeaders ?? (target === undefined ? configured?.headers : undefined) }),
        };
      });
      const servers = await checkAll(tools, requests, io.signal);
      for (const server of servers) {
        if (values.json === true) io.out(JSON.stringify(server));
        else for (const line of serverLines(server)) io.out(line);
      }
      const isAsked = servers.some(({ problem }) => problem === undefined);
      const compared = servers.some(({ models: found }) => found.some(({ state }) => state === 'fits' || bad.includes(state)));
      if (isAsked && !compared)
        io.say(`nothing was compared: no model of ${repository} is served, and none has weights here; name those that must be`);
      return compared && servers.every(isWell) ? 0 : 1;
    }

    const directory = resolve(onlyPositional(target === undefined ? [] : [target], 'DIR'));
    const options = renderOptions(values);
    const tools = await open();
    const { repository } = tools;
    const report = await tools.render(
      { directory, repository, ...(models.length === 0 ? {} : { models }), ...options },
      io.signal,
    );
    if (values.json === true) io.out(JSON.stringify(report));
    else for (const line of reportLines(report)) io.out(line);
    return 0;
  },
};

async function checkAll(
  tools: TritonTools,
  requests: readonly TritonCheckRequest[],
  signal: AbortSignal,
): Promise<readonly CheckedServer[]> {
  const servers: CheckedServer[] = [];
  for (const request of requests) {
    try {
      servers.push(...(await tools.check(request, signal)));
    } catch (error) {
      // The others are asked all the same.
      if (requests.length === 1 || !isSightlineError(error, 'inference.unavailable')) throw error;
      servers.push({ server: request.url, ready: false, problem: error.message, models: [] });
    }
  }
  return servers;
}

/** Options that one of the two has. */
const optionsOf: Readonly<Record<string, 'check' | 'render'>> = {
  ca: 'check',
  cert: 'check',
  key: 'check',
  'header-file': 'check',
  timeout: 'check',
  hardware: 'render',
  instances: 'render',
  'embed-image': 'render',
  'detect-embed': 'render',
  decoder: 'render',
  'engine-cache': 'render',
};

function renderOptions(
  values: Readonly<Record<string, string | boolean | undefined>>,
): Omit<RenderRequest, 'directory' | 'repository' | 'models'> {
  const text = (name: string) => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const given = text('hardware');
  const hardware = hardwareClasses.find((name) => name === given);
  if (hardware === undefined)
    throw usage(
      given === undefined
        ? `--hardware is missing: ${hardwareClasses.join(', ')}`
        : `--hardware ${given} is none of ${hardwareClasses.join(', ')}`,
    );
  const decoder = (['python', 'dali'] as const).find((name) => name === (text('decoder') ?? 'python'));
  if (decoder === undefined) throw usage(`--decoder ${text('decoder')} is none of python, dali`);
  if (decoder === 'dali' && hardware === 'cpu') throw usage('--decoder dali needs a GPU: --hardware gpu, or --decoder python');
  const engineCache = text('engine-cache') ?? defaultEngineCache;
  if (!engineCache.startsWith('/')) throw usage(`--engine-cache ${engineCache} is not an absolute path on the server`);
  const embedImage = text('embed-image');
  const pair = text('detect-embed')
    ?.split(',')
    .map((name) => name.trim());
  const [detector = '', embedder = '', more] = pair ?? [];
  if (pair !== undefined && (detector === '' || embedder === '' || more !== undefined))
    throw usage(`--detect-embed ${pair.join(',')} is not DETECTOR,EMBEDDER, such as centerface,face_embed`);
  return {
    hardware,
    instances: numberOption(text('instances'), 'instances', { min: 1, max: 64, whole: true }) ?? 1,
    decoder,
    engineCache,
    ...(embedImage === undefined ? {} : { embedImage }),
    ...(pair === undefined ? {} : { detectEmbed: { detector, embedder } }),
  };
}

const bad: readonly CheckedModel['state'][] = ['differs', 'not ready', 'not served', 'invalid'];

function isWell({ ready, problem, models }: CheckedServer): boolean {
  return ready && problem === undefined && models.every(({ state }) => !bad.includes(state));
}

function serverLines({ server, version, ready, problem, models }: CheckedServer): readonly string[] {
  if (problem !== undefined) return [`${server}: ${problem}`];
  const rows = models.flatMap(({ model, versions, state, differences, warnings }) => {
    const notes = [...differences, ...warnings.map((warning) => `warning: ${warning}`)];
    const [first = '', ...others] = notes;
    return [[model, versions.join(', '), state, first], ...others.map((note) => ['', '', '', note])];
  });
  const head = `${server}: Triton ${version ?? ''}, ${ready ? 'ready' : 'not ready: a model of it is being loaded or is broken'}`;
  return [head, ...(rows.length === 0 ? [] : table([['MODEL', 'VERSION', 'STATE', 'DIFFERENCES'], ...rows]))];
}

/** Those that only lack weights in one line: mostly they are many, and not wanted. */
function leftLines(left: RenderReport['left']): readonly string[] {
  const missing = left.filter(({ code }) => code === 'model.missing').map(({ model }) => model);
  const others = left.filter(({ code }) => code !== 'model.missing');
  return [
    ...others.map(({ model, reason }) => `left out ${model}: ${reason}`),
    ...(missing.length === 0
      ? []
      : [
          `left out, without weights here: ${missing.join(', ')}`,
          '  get them with "sightline models fetch MODEL", or "sightline models add FILE --as MODEL"',
        ]),
  ];
}

function reportLines({ directory, models, written, unchanged, removed, left, notes }: RenderReport): readonly string[] {
  return [
    `${directory}: ${count(models.length, 'model')} (${models.join(', ')})`,
    ...written.map((path) => `  wrote ${path}`),
    ...(unchanged.length === 0 ? [] : [`  ${count(unchanged.length, 'file')} as before`]),
    ...removed.map((path) => `  removed ${path}`),
    ...leftLines(left),
    ...notes.map((note) => `note: ${note}`),
    `serve it: tritonserver --model-repository=${directory}`,
  ];
}
