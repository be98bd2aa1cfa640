import { SightlineError } from '../core/errors.ts';

/** One thing that is wrong with a configuration file, where it stands and what would be allowed. Never shows a secret. */
export interface ConfigIssue {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** `cameras.lobby.detect[0].fps`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** `sightline.yaml:12:5 cameras.lobby.detect[0].fps: 500 is not allowed; expected a number above 0, at most 60` */
export function issueText(issue: ConfigIssue): string {
  const path = issue.path === '' ? '' : ` ${issue.path}`;
  return `${issue.file}:${issue.line}:${issue.column}${path}: ${issue.message}`;
}

/** Everything that is wrong with a file at once, in the order of the file. */
export class ConfigError extends SightlineError {
  readonly issues: readonly ConfigIssue[];

  constructor(file: string, issues: readonly ConfigIssue[]) {
    const [first] = issues;
    const count = issues.length === 1 ? '1 issue' : `${issues.length} issues`;
    super('config.invalid', `${file} has ${count}${first === undefined ? '' : `, first ${issueText(first)}`}`, {
      details: { issues: issues.map(issueText) },
    });
    this.name = 'ConfigError';
    this.issues = issues;
  }
}

export function inFileOrder(issues: readonly ConfigIssue[]): ConfigIssue[] {
  return issues.toSorted((a, b) => a.line - b.line || a.column - b.column || (a.path < b.path ? -1 : 1));
}
