import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { docker, testLabel } from './docker.ts';
import { until } from './until.ts';

/** Those keys of https://github.com/compose-spec/compose-spec that compose.yaml uses. */
export interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly pull_policy?: string;
  readonly profiles?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, { readonly aliases?: readonly string[] } | null>>;
  readonly network_mode?: string;
  readonly ports?: readonly string[];
  readonly user?: string;
  readonly init?: boolean;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly shm_size?: string;
  readonly security_opt?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly healthcheck?: {
    readonly test: readonly string[];
    readonly interval: string;
    readonly timeout: string;
    readonly retries: number;
    readonly start_period: string;
  };
  readonly deploy?: {
    readonly resources: {
      readonly reservations: {
        readonly devices: readonly {
          readonly driver: string;
          readonly count: number;
          readonly capabilities: readonly string[];
        }[];
      };
    };
  };
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly volumes: Readonly<Record<string, null>>;
}

/** compose.yaml with its variables replaced. */
export function readCompose(env: Readonly<Record<string, string>> = {}): ComposeFile {
  const text = readFileSync(resolve(import.meta.dirname, '../../compose.yaml'), 'utf8');
  return parse(
    text.replace(/\$\{(\w+):-([^}]*)\}/g, (_, name: string, otherwise: string) => env[name] || otherwise),
    { merge: true },
  );
}

/** The services that a profile starts, by name. */
export function servicesOf({ services }: ComposeFile, profile?: string): readonly string[] {
  const isMeant = (profiles?: readonly string[]) =>
    profiles === undefined || (profile !== undefined && profiles.includes(profile));
  return Object.keys(services).filter((name) => isMeant(services[name]?.profiles));
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value);
}

/** Conditions by service. */
export function dependenciesOf({ depends_on = [] }: ComposeService): ReadonlyMap<string, string> {
  if (isList(depends_on)) return new Map(depends_on.map((name) => [name, 'service_started']));
  return new Map(Object.entries(depends_on).map(([name, { condition }]) => [name, condition]));
}

/** Further names of the service by network. */
export function networksOf({ network_mode, networks = ['default'] }: ComposeService): ReadonlyMap<string, readonly string[]> {
  if (network_mode !== undefined) return new Map();
  if (isList(networks)) return new Map(networks.map((name) => [name, []]));
  return new Map(Object.entries(networks).map(([name, found]) => [name, found?.aliases ?? []]));
}

export interface ProjectOptions {
  readonly file: ComposeFile;
  /** Images in place of those of the file, by service. */
  readonly images: Readonly<Record<string, string>>;
  /** Folders in place of those beside the file: `./docker`. */
  readonly folders: Readonly<Record<string, string>>;
  /** Further mounts, by service. */
  readonly mounts?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Services of compose.yaml as containers, by the engine alone, since no registry that is reached has compose. Ports are not published
 * and nothing is started again by the engine: tests run side by side, and one that was killed must leave nothing that comes back.
 */
export class ComposeProject implements AsyncDisposable {
  readonly #options: ProjectOptions;
  readonly #name = `sightline-test-${randomUUID()}`;
  readonly #containers = new Map<string, string>();

  private constructor(options: ProjectOptions) {
    this.#options = options;
  }

  static async create(options: ProjectOptions): Promise<ComposeProject> {
    const project = new ComposeProject(options);
    const { networks, volumes } = options.file;
    for (const [name, network] of Object.entries<{ readonly internal?: boolean } | null>({ default: null, ...networks }))
      await docker(
        'network',
        'create',
        ...testLabel,
        ...(network?.internal === true ? ['--internal'] : []),
        project.#own(name),
      );
    for (const name of Object.keys(volumes)) await docker('volume', 'create', ...testLabel, project.#own(name));
    return project;
  }

  #own(name: string): string {
    return `${this.#name}_${name}`;
  }

