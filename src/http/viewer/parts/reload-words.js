import { counted, moment } from './format.js';

/**
 * What came of a reload that was asked for. The daemon watches the file, and is often faster than whoever asks. Pure.
 *
 * @import { ReloadView } from '../../../core/control.ts'
 */

/** @param {ReloadView} view @param {number} now */
export function reloadWords({ state, issues, changes, needsDaemonRestart, taken }, now) {
  if (state === 'refused') return `Refused, nothing has changed: ${issues.join('; ')}`;
  const before =
    taken === undefined
      ? []
      : [`Taken from the file already, ${moment(taken.at, now)}: ${taken.changes.map(({ path }) => path).join(', ')}.`];
  if (state === 'unchanged') return before.length === 0 ? 'Nothing has changed in the file.' : before.join(' ');
  const restart = needsDaemonRestart.length === 0 ? [] : [`A restart is needed for ${needsDaemonRestart.join(', ')}.`];
  return [...before, `Applied: ${counted(changes.length, 'change')}.`, ...restart].join(' ');
}
