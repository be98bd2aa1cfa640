import { SightlineError } from '../core/errors.ts';

/**
 * A `.gst` file: a GStreamer launch string over several lines, `#` lines are comments, `${NAME}` is a value the camera's
 * `properties` must give, `${NAME=default}` one that they may. Pure.
 */
export interface PipelineTemplate {
  readonly placeholders: readonly { readonly name: string; readonly fallback: string | undefined }[];
  /** The launch string; throws `source.unsupported` naming values that are missing or that nobody asked for. */
  render(values: Readonly<Record<string, string>>): string;
}

const placeholder = /\$\{([A-Za-z][A-Za-z0-9_]*)(?:=([^}]*))?\}/g;

/** Plain words and numbers stand as they are, inside caps too; everything else is quoted so that it stays one value. */
function quoted(value: string): string {
  return /^[\w.-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}

export function parsePipeline(name: string, text: string): PipelineTemplate {
  const launch = text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ');
  const found = new Map<string, string | undefined>();
  for (const [, key, fallback] of launch.matchAll(placeholder)) {
    if (key !== undefined) found.set(key, found.get(key) ?? fallback);
  }
  const names = [...found.keys()];
  return {
    placeholders: [...found].map(([key, fallback]) => ({ name: key, fallback })),
    render: (values) => {
      const unknown = Object.keys(values).filter((key) => !found.has(key));
      const missing = names.filter((key) => values[key] === undefined && found.get(key) === undefined);
      const problems = [
        ...(missing.length === 0 ? [] : [`properties lack ${missing.join(', ')}`]),
        ...(unknown.length === 0 ? [] : [`properties have ${unknown.join(', ')}`]),
      ];
      if (problems.length > 0) {
        const known = names.length === 0 ? 'it has no placeholders' : `it has ${names.join(', ')}`;
        throw new SightlineError('source.unsupported', `pipeline ${name}: ${problems.join(' and ')}; ${known}`, {
          details: { pipeline: name, missing, unknown },
        });
      }
      return launch.replace(placeholder, (_, key: string) => quoted(values[key] ?? found.get(key) ?? ''));
    },
  };
}
