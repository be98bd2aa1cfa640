import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import type { LiveBox } from '../../src/core/live-messages.ts';

/** Pictures and a clip for the stub of the server, from the drawn film of the demo. */

const demo = resolve(import.meta.dirname, '../../demo');

interface Truth {
  readonly frames: readonly {
    readonly i: number;
    readonly faces: readonly { readonly id: string; readonly box: readonly [number, number, number, number] }[];
  }[];
}

export interface ViewerMaterial {
  readonly pictures: ReadonlyMap<string, Uint8Array>;
  readonly clip: Uint8Array;
  readonly clipIndex: {
    readonly fps: number;
    readonly at: number;
    readonly camera: string;
    readonly frames: readonly { time: number; boxes: readonly LiveBox[] }[];
  };
  /** A photo with two people, and what a check of it says. */
  readonly photo: Uint8Array;
  readonly check: {
    readonly width: number;
    readonly height: number;
    readonly faces: readonly {
      readonly box: { left: number; top: number; width: number; height: number };
      readonly refusals: readonly string[];
    }[];
  };
}

const frames: Readonly<Record<string, number>> = { lobby: 200, cashdesk: 520, lift: 420, yard: 10 };
const lastFrame = 375;

export function pictureOf({ pictures }: ViewerMaterial, kind: 'sighting' | 'reference' | 'still', name: string): Uint8Array {
  const found = pictures.get(`${kind} ${name}`) ?? pictures.get(`${kind} ada`) ?? pictures.get('still lobby');
  if (found === undefined) throw new Error('no pictures');
  return found;
}

/** Draws on what ffmpeg makes in `directory`; `clip` costs a moment more. */
export async function viewerMaterial(directory: string): Promise<ViewerMaterial> {
  const run = promisify(execFile);
  const film = join(demo, 'lobby.mp4');
  const chosen = Object.values(frames).toSorted((a, b) => a - b);
  const select = chosen.map((frame) => `eq(n\\,${frame})`).join('+');
  const quiet = ['-v', 'error', '-y'];
  await run('ffmpeg', [
    ...quiet,
    '-i',
    film,
    '-vf',
    `select=${select}`,
    '-fps_mode',
    'passthrough',
    '-frames:v',
    String(chosen.length),
    join(directory, '%d.png'),
  ]);
  await run('ffmpeg', [...quiet, '-i', film, '-t', '15', '-c', 'copy', '-movflags', '+faststart', join(directory, 'clip.mp4')]);
  const truth = JSON.parse(await readFile(join(demo, 'lobby.gt.json'), 'utf8')) as Truth;
  const pictures = new Map<string, Uint8Array>();
  const stillOf = (name: string) => join(directory, `${chosen.indexOf(frames[name] ?? 0) + 1}.png`);
  for (const name of Object.keys(frames)) pictures.set(`still ${name}`, await sharp(stillOf(name)).jpeg().toBuffer());
  const cut = async (still: string, id: string) => {
    const face =
      truth.frames[frames[still] ?? 0]?.faces.find((known) => known.id === id) ?? truth.frames[frames[still] ?? 0]?.faces[0];
    if (face === undefined) throw new Error(`nobody on ${still}`);
    const [left, top, width, height] = face.box;
    const wide = 1.3;
    const area = {
      left: Math.round(left - width * wide * 0.35),
      top: Math.max(0, Math.round(top - height * 0.5)),
      width: Math.round(width * 1.9),
      height: Math.round(height * 1.9),
    };
    return await sharp(stillOf(still)).extract(area).jpeg().toBuffer();
  };
  pictures.set('sighting ada', await cut('lobby', 'ada'));
  pictures.set('sighting bruno', await cut('lift', 'bruno'));
  pictures.set('sighting face', await cut('lift', 'otto'));
  for (const id of ['ada', 'bruno', 'otto'])
    for (const [name, photo] of [
      ['', 'front'],
      ['-left', 'left'],
      ['-right', 'right'],
    ] as const)
      pictures.set(
        `reference ${id}${name}`,
        await sharp(join(demo, 'photos', id, `${photo}.jpg`))
          .jpeg()
          .toBuffer(),
      );
  const size = { width: 1280, height: 720 };
  const boxes = (index: number): LiveBox[] =>
    (truth.frames[index]?.faces ?? []).map(({ id, box: [left, top, width, height] }, track) => ({
      track,
      label: 'face',
      box: [left / size.width, top / size.height, width / size.width, height / size.height],
      score: 0.9,
      ...(id === 'ada'
        ? { match: { entryId: 'ada', name: 'Ada Lindqvist', list: 'banned', kind: 'face' as const, similarity: 0.68 } }
        : {}),
      colour: id === 'ada' ? '#e0662b' : '#9aa5b1',
      decided: true,
    }));
  const found = (truth.frames[frames['lobby'] ?? 0]?.faces ?? []).toSorted((a, b) => a.box[0] - b.box[0]);
  return {
    pictures,
    clip: await readFile(join(directory, 'clip.mp4')),
    clipIndex: {
      fps: 25,
      at: 8,
      camera: 'lobby',
      frames: Array.from({ length: lastFrame }, (_, index) => ({ time: index / 25, boxes: boxes(index) })),
    },
    photo: pictures.get('still lobby') ?? new Uint8Array(),
    check: {
      ...size,
      faces: found.map(({ box: [left, top, width, height] }, index) => ({
        box: { left, top, width, height },
        refusals:
          index === 0
            ? []
            : [
                'the face is 77 px high; photos of at least 80 px work',
                'the face looks to the side; take one that faces the camera',
              ],
      })),
    },
  };
}
