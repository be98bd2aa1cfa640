import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';

/** What the benches share: one table on stdout, one file of figures, progress on stderr. */

export interface Report {
  /** Of the file in bench/results. */
  readonly name: string;
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes?: readonly string[];
  /** All that was measured, for the file. */
  readonly figures: unknown;
}

/** Before anything was measured: a bench is its own load later. */
const loadBefore = loadavg()[0]?.toFixed(1) ?? '?';

export function machine(): string {
  return `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, load before ${loadBefore}`;
}

function commit(): string | undefined {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
  } catch {
    return undefined; // a copy without its history
  }
}

/** Prints the table and writes bench/results/NAME.json. */
export function publish({ name, title, columns, rows, notes = [], figures }: Report): void {
  const date = new Date().toISOString();
  const widths = columns.map((column, at) => Math.max(column.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  const head = `${title} (${date.slice(0, 10)}, ${machine()})`;
  console.log([head, line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ...notes].join('\n'));
  const folder = join(import.meta.dirname, '../results');
  mkdirSync(folder, { recursive: true });
  const written = { date, machine: machine(), commit: commit(), columns, rows, notes, figures };
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(written, undefined, 2)}\n`);
}

const began = performance.now();

export function progress(text: string): void {
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
}