  /** Starts what the profile has, each after what it depends on. */
  async up(profile: string): Promise<void> {
    const wanted = servicesOf(this.#options.file, profile);
    for (const name of wanted) await this.#start(name, wanted);
  }

  async #start(name: string, wanted: readonly string[]): Promise<void> {
    if (this.#containers.has(name)) return;
    const service = this.#service(name);
    for (const [other, condition] of dependenciesOf(service)) {
      assert.ok(wanted.includes(other), `${name} depends on ${other}, which the profile does not start`);
      await this.#start(other, wanted);
      if (condition === 'service_started') continue;
      assert.equal(condition, 'service_completed_successfully');
      assert.equal(await docker('wait', this.container(other)), '0', `${other} failed: ${await this.logs(other)}`);
    }
    const [first, ...others] = networksOf(service);
    const [network, aliases] = first ?? [undefined, []];
    const id = await docker(
      ...['create', ...testLabel, '--network', network === undefined ? (service.network_mode ?? 'none') : this.#own(network)],
      ...(network === undefined ? [] : [name, ...aliases].flatMap((alias) => ['--network-alias', alias])),
      ...this.#flags(name, service),
      this.#options.images[name] ?? service.image,
      ...(service.command ?? []),
    );
    this.#containers.set(name, id);
    for (const [other, names] of others)
      await docker('network', 'connect', ...[name, ...names].flatMap((alias) => ['--alias', alias]), this.#own(other), id);
    await docker('start', id);
  }

  #service(name: string): ComposeService {
    const service = this.#options.file.services[name];
    assert.ok(service, `compose.yaml has a service ${name}`);
    return service;
  }

  /** `docker create` and `run` with what the service says, its networks apart. */
  #flags(name: string, service: ComposeService): readonly string[] {
    const { environment = {}, volumes = [], healthcheck, user, init, shm_size, stop_grace_period } = service;
    const { read_only, tmpfs = [], security_opt = [], cap_drop = [] } = service;
    const elsewhere = [
      'build',
      'image',
      'pull_policy',
      'command',
      'profiles',
      'depends_on',
      'networks',
      'network_mode',
      'ports',
      'restart',
    ];
    const here = ['environment', 'volumes', 'healthcheck', 'user', 'init', 'shm_size', 'stop_grace_period'];
    const known = [...elsewhere, ...here, 'read_only', 'tmpfs', 'security_opt', 'cap_drop'];
    assert.deepEqual(
      Object.keys(service).filter((key) => !known.includes(key)),
      [],
      `${name}: not translated`,
    );
    const given = <T>(value: T | undefined, flags: (value: T) => readonly string[]) =>
      value === undefined ? [] : flags(value);
    return [
      ...given(user, (value) => ['--user', value]),
      ...(init === true ? ['--init'] : []),
      ...(read_only === true ? ['--read-only'] : []),
      ...tmpfs.flatMap((path) => ['--tmpfs', path]),
      ...given(shm_size, (value) => ['--shm-size', value]),
      ...security_opt.flatMap((option) => ['--security-opt', option]),
      ...cap_drop.flatMap((capability) => ['--cap-drop', capability]),
      ...given(stop_grace_period, (value) => ['--stop-timeout', value.replace(/s$/, '')]),
      ...Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      ...[...volumes.map((mount) => this.#mount(mount)), ...(this.#options.mounts?.[name] ?? [])].flatMap((mount) => [
        '--volume',
        mount,
      ]),
      ...given(healthcheck, ({ test: [kind, ...words], interval, timeout, retries, start_period }) => {
        assert.equal(kind, 'CMD');
        // The command line takes a text for the container's shell.
        const check = words.map((word) => `'${word}'`).join(' ');
        const times = ['--health-interval', interval, '--health-timeout', timeout, '--health-start-period', start_period];
        return ['--health-cmd', check, ...times, '--health-retries', String(retries)];
      }),
    ];
  }

  #mount(mount: string): string {
    const [source = '', ...rest] = mount.split(':');
    const { folders, file } = this.#options;
    if (source in file.volumes) return [this.#own(source), ...rest].join(':');
    const folder = Object.keys(folders).find((path) => source === path || source.startsWith(`${path}/`));
    assert.ok(folder !== undefined, `${mount} is neither a volume nor in ${Object.keys(folders).join(', ')}`);
    return [`${folders[folder]}${source.slice(folder.length)}`, ...rest].join(':');
  }

  /** The id of a service's container. */
  container(name: string): string {
    const id = this.#containers.get(name);
    assert.ok(id, `${name} was started`);
    return id;
  }

  async logs(name: string): Promise<string> {
    return docker('logs', this.container(name));
  }

  /** Runs a program in a service's container. */
  async exec(name: string, ...command: readonly string[]): Promise<string> {
    return docker('exec', this.container(name), ...command);
  }

  /** Runs a service to its end with other words and further flags, as `docker compose run --rm` does; without a network. */
  async run(name: string, flags: readonly string[], ...words: readonly string[]): Promise<string> {
    const service = this.#service(name);
    const image = this.#options.images[name] ?? service.image;
    return docker('run', '--rm', ...testLabel, '--network', 'none', ...this.#flags(name, service), ...flags, image, ...words);
  }

  async untilHealthy(name: string, patience: number): Promise<void> {
    const state = () => docker('inspect', this.container(name), '--format', '{{.State.Health.Status}}');
    await until(`${name} to be healthy`, async () => (await state()) === 'healthy', patience);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#containers.values()) await docker('rm', '--force', '--volumes', id);
    const { networks, volumes } = this.#options.file;
    for (const name of Object.keys(volumes)) await docker('volume', 'rm', '--force', this.#own(name));
    for (const name of Object.keys({ default: null, ...networks })) await docker('network', 'rm', this.#own(name));
  }
}
