import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Control } from '../core/control.ts';
import { isSightlineError, SightlineError } from '../core/errors.ts';
import { type CommandIo, type CommandServices, onlyPositional, usage } from './command.ts';

/** How a command finds its daemon, or does without one. */

export const sessionOptions = {
  config: { type: 'string', short: 'c' },
  data: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const sessionHelp = `  -c, --config FILE   configuration of the daemon (default $SIGHTLINE_CONFIG or sightline.yaml)
      --data DIR      data directory of the daemon, instead of reading it from the configuration
      --json          one JSON object a line instead of text`;

interface SessionValues {
  readonly config?: string | undefined;
  readonly data?: string | undefined;
}

function usualConfig(io: CommandIo): string {
  return resolve(io.env['SIGHTLINE_CONFIG'] ?? 'sightline.yaml');
}

function configFile(values: SessionValues, io: CommandIo): string {
  return values.config === undefined ? usualConfig(io) : resolve(values.config);
}

function noConfig(file: string, how: string): SightlineError {
  return usage(`there is no ${file}; name the configuration ${how}`);
}

/** The configuration file that is the only argument, else the usual one. Throws `cli.usage` when none is named and there is none. */
export function configArgument(positionals: readonly string[], io: CommandIo): string {
  if (positionals.length > 0) return resolve(onlyPositional(positionals, 'FILE'));
  const file = usualConfig(io);
  if (!existsSync(file)) throw noConfig(file, 'as FILE or by $SIGHTLINE_CONFIG');
  return file;
}

/** The configuration of a command that does without one; undefined when none is named and there is none where it usually lies. */
export function configIfAny(positionals: readonly string[], io: CommandIo): string | undefined {
  const isNamed = positionals.length > 0 || io.env['SIGHTLINE_CONFIG'] !== undefined;
  return isNamed || existsSync(usualConfig(io)) ? configArgument(positionals, io) : undefined;
}

async function dataDirectory(values: SessionValues, io: CommandIo, services: CommandServices): Promise<string> {
  if (values.data !== undefined) return resolve(values.data);
  const file = configFile(values, io);
  try {
    return await services.dataDirOf(file);
  } catch (error) {
    if (values.config !== undefined || existsSync(file)) throw error;
    throw noConfig(file, 'with --config FILE or by $SIGHTLINE_CONFIG, or its data directory with --data DIR');
  }
}

async function connected(values: SessionValues, io: CommandIo, services: CommandServices): Promise<Control> {
  return services.connect(await dataDirectory(values, io, services));
}

/** For what only a running daemon can answer. */
export async function withDaemon<T>(
  values: SessionValues,
  io: CommandIo,
  services: CommandServices,
  use: (control: Control) => Promise<T>,
): Promise<T> {
  return use(await connected(values, io, services));
}

/** Through the running daemon, or with the store opened here when none runs. */
export async function withStore<T>(
  values: SessionValues,
  io: CommandIo,
  services: CommandServices,
  use: (control: Control) => Promise<T>,
): Promise<T> {
  const control = await connected(values, io, services);
  if (await isRunning(control, io)) return use(control);
  if (values.data !== undefined && values.config === undefined) {
    throw new SightlineError(
      'control.unavailable',
      `no daemon runs on ${resolve(values.data)}; without one the configuration is needed: give --config FILE`,
    );
  }
  await using store = await services.openStore(configFile(values, io));
  return await use(store);
}

async function isRunning(control: Control, io: CommandIo): Promise<boolean> {
  try {
    await control.call('status', {}, io.signal);
    return true;
  } catch (error) {
    if (isSightlineError(error, 'control.unavailable') && error.details['missing'] === true) return false;
    throw error;
  }
}
