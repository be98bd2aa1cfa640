import { SightlineError } from '../core/errors.ts';
import type { EntryRecord } from '../core/store.ts';
import type { MatchResult } from '../core/types.ts';
import type { Lists, Member } from './members.ts';
import { embedReference, type PhotoTools, type ReferencePicture } from './photos.ts';
import { choose, inReadingOrder, judge, type Refusal } from './quality.ts';
import type { PhotoKind, Space } from './spaces.ts';

/** What any enrolment says of its entry. */
export interface EntryRequest {
  readonly name: string;
  readonly list: string;
  /** Adds to this entry; otherwise to the one of the same name, list and kind, or to a new one. */
  readonly entryId?: string;
  /** These describe a new entry; for one that exists, those given replace its own. */
  readonly notes?: string;
  readonly reason?: string;
  readonly expiresAt?: number;
  readonly threshold?: number;
  readonly actor: string;
}

export interface DescribeRequest extends EntryRequest {
  /** Attributes, separated by commas. */
  readonly text: string;
}

export interface EnrolRequest extends EntryRequest {
  readonly photo: Uint8Array;
  /** Where the photo came from, for people: a file name. Kept with the reference and erased with it. */
  readonly source: string;
  readonly kind?: PhotoKind;
  /** Which face or body of several, counted from 1 from the left. */
  readonly pick?: number;
  /** Enrols a photo of poor quality, marked, with a raised threshold. */
  readonly acceptQuality?: boolean;
  /** A picture of somebody else who looks like this entry. */
  readonly negative?: boolean;
}

/** A photo that became a vector. */
export interface Embedded {
  readonly picture: ReferencePicture;
  readonly vector: Float32Array;
  readonly quality: number;
  /** What was wrong with it and was accepted. */
  readonly refusals: readonly Refusal[];
}

/** A picture that is this close to one that is there already is the same picture. */
const sameCosine = 0.999;
const longestText = 2000;

function refused(source: string, refusals: readonly Refusal[], details: Readonly<Record<string, unknown>>): SightlineError {
  return new SightlineError('photo.refused', `${source} is refused: ${refusals.map(({ message }) => message).join('; ')}`, {
    details: { source, refusals, ...details },
  });
}

/** All but its name, which `entryName` checks before there is an entry of it. Throws `control.request` for values that cannot be, `watchlist.unknown` for a list that is not configured. */
export function checkEntry(entry: EntryRecord, lists: Lists, now: number): void {
  const wrong = (message: string) => new SightlineError('control.request', message, { details: { list: entry.list } });
  if (!Object.hasOwn(lists, entry.list)) {
    const known = Object.keys(lists);
    throw new SightlineError(
      'watchlist.unknown',
      `there is no list ${entry.list}; the configuration has ${known.length === 0 ? 'none' : known.join(', ')}`,
      { details: { list: entry.list, known } },
    );
  }
  if (entry.notes.length > longestText || entry.reason.length > longestText) {
    throw wrong(`notes and reason have at most ${longestText} characters`);
  }
  if (entry.threshold !== undefined && !(entry.threshold > 0 && entry.threshold < 1)) {
    throw wrong(`threshold ${entry.threshold} is not between 0 and 1`);
  }
  if (entry.expiresAt !== undefined && !(entry.expiresAt > now)) throw wrong('the expiry lies in the past');
}

/** Finds, judges, cuts and embeds the subject of a photo. Throws `photo.refused`, `photo.undecodable`, `watchlist.dimension`. */
export async function embedPhoto(
  photos: PhotoTools,
  request: Pick<EnrolRequest, 'photo' | 'source' | 'pick' | 'acceptQuality'>,
  kind: PhotoKind,
  space: Space,
  signal: AbortSignal,
): Promise<Embedded> {
  const analysis = await photos.analyse(request.photo, kind, signal);
  const subject = choose(analysis, kind, request.pick);
  const boxes = inReadingOrder(analysis.subjects).map(({ box }) => box);
  if ('reason' in subject) throw refused(request.source, [subject], { boxes });
  const refusals = judge(subject.quality, kind);
  if (refusals.length > 0 && request.acceptQuality !== true)
    throw refused(request.source, refusals, { boxes, quality: subject.quality });
  const picture = await photos.cut(request.photo, subject, kind, signal);
  const vector = await embedReference({ photos }, picture, picture.jpeg, kind, space, signal);
  return { picture, vector, quality: subject.quality.overall, refusals };
}

/** What a person should know before relying on a new description of `entry`, from the nearest descriptions. */
export function warningsOfDescription({ top }: MatchResult, entry: EntryRecord): readonly string[] {
  const same = top.filter(({ score }) => score >= sameCosine);
  return same.map(({ entryId, entryName, list }) =>
    entryId === entry.id
      ? 'the entry has this description already'
      : `${entryName} (${entryId}) on list ${list} has this description too`,
  );
}

/** What a person should look at before relying on a new picture of `entry`, from its nearest entries. */
export function warningsOf(
  result: MatchResult,
  entry: EntryRecord,
  before: Member | undefined,
  options: { readonly negative: boolean; readonly threshold: number },
): readonly string[] {
  const own = result.top.find(({ entryId }) => entryId === entry.id);
  const warnings: string[] = [];
  if (options.negative) {
    if (own !== undefined && own.score >= sameCosine) {
      warnings.push(
        "this negative example is one of the entry's own pictures; the entry will not be matched where it looks like this one",
      );
    }
    return warnings;
  }
  for (const { entryId, entryName, list, score } of result.top) {
    if (entryId === entry.id || score < options.threshold) continue;
    warnings.push(
      `nearly identical to ${entryName} (${entryId}) on list ${list}: similarity ${score.toFixed(2)}; one person in two entries is told from neither, and there is no alert: keep one of them, with all pictures`,
    );
  }
  if (own !== undefined && own.score >= sameCosine) warnings.push('the entry has this picture already');
  const pictured = before?.references.some(({ negative }) => !negative) ?? false;
  if (pictured && (own === undefined || own.score < options.threshold)) {
    const how = own === undefined ? '' : `: similarity ${own.score.toFixed(2)}`;
    warnings.push(`does not look like the entry's other pictures${how}`);
  }
  return warnings;
}
