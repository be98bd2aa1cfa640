import { quantile } from '../support/quantile.ts';
import type { TortureResult } from './run.ts';

/** The torture table, and what in it must not be. Pure. */

/** Other cameras' analysed frames per second of video, after a kill against before. */
const steadyWithin = 0.05;
const recoveredWithinMs = 60_000;

export function tableOf(result: TortureResult): string {
  const { verdict, frames, recoveriesMs } = result;
  const { outcomes } = verdict;
  const kills = (what: 'daemon' | 'worker') => result.faults.filter((fault) => fault.what === what).length;
  const seconds = (ms: readonly number[]) =>
    ms.length === 0 ? '-' : `${(quantile(ms, 0.5) / 1000).toFixed(1)} / ${(Math.max(...ms) / 1000).toFixed(1)} s`;
  const rows: readonly (readonly [string, string])[] = [
    ['run', `${result.seconds.toFixed(0)} s`],
    ['broker away', `${(result.brokerAwayMs / 1000).toFixed(0)} s`],
    ['daemon killed / starts', `${kills('daemon')} / ${result.daemonStarts}`],
    ['worker killed / deaths seen by daemons', `${kills('worker')} / ${result.workerDeaths}`],
    ['first picture after a daemon kill, median / longest', seconds(recoveriesMs.daemon)],
    ['first picture after a worker kill, median / longest', seconds(recoveriesMs.worker)],
    ['visits planted', String(verdict.planted)],
    ['  tellable (a second of clear face between kills)', String(verdict.tellable)],
    ['  told live', String(outcomes.live)],
    ['  told late', String(outcomes.late)],
    ['  only in history', String(outcomes.history)],
    ['  tellable and missed', String(outcomes.missed)],
    ['  not tellable: told all the same / not told', `${verdict.toldUntellable} / ${outcomes.unseen}`],
    ['alert ids', String(verdict.alerts)],
    ['  of no planted visit (invented)', String(verdict.invented.length)],
    ['  visits under two ids', String(verdict.doubles - verdict.split)],
    ['  visits in two presences (blind for longer than leaveAfter between)', String(verdict.split)],
    ['  ids of two visits (a kill between them hid that the first was over)', String(verdict.joined - verdict.undulyJoined)],
    ['  ids of two visits otherwise', String(verdict.undulyJoined)],
    ['  told and not in history', String(verdict.unrecorded)],
    ['  never closed', String(verdict.unclosed)],
    ['messages', String(verdict.messages)],
    ['  repeats (same id and revision)', String(verdict.repeats)],
    ['  revisions that never came', String(verdict.absentRevisions)],
    ['analysed frames per second of video (5 asked for)', result.analysed.toFixed(2)],
    ...(frames === undefined
      ? []
      : ([
          ['other cameras, analysed frames after a worker kill / before, pooled', frames.pooled.toFixed(3)],
          [
            `  median, lowest and highest of ${frames.effects.length} windows`,
            `${frames.median.toFixed(3)}, ${frames.lowest.toFixed(3)}, ${frames.highest.toFixed(3)}`,
          ],
          ['  pictures per second of real time, after / before', frames.picturesPooled.toFixed(3)],
        ] as const)),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

export function complaintsOf({ verdict, frames, recoveriesMs, faults, workerDeaths }: TortureResult): readonly string[] {
  const { outcomes, doubles, split, undulyJoined, invented, absentRevisions, unrecorded, unclosed } = verdict;
  const longest = Math.max(0, ...recoveriesMs.daemon, ...recoveriesMs.worker);
  const broken: readonly (readonly [boolean, string])[] = [
    [outcomes.missed > 0, `${outcomes.missed} visits could be told and were not`],
    [invented.length > 0, `${invented.length} alerts belong to no visit`],
    [doubles > split, `${doubles - split} visits came under two ids`],
    [undulyJoined > 0, `${undulyJoined} alerts stand for two visits that were well apart`],
    [unrecorded > 0, `${unrecorded} alerts were told and are not in history`],
    [unclosed > 0, `${unclosed} alerts were never closed`],
    [absentRevisions > 0, `${absentRevisions} revisions of alerts never came`],
    [longest > recoveredWithinMs, `a camera was blind for ${(longest / 1000).toFixed(0)} s after a kill`],
    [
      workerDeaths < faults.filter(({ what }) => what === 'worker').length / 2,
      `daemons noted only ${workerDeaths} deaths of workers`,
    ],
    [
      frames !== undefined && Math.abs(frames.pooled - 1) > steadyWithin,
      `a worker kill changes other cameras' analysed frames to ${frames?.pooled.toFixed(3)}`,
    ],
  ];
  return broken.filter(([holds]) => holds).map(([, words]) => words);
}
