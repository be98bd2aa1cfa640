import type { ListConfig, RuleConfig } from '../config/schema.ts';
import type { LedgerReason, Severity } from '../core/alerts.ts';
import type { CameraId, MatchKind } from '../core/types.ts';
import { compileSchedule } from './schedule.ts';

/** An entry as matches name it. */
export interface Listed {
  readonly id: string;
  readonly name: string;
  readonly list: string;
}

/** Somebody decided, or a face known to be nobody's, as rules look at it. */
export interface Presence {
  readonly kind: MatchKind | 'unknown';
  /** Absent for `unknown`. */
  readonly entry?: Listed;
  readonly camera: CameraId;
  readonly score: number;
  /** How long the face has matched nobody, event time. */
  readonly unknownForMs?: number;
  /** How long they have been inside a zone of this camera, event time; undefined outside. */
  readonly dwellMs: (zone: string) => number | undefined;
  /** Wall clock, for schedules. */
  readonly wallMs: number;
}

export type Refusal = Extract<
  LedgerReason,
  'ignored' | 'no_rule' | 'rule_camera' | 'rule_zone' | 'rule_schedule' | 'rule_score' | 'cooldown'
>;

export type RuleAnswer =
  | { readonly fires: true; readonly severity: Severity }
  | { readonly fires: false; readonly reason: Refusal; readonly details: Readonly<Record<string, number | string>> };

export interface Rule {
  readonly name: string;
  readonly cooldownMs: number;
  /** Set for rules about unknown faces. */
  readonly unknownMs?: number;
  /** Zones whose dwell this rule asks for. */
  readonly zones: readonly string[];
  ask(presence: Presence): RuleAnswer;
}

/** How far a presence got with a rule that did not fire; the ledger keeps the farthest. */
const progress: readonly Refusal[] = [
  'ignored',
  'no_rule',
  'rule_camera',
  'rule_zone',
  'rule_schedule',
  'rule_score',
  'cooldown',
];

export function farther(a: Refusal, b: Refusal): boolean {
  return progress.indexOf(a) > progress.indexOf(b);
}

export const defaultRuleName = 'default';

/** Entries of lists that the configuration does not name count as watched. */
export function isIgnored(lists: Readonly<Record<string, ListConfig>>, list: string): boolean {
  return lists[list]?.kind === 'ignore';
}

/**
 * Rules with their lists, schedules and severities worked in. None configured means one, `default`: every entry of every watch list,
 * on all cameras. Entries of ignore lists never fire.
 */
export function compileRules(rules: readonly RuleConfig[], lists: Readonly<Record<string, ListConfig>>): readonly Rule[] {
  if (rules.length === 0) {
    const ask = (presence: Presence): RuleAnswer => selectEntry([], [], lists, presence) ?? fire(undefined, lists, presence);
    return [{ name: defaultRuleName, cooldownMs: 0, zones: [], ask }];
  }
  return rules.map((rule) => compileRule(rule, lists));
}

function compileRule(rule: RuleConfig, lists: Readonly<Record<string, ListConfig>>): Rule {
  const { when } = rule;
  const scheduled = compileSchedule(when.schedule);
  return {
    name: rule.name,
    cooldownMs: rule.cooldown,
    ...(when.unknown === undefined ? {} : { unknownMs: when.unknown }),
    zones: when.zones,
    ask: (presence) => {
      const selected =
        when.unknown === undefined
          ? selectEntry(when.lists, when.entries, lists, presence)
          : selectUnknown(when.unknown, presence);
      if (selected !== undefined) return selected;
      if (when.unknown === undefined && when.kinds.length > 0 && !when.kinds.some((kind) => kind === presence.kind))
        return refuse('no_rule', { kind: presence.kind });
      if (when.cameras.length > 0 && !when.cameras.includes(presence.camera)) return refuse('rule_camera', {});
      if (when.zones.length > 0) {
        const longestMs = Math.max(-1, ...when.zones.map((zone) => presence.dwellMs(zone) ?? -1));
        if (longestMs < 0) return refuse('rule_zone', {});
        if (longestMs < when.dwell) return refuse('rule_zone', { dwellMs: longestMs, neededMs: when.dwell });
      }
      if (!scheduled(presence.wallMs)) return refuse('rule_schedule', {});
      if (when.minScore !== undefined && presence.score < when.minScore)
        return refuse('rule_score', { minScore: when.minScore });
      return fire(rule.severity, lists, presence);
    },
  };
}

function refuse(reason: Refusal, details: Readonly<Record<string, number | string>>): RuleAnswer {
  return { fires: false, reason, details };
}

/** Undefined when the entry is one that the rule means. */
function selectEntry(
  names: readonly string[],
  entries: readonly string[],
  lists: Readonly<Record<string, ListConfig>>,
  { entry }: Presence,
): RuleAnswer | undefined {
  if (entry === undefined) return refuse('no_rule', {});
  if (isIgnored(lists, entry.list)) return refuse('ignored', { list: entry.list });
  if (names.length === 0 && entries.length === 0) return undefined;
  const meant = names.includes(entry.list) || entries.includes(entry.id) || entries.includes(entry.name);
  return meant ? undefined : refuse('no_rule', {});
}

function selectUnknown(neededMs: number, { kind, unknownForMs }: Presence): RuleAnswer | undefined {
  if (kind !== 'unknown' || unknownForMs === undefined || unknownForMs < neededMs) return refuse('no_rule', {});
  return undefined;
}

/** The rule's severity, else the list's, else medium. */
function fire(severity: Severity | undefined, lists: Readonly<Record<string, ListConfig>>, { entry }: Presence): RuleAnswer {
  const ofList = entry === undefined ? undefined : lists[entry.list]?.severity;
  return { fires: true, severity: severity ?? ofList ?? 'medium' };
}
