import { modelsInUse } from '../config/check-inference.ts';
import { ConfigError, issueText } from '../config/issues.ts';
import type { CameraConfig, Config } from '../config/schema.ts';
import { deepstream } from '../config/schema-deepstream.ts';
import type { Clock } from '../core/clock.ts';
import type { DoctorRequest, Examine, Finding } from '../core/doctor.ts';
import { errorText, isAbort, isSightlineError } from '../core/errors.ts';
import type { CheckedServer } from '../core/triton-tools.ts';
import { urlHost } from '../core/url-host.ts';
import { clockFinding, diskFinding, memoryFinding, portFinding, reachFinding, weightsFinding } from '../doctor/findings.ts';
import { type EngineFacts, engineFinding, gpuFinding, imageFinding, toolkitFinding } from '../doctor/gpu-findings.ts';
import { clockFacts, diskFacts, gpuFacts, memoryFacts, portState, reachTrouble } from '../doctor/machine.ts';
import { describeModel } from '../inference/repository.ts';
import { checkTriton } from '../inference/triton-check.ts';
import { parseSource } from '../software-worker/source-address.ts';
import { createDockerEngine } from '../workers/docker-engine.ts';
import { type CheckedConfig, loadCheckedConfig } from './checked-config.ts';
import { lookInContainers } from './doctor-container.ts';
import { configuredTriton } from './triton-tools.ts';

/** What `sightline doctor` looks at, for a configuration or for any. */

export interface DoctorTools {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Whose disk is looked at without a configuration. */
  readonly directory: string;
  /** Whether a daemon runs on this data directory. */
  daemonOn(dataDir: string): Promise<boolean>;
}

type Check = (signal: AbortSignal) => Promise<readonly Finding[]> | AsyncIterable<Finding>;

export function createDoctor(tools: DoctorTools): Examine {
  return async function* examine(request, signal) {
    let checked: CheckedConfig | undefined;
    if (request.config !== undefined) {
      const { found, config } = await configuration(request.config, tools);
      yield* found;
      checked = config;
    }
    const dataDir = checked?.config.dataDir ?? tools.directory;
    const checks: readonly (readonly [subject: string, check: Check])[] = [
      ['memory', async () => [memoryFinding(await memoryFacts())]],
      ['disk', async () => [diskFinding(await diskFacts(dataDir))]],
      ['clock', async () => [clockFinding(await clockFacts(signal))]],
      ...(checked === undefined ? [] : ofConfiguration(checked.config, request, tools)),
      ...ofCard(checked?.config, request, tools, dataDir),
    ];
    for (const [subject, check] of checks) {
      signal.throwIfAborted();
      try {
        // Those of a container come one by one.
        yield* await check(signal);
      } catch (error) {
        if (isAbort(error)) throw error;
        yield { subject, verdict: 'warn', seen: `cannot be told: ${errorText(error)}` };
      }
    }
  };
}

async function configuration(
  file: string,
  { env }: DoctorTools,
): Promise<{ readonly found: readonly Finding[]; readonly config?: CheckedConfig }> {
  const subject = 'configuration';
  try {
    const checked = await loadCheckedConfig(file, env);
    const { config, warnings } = checked;
    const cameras = Object.keys(config.cameras).length;
    const seen = `${file}: ${cameras} ${cameras === 1 ? 'camera' : 'cameras'}`;
    return {
      config: checked,
      found: [
        { subject, verdict: 'pass', seen },
        ...warnings.map((warning): Finding => ({ subject, verdict: 'warn', seen: issueText(warning) })),
      ],
    };
  } catch (error) {
    if (!isSightlineError(error, 'config.invalid')) throw error;
    const issues = error instanceof ConfigError ? error.issues.map(issueText) : [error.message];
    return {
      found: issues.map((seen) => ({
        subject,
        verdict: 'fail',
        seen,
        remedy: 'mend the file; docs/configuration.md has every setting',
      })),
    };
  }
}

function ofConfiguration(
  config: Config,
  { timeoutMs }: DoctorRequest,
  tools: DoctorTools,
): readonly (readonly [string, Check])[] {
  const reach = async (what: string, host: string, port: number, signal: AbortSignal): Promise<readonly Finding[]> => {
    const trouble = await reachTrouble({ host, port, timeoutMs }, tools.clock, signal);
    return [
      reachFinding({
        what,
        address: `${urlHost(host)}:${port}`,
        ...(trouble === undefined ? {} : { trouble }),
      }),
    ];
  };
  return [
    ['port', async () => await ports(config, await tools.daemonOn(config.dataDir))],
    [
      'models',
      async (signal) =>
        config.inference.engine === 'triton' ? await triton(config, timeoutMs, signal) : await weights(config),
    ],
    ...(config.mqtt.enabled
      ? [
          [
            'MQTT broker',
            async (signal: AbortSignal) => {
              const { hostname, port, protocol } = new URL(config.mqtt.url);
              return await reach('MQTT broker', bare(hostname), Number(port) || (brokerPorts[protocol] ?? 1883), signal);
            },
          ] as const,
        ]
      : []),
    ...Object.entries(config.cameras)
      .filter(([, { enabled }]) => enabled)
      .map(([camera, settings]): readonly [string, Check] => {
        const what = `camera ${camera}`;
        return [
          what,
          async (signal) => {
            const target = targetOf(settings);
            return target === undefined ? [] : await reach(what, target.host, target.port, signal);
          },
        ];
      }),
  ];
}

