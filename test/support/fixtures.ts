import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * Networks, a clip and photos of drawn people, for a clone without the shared test data: the whole path runs on them. See
 * test/fixtures/README.md; `manifest.json` and `*.gt.json` have the form of the shared ones.
 */
export const fixtureDirectory = resolve(import.meta.dirname, '../fixtures');

/** A model repository with the five networks of `fixtureModels`, weights included. */
export const fixtureModelRepository = join(fixtureDirectory, 'model_repository');

export const fixtureModels = {
  /** Faces with five points; the tensors of CenterFace. */
  face: 'fixture_face',
  /** Bodies, also from behind; the tensors of a YOLOv7 end-to-end export. */
  person: 'fixture_person',
  /** Five-point face embedder, 64 numbers. */
  faceEmbedder: 'fixture_embed',
  /** Appearance embedder; the tensors of CLIP's image side, 512 numbers. */
  appearanceEmbedder: 'fixture_clip',
  /** Ten colours of jacket and trousers as words, in the space of `fixture_clip`; the tensors of CLIP's text side. */
  textEmbedder: 'fixture_text',
} as const;

export type Rectangle = readonly [left: number, top: number, width: number, height: number];

export interface GroundTruth {
  readonly clip: string;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly frame_count: number;
  readonly watchlist: readonly string[];
  readonly unknown: readonly string[];
  /** Frames, both ends included, in which the whole face is inside the picture. */
  readonly face_intervals: readonly { readonly id: string; readonly from: number; readonly to: number }[];
  /** The same for more than half of the body. */
  readonly person_intervals: readonly { readonly id: string; readonly from: number; readonly to: number }[];
  readonly frames: readonly {
    readonly i: number;
    readonly faces: readonly {
      readonly id: string;
      readonly box: Rectangle;
      /** Share of the box inside the picture. */
      readonly visible: number;
      readonly kps: readonly (readonly [number, number])[];
    }[];
    readonly persons: readonly { readonly id: string; readonly box: Rectangle; readonly visible: number }[];
  }[];
}

export interface FixturePerson {
  /** Paths below the fixture directory, as are `probe` and `body`. */
  readonly enrol: readonly string[];
  readonly probe: readonly string[];
  /** Cut-outs of the whole body from the second half of the visit. */
  readonly body?: readonly string[];
}

export interface FixtureManifest {
  readonly people: Readonly<Record<'ada' | 'ben' | 'cyd' | 'dee' | 'eve', FixturePerson>>;
  readonly clips: readonly {
    readonly clip: string;
    readonly gt: string;
    readonly fps: number;
    readonly frames: number;
    readonly watchlist: readonly string[];
    readonly unknown: readonly string[];
    readonly face_intervals_s: readonly { readonly id: string; readonly from: number; readonly to: number }[];
    readonly person_intervals_s: readonly { readonly id: string; readonly from: number; readonly to: number }[];
  }[];
}

/** Photos that enrolment must refuse, each for its own reason. */
export const badPhotos = {
  noFace: 'bad-photos/no_face.jpg',
  twoFaces: 'bad-photos/two_faces.jpg',
  tiny: 'bad-photos/tiny.jpg',
  blurred: 'bad-photos/blurred.jpg',
  tilted: 'bad-photos/tilted.jpg',
  notAnImage: 'bad-photos/not_an_image.jpg',
  truncated: 'bad-photos/truncated.jpg',
  onePixel: 'bad-photos/one_pixel.png',
  /** A header of 60000 x 60000 pixels around nothing. */
  bomb: 'bad-photos/bomb.png',
} as const;

export const lobbyClip = 'clips/lobby.mp4';
export const lobbyTruth = 'clips/lobby.gt.json';

/** The absolute path of a file below test/fixtures. */
export function fixturePath(file: string): string {
  return join(fixtureDirectory, file);
}

export function readFixtureManifest(): FixtureManifest {
  return JSON.parse(readFileSync(fixturePath('manifest.json'), 'utf8'));
}

export function readLobbyTruth(): GroundTruth {
  return JSON.parse(readFileSync(fixturePath(lobbyTruth), 'utf8'));
}
