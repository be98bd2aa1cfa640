import type { LiveBox } from '../core/live-messages.ts';
import type { OverlayFrame } from '../core/media-door.ts';

/** A box as it may lie on the disk: whom it is similar to by the id alone, so that erasing an entry leaves no name behind. */
export interface IndexBox extends Omit<LiveBox, 'match'> {
  readonly match?: Omit<NonNullable<LiveBox['match']>, 'name'>;
}

/** The boxes of the last frames of one camera, by frame. */
export interface OverlayRing {
  /** Returns how many frames were dropped because there were too many, not because they are old. */
  push(frame: OverlayFrame, mono: number): number;
  /** Undefined where no metadata came for the frame. */
  find(epoch: number, pts90k: bigint): readonly IndexBox[] | undefined;
  /** Takes the entry out of all boxes. */
  forget(entryId: string): void;
  /** Camera time of the newest frame. */
  readonly newestMs: number | undefined;
}

/** Ten minutes of 50 frames a second; and a crowd. */
const mostFrames = 30_000;
const mostBoxes = 60_000;
/** Metadata comes after its video, so that it must live a little longer. */
const graceMs = 5000;

interface KeptFrame {
  boxes: readonly IndexBox[];
  readonly arrivedMono: number;
}

export function createOverlayRing({ seconds }: { readonly seconds: number }): OverlayRing {
  const frames = new Map<string, KeptFrame>();
  let boxes = 0;
  let newestMs: number | undefined;

  function drop(key: string, frame: KeptFrame): void {
    frames.delete(key);
    boxes -= frame.boxes.length;
  }

  return {
    push: (overlay, mono) => {
      const key = `${overlay.epoch}/${overlay.pts90k}`;
      const before = frames.get(key);
      if (before !== undefined) drop(key, before);
      const frame = { boxes: overlay.boxes.map(nameless), arrivedMono: mono };
      frames.set(key, frame);
      boxes += frame.boxes.length;
      newestMs = overlay.time;
      let dropped = 0;
      for (const [oldKey, old] of frames) {
        const isOld = mono - old.arrivedMono >= seconds * 1000 + graceMs;
        if (!isOld && frames.size <= mostFrames && boxes <= mostBoxes) break;
        if (!isOld) dropped += 1;
        drop(oldKey, old);
      }
      return dropped;
    },
    find: (epoch, pts90k) => frames.get(`${epoch}/${pts90k}`)?.boxes,
    forget: (entryId) => {
      for (const frame of frames.values()) {
        if (!frame.boxes.some(({ match }) => match?.entryId === entryId)) continue;
        frame.boxes = frame.boxes.map((shown) => {
          const { match, ...rest } = shown;
          return match?.entryId === entryId ? rest : shown;
        });
      }
    },
    get newestMs() {
      return newestMs;
    },
  };
}

function nameless(live: LiveBox): IndexBox {
  const { match, ...rest } = live;
  if (match === undefined) return rest;
  const { name: _name, ...known } = match;
  return { ...rest, match: known };
}