const brokerPorts: Readonly<Record<string, number>> = { 'mqtts:': 8883, 'ssl:': 8883, 'ws:': 80, 'wss:': 443 };
const cameraPorts: Readonly<Record<string, number>> = { 'rtsp:': 554, 'rtsps:': 322, 'http:': 80, 'https:': 443 };

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/** Where the camera listens; undefined for files and pipelines. */
function targetOf({ source }: CameraConfig): { readonly host: string; readonly port: number } | undefined {
  const address = parseSource(source);
  if (address.kind !== 'rtsp' && address.kind !== 'http') return undefined;
  const { hostname, port, protocol } = new URL(address.url);
  return { host: bare(hostname), port: Number(port) || (cameraPorts[protocol] ?? 554) };
}

async function ports({ http, media }: Config, runs: boolean): Promise<readonly Finding[]> {
  const wanted = [
    ...(http.enabled ? [{ setting: 'http.port', host: http.host, port: http.port }] : []),
    ...(media.enabled && media.rtsp.enabled
      ? [{ setting: 'media.rtsp.port', host: media.rtsp.host, port: media.rtsp.port }]
      : []),
  ].filter(({ port }) => port !== 0);
  return await Promise.all(
    wanted.map(async (one) => portFinding({ ...one, state: runs ? 'ours' : await portState(one.host, one.port) })),
  );
}

async function weights(config: Config): Promise<readonly Finding[]> {
  const { repository } = config.inference;
  const wanted = modelsInUse(config);
  const missing: string[] = [];
  for (const model of wanted) if ((await describeModel(repository, model)).weights === undefined) missing.push(model);
  return [weightsFinding(wanted, missing)];
}

async function triton(config: Config, timeoutMs: number, signal: AbortSignal): Promise<readonly Finding[]> {
  const { repository } = config.inference;
  const { urls, tls, headers, models } = configuredTriton(config);
  const findings: Finding[] = [];
  for (const url of urls) {
    try {
      const request = { url, repository, models, headers, timeoutMs, ...(url.startsWith('grpcs://') ? { tls } : {}) };
      findings.push(...(await checkTriton(request, signal)).map(tritonFinding));
    } catch (error) {
      if (!isSightlineError(error, 'inference.unavailable')) throw error;
      findings.push({ subject: 'Triton', verdict: 'fail', seen: error.message, remedy: 'start it, or mend inference.url' });
    }
  }
  return findings;
}

function tritonFinding({ server, version, ready, problem, models }: CheckedServer): Finding {
  const subject = 'Triton';
  const remedy = 'sightline triton check says more; sightline triton render writes a repository that fits';
  if (problem !== undefined)
    return { subject, verdict: 'fail', seen: `${server}: ${problem}`, remedy: 'start it, or mend inference.url' };
  const bad = models.filter(({ state }) => state !== 'fits' && state !== 'not needed' && state !== 'server only');
  const head = `${server}: Triton ${version ?? ''}`;
  if (!ready || bad.length > 0) {
    const what = bad.map(({ model, state }) => `${model} ${state}`).join(', ');
    return { subject, verdict: 'fail', seen: `${head}${ready ? '' : ', not ready'}${what === '' ? '' : `, ${what}`}`, remedy };
  }
  return { subject, verdict: 'pass', seen: `${head}, serves ${models.map(({ model }) => model).join(', ')}` };
}

/** What a DeepStream container needs. */
function ofCard(
  config: Config | undefined,
  { firstHour, timeoutMs, onProgress = () => {} }: DoctorRequest,
  { clock }: DoctorTools,
  dataDir: string,
): readonly (readonly [string, Check])[] {
  const wanted =
    firstHour || Object.values(config?.cameras ?? {}).some(({ runtime, enabled }) => enabled && runtime === 'deepstream');
  if (!wanted) return [['gpu', async () => [{ subject: 'gpu', verdict: 'skip', seen: 'no camera is read by DeepStream' }]]];
  const settings = config?.deepstream ?? deepstream.parse({});
  const { start, socket, image, gpuAccess } = settings;
  if (start === 'attached')
    return [
      [
        'gpu',
        async () => [
          { subject: 'gpu', verdict: 'skip', seen: 'somebody else starts the containers (deepstream.start: attached)' },
        ],
      ],
    ];
  return [
    ['gpu', async (signal) => [gpuFinding(await gpuFacts(signal))]],
    [
      'docker',
      async (signal) => {
        const { engine, hasImage } = await lookAtEngine({ socket, image, timeoutMs }, clock, signal);
        return [engineFinding(engine), toolkitFinding(engine, gpuAccess), imageFinding(image, hasImage)];
      },
    ],
    ...(firstHour
      ? [['container', (signal: AbortSignal) => lookInContainers({ settings, dataDir, onProgress }, clock, signal)] as const]
      : []),
  ];
}

async function lookAtEngine(
  { socket, image, timeoutMs }: { readonly socket: string; readonly image: string; readonly timeoutMs: number },
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly engine: EngineFacts; readonly hasImage: boolean | undefined }> {
  const docker = await createDockerEngine({ socketPath: socket, clock, answerWithinMs: timeoutMs, signal });
  try {
    const [about, imageId] = await Promise.all([docker.about(), docker.imageId(image)]);
    return { engine: { socket, ...about }, hasImage: imageId !== undefined };
  } catch (error) {
    if (!isSightlineError(error)) throw error;
    const { errno } = error.details;
    const trouble = { words: error.message, ...(typeof errno === 'string' ? { errno } : {}) };
    return { engine: { socket, trouble }, hasImage: undefined };
  }
}
