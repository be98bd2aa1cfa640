import { ConfigError, issueText } from '../../src/config/issues.ts';
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts';

export interface ConfigWorld {
  readonly env?: Readonly<Record<string, string>>;
  /** Secret files by absolute path. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A configuration text as if it were `/etc/sightline/s.yaml`, with nothing around it but what the test gives. */
export function configOf(text: string, world: ConfigWorld = {}): LoadedConfig {
  return loadConfig(text, {
    file: '/etc/sightline/s.yaml',
    env: world.env ?? {},
    readFile: (path) => {
      const found = world.files?.[path];
      if (found === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
      return found;
    },
    exists: () => false,
  });
}

/** The issues of a text, as `line:column path: message`; empty when it is accepted. */
export function issuesOf(text: string, world: ConfigWorld = {}): string[] {
  try {
    configOf(text, world);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map((issue) => issueText(issue).replace('/etc/sightline/s.yaml:', ''));
  }
}
