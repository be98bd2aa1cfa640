import {
  type ClipTruth,
  cutLaterHalf,
  enrollable,
  type Gallery,
  listedVisits,
  playScene,
  publishedAtFrame,
  readClip,
  type Scene,
  type Visit,
} from '../../test/support/clips.ts';
import { temporaryDirectory } from '../../test/support/directory.ts';

/** Whole runs of the program with the shipped defaults, alerts from a real broker held against the ground truth. */

export const scenarios = {
  A: "the clip's own watchlist",
  B: 'everybody enrolled, those not on its watchlist ignored',
  C: 'no listed face in view, everybody on the watchlist',
  D: 'appearance: visitor_1 by three cuts from the later half of the visit',
  E: 'strangers in view, everybody else on the watchlist',
} as const;

export type Scenario = keyof typeof scenarios;

export interface SceneFigures {
  readonly scenario: Scenario;
  readonly clip: string;
  readonly footageS: number;
  /** Footage in which nobody listed is in view. */
  readonly unlistedS: number;
  readonly visits: number;
  readonly alerts: number;
  readonly missed: number;
  /** Alerts for somebody who is not in view, and second alerts of one visit. */
  readonly false: number;
  /** Of each hit: first visible frame to the deciding frame in media time, and what deciding and publishing took after it arrived. */
  readonly toAlert: readonly { readonly id: string; readonly mediaS: number; readonly latencyS: number }[];
}

const faceClips = ['real_headpose_m', 'real_tilt_m', 'synth_crowd_a', 'synth_shots_a'] as const;
const clipsWithoutListed = ['neg_carpark', 'real_classroom', 'real_visits_a', 'real_worker'] as const;
export const allClips: readonly string[] = [...faceClips, ...clipsWithoutListed];

/** The ground truth begins a visit where most of a face is visible; half a second before, some of it is. */
const earlyS = 0.5;

function judge(scenario: Scenario, clip: ClipTruth, visits: readonly Visit[], opened: Scene['opened']): SceneFigures {
  const toAlert: { id: string; mediaS: number; latencyS: number }[] = [];
  for (const visit of visits) {
    const own = opened.find(
      (alert) =>
        alert.entry?.name === visit.id &&
        alert.frame.sequence >= visit.from - earlyS * clip.fps &&
        publishedAtFrame(alert, clip) < visit.to,
    );
    if (own === undefined) continue;
    toAlert.push({
      id: visit.id,
      mediaS: (own.frame.sequence - visit.from) / clip.fps,
      latencyS: (publishedAtFrame(own, clip) - own.frame.sequence) / clip.fps,
    });
  }
  const listed = new Set(visits.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i)));
  return {
    scenario,
    clip: clip.name,
    footageS: clip.frames / clip.fps,
    unlistedS: (clip.frames - listed.size) / clip.fps,
    visits: visits.length,
    alerts: opened.length,
    missed: visits.length - toAlert.length,
    false: opened.length - toAlert.length,
    toAlert,
  };
}

export interface SceneOptions {
  readonly scenarios: readonly Scenario[];
  readonly clips: readonly string[];
  readonly progress: (text: string) => void;
}

export async function measureScenes({ scenarios: wanted, clips, progress }: SceneOptions): Promise<readonly SceneFigures[]> {
  const figures: SceneFigures[] = [];
  const chosen = (names: readonly string[]) => names.filter((name) => clips.includes(name)).map((name) => readClip(name));
  const inView = (clip: ClipTruth) => new Set(clip.faces.map(({ id }) => id));
  const faceScene = async (scenario: Scenario, clip: ClipTruth, gallery: Gallery, visits: readonly Visit[]) => {
    const scene = await playScene({ gallery, cameras: { clip: clip.path } });
    figures.push(judge(scenario, clip, visits, scene.opened));
    progress(`${scenario} ${clip.name}: ${scene.opened.length} alerts`);
  };

  for (const clip of chosen(faceClips)) {
    const others = enrollable().filter((id) => !clip.watchlist.includes(id));
    const strangers = enrollable().filter((id) => !inView(clip).has(id));
    if (wanted.includes('A')) await faceScene('A', clip, { watch: clip.watchlist }, listedVisits(clip));
    if (wanted.includes('B')) await faceScene('B', clip, { watch: clip.watchlist, ignore: others }, listedVisits(clip));
    if (wanted.includes('E')) await faceScene('E', clip, { watch: strangers }, []);
  }
  const empty = chosen(clipsWithoutListed);
  if (wanted.includes('C') && empty.length > 0) {
    const cameras = Object.fromEntries(empty.map(({ name, path }) => [name, path]));
    const { opened } = await playScene({ gallery: { watch: enrollable() }, cameras });
    for (const clip of empty) {
      const own = opened.filter(({ camera }) => camera === clip.name);
      figures.push(judge('C', clip, [], own));
    }
    progress(`C ${empty.map(({ name }) => name).join(', ')}: ${opened.length} alerts`);
  }
  const [visits] = chosen(['real_visits_a']);
  const visit = visits?.persons.find(({ id }) => id === 'visitor_1');
  if (wanted.includes('D') && visits !== undefined && visit !== undefined) {
    await using folder = await temporaryDirectory();
    const pictures = cutLaterHalf(visits, visit, folder.path);
    const scene = await playScene({
      gallery: { watch: [], bodies: { [visit.id]: pictures } },
      cameras: { clip: visits.path },
      kind: 'appearance',
    });
    figures.push(judge('D', visits, [visit], scene.opened));
    progress(`D ${visits.name}: ${scene.opened.length} alerts`);
  }
  return figures.toSorted((a, b) => a.scenario.localeCompare(b.scenario));
}
