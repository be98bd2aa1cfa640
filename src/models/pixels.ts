import type { TensorContract } from '../core/inference.ts';
import type { RgbImage } from '../core/models.ts';
import type { Parameters } from './parameters.ts';

/**
 * How pixels become the numbers of an input tensor: value = (pixel · scale − mean) / std per channel, in the channel order and
 * layout of the network. `mean` and `std` are those of red, green and blue, whatever order the network wants.
 */
export interface PixelFormat {
  /** What red, green and blue are multiplied by. */
  readonly gain: readonly [number, number, number];
  /** What is added afterwards. */
  readonly bias: readonly [number, number, number];
  readonly colour: 'rgb' | 'bgr';
  readonly layout: 'nchw' | 'nhwc';
}

/** One picture's place in an input tensor. */
export interface PixelTarget {
  readonly data: Float32Array;
  /** Index of the picture's first value. */
  readonly offset: number;
  readonly width: number;
  readonly height: number;
}

/** Distances in a target: of red, green, blue from its offset, from pixel to pixel, from row to row. */
export interface PixelSteps {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
  readonly pixel: number;
  readonly row: number;
}

/** What a kind of model does to pixels unless its parameters say otherwise. */
export interface PixelDefaults {
  readonly scale: number;
  /** `rgb` when absent. */
  readonly colour?: PixelFormat['colour'];
}

/** An input of bytes is given pixels as they are: whatever a network makes of them is inside it. */
export function readPixelFormat(parameters: Parameters, fallback: PixelDefaults, input: TensorContract): PixelFormat {
  const bytes = input.datatype === 'UINT8';
  const scale = parameters.number('scale', { min: 1e-6, max: 1e6, fallback: bytes ? 1 : fallback.scale });
  const mean = triple(parameters.numbers('mean', 3, [0, 0, 0]));
  const std = triple(parameters.numbers('std', 3, [1, 1, 1]));
  if (std.some((value) => value <= 0)) throw parameters.contract('parameter std has a value that is not above 0');
  if (bytes && (scale !== 1 || mean.some((value) => value !== 0) || std.some((value) => value !== 1)))
    throw parameters.contract(
      `input "${input.name}" is UINT8 and takes pixels as they are; allowed is scale 1, without mean and std`,
    );
  return {
    gain: [scale / std[0], scale / std[1], scale / std[2]],
    bias: [-mean[0] / std[0], -mean[1] / std[1], -mean[2] / std[2]],
    colour: parameters.choice('colour', ['rgb', 'bgr'], fallback.colour ?? 'rgb'),
    layout: parameters.choice('layout', ['nchw', 'nhwc'], 'nchw'),
  };
}

function triple(values: readonly number[]): readonly [number, number, number] {
  const [a = 0, b = 0, c = 0] = values;
  return [a, b, c];
}

export function pixelSteps(format: PixelFormat, target: { readonly width: number; readonly height: number }): PixelSteps {
  const planar = format.layout === 'nchw';
  const channel = planar ? target.width * target.height : 1;
  const [red, blue] = format.colour === 'rgb' ? [0, 2 * channel] : [2 * channel, 0];
  const pixel = planar ? 1 : 3;
  return { red, green: channel, blue, pixel, row: pixel * target.width };
}

/** Writes the whole picture with its top left corner at (`left`, `top`) of the target. It must fit inside. */
export function writePixels(image: RgbImage, target: PixelTarget, format: PixelFormat, left = 0, top = 0): void {
  const { data: pixels, width, height } = image;
  const { data } = target;
  const steps = pixelSteps(format, target);
  const [redGain, greenGain, blueGain] = format.gain;
  const [redBias, greenBias, blueBias] = format.bias;
  let from = 0;
  for (let y = 0; y < height; y += 1) {
    let to = target.offset + (y + top) * steps.row + left * steps.pixel;
    for (let x = 0; x < width; x += 1) {
      data[to + steps.red] = (pixels[from] as number) * redGain + redBias;
      data[to + steps.green] = (pixels[from + 1] as number) * greenGain + greenBias;
      data[to + steps.blue] = (pixels[from + 2] as number) * blueGain + blueBias;
      from += 3;
      to += steps.pixel;
    }
  }
}

/** Fills the target with one grey level (0 to 255). */
export function fillPixels(target: PixelTarget, format: PixelFormat, level: number): void {
  const steps = pixelSteps(format, target);
  const values = [steps.red, steps.green, steps.blue].map((start, channel) => ({
    start: target.offset + start,
    value: level * (format.gain[channel] ?? 1) + (format.bias[channel] ?? 0),
  }));
  const count = target.width * target.height;
  for (const { start, value } of values) {
    if (steps.pixel === 1) target.data.fill(value, start, start + count);
    else for (let at = 0; at < count; at += 1) target.data[start + at * steps.pixel] = value;
  }
}
