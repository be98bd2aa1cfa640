/**
 * How a source frame is fitted into a detector's input and how its results find back. Stretch: each axis by itself. Letterbox: one
 * gain, centred, the rest padded (YOLO family; Python's `round`, half to even, because the networks' own clients use it). Letterbox
 * at the top left: one gain, sizes cut to whole pixels, all padding right and below (YOLOX's own client).
 */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Fit {
  readonly input: Size;
  /** The part of the input that holds the picture. */
  readonly content: Size;
  /** Whole pixels of padding left of and above the content. */
  readonly left: number;
  readonly top: number;
  /** Source = (input − shift) · scale. */
  readonly shiftX: number;
  readonly shiftY: number;
  readonly scaleX: number;
  readonly scaleY: number;
}

export const fitModes = ['stretch', 'letterbox', 'letterbox_top_left'] as const;
export type FitMode = (typeof fitModes)[number];

export function planFit(mode: FitMode, source: Size, input: Size): Fit {
  if (mode === 'stretch') {
    const scaleX = source.width / input.width;
    const scaleY = source.height / input.height;
    return { input, content: input, left: 0, top: 0, shiftX: 0, shiftY: 0, scaleX, scaleY };
  }
  const gain = Math.min(input.width / source.width, input.height / source.height);
  if (mode === 'letterbox_top_left') {
    const content = {
      width: Math.max(1, Math.trunc(source.width * gain)),
      height: Math.max(1, Math.trunc(source.height * gain)),
    };
    return { input, content, left: 0, top: 0, shiftX: 0, shiftY: 0, scaleX: 1 / gain, scaleY: 1 / gain };
  }
  const content = {
    width: Math.max(1, roundHalfEven(source.width * gain)),
    height: Math.max(1, roundHalfEven(source.height * gain)),
  };
  const shiftX = (input.width - content.width) / 2;
  const shiftY = (input.height - content.height) / 2;
  const left = roundHalfEven(shiftX - 0.1);
  const top = roundHalfEven(shiftY - 0.1);
  return { input, content, left, top, shiftX, shiftY, scaleX: 1 / gain, scaleY: 1 / gain };
}

export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Up to the next multiple, at least one. */
export function roundUp(value: number, multiple: number): number {
  return Math.max(multiple, Math.ceil(value / multiple) * multiple);
}
