/**
 * Privacy masks: polygons that are black in everything made from a frame. Spans are computed once per frame size, in blocks of 2 x 2
 * pixels, because chroma of 4:2:0 is shared by four; every block that a polygon touches is black, so that a mask is never smaller than
 * what was drawn.
 */

export type Corner = readonly [x: number, y: number];

export interface Plane {
  readonly data: Uint8Array;
  /** Bytes from one row to the next. */
  readonly stride: number;
}

export interface Mask {
  readonly empty: boolean;
  /** Planes Y, U, V of 8-bit 4:2:0. */
  blackenI420(planes: readonly Plane[]): void;
  /** Planes Y and interleaved UV. */
  blackenNv12(planes: readonly Plane[]): void;
  /** Interleaved, rows without padding. */
  blackenRgb(data: Uint8Array): void;
}

/** Blocks `from` to below `to` of one row of blocks. */
interface Span {
  readonly row: number;
  readonly from: number;
  readonly to: number;
}

interface Interval {
  readonly from: number;
  readonly to: number;
}

const blockPixels = 2;
/** Black in limited and in full range: what lies below limited range is clipped to it. */
const blackLuma = 0;
const neutralChroma = 128;

interface Edge {
  /** Upper end. */
  readonly x: number;
  readonly y: number;
  readonly endY: number;
  readonly slope: number;
  /** +1 when the polygon runs down this edge, -1 when up. */
  readonly winding: number;
}

function edgesOf(corners: readonly Corner[], width: number, height: number): readonly Edge[] {
  const edges: Edge[] = [];
  for (const [i, [fx, fy]] of corners.entries()) {
    const [tx, ty] = corners[(i + 1) % corners.length] ?? [fx, fy];
    const from = { x: fx * width, y: fy * height };
    const to = { x: tx * width, y: ty * height };
    if (from.y === to.y) continue;
    const [upper, lower] = from.y < to.y ? [from, to] : [to, from];
    edges.push({
      x: upper.x,
      y: upper.y,
      endY: lower.y,
      slope: (lower.x - upper.x) / (lower.y - upper.y),
      winding: from.y < to.y ? 1 : -1,
    });
  }
  return edges;
}

function xAt(edge: Edge, y: number): number {
  return edge.x + (y - edge.y) * edge.slope;
}

/** Everything a polygon covers between two heights, projected on x. Non-zero winding: what is inside in any sense is masked. */
function cover(edges: readonly Edge[], top: number, bottom: number): readonly Interval[] {
  const heights = [top, bottom];
  for (const edge of edges) {
    for (const y of [edge.y, edge.endY]) if (y > top && y < bottom) heights.push(y);
  }
  heights.sort((a, b) => a - b);
  const intervals: Interval[] = [];
  for (let i = 0; i + 1 < heights.length; i += 1) {
    const from = heights[i] ?? top;
    const to = heights[i + 1] ?? bottom;
    const middle = (from + to) / 2;
    const crossing = edges.filter((edge) => edge.y <= from && edge.endY >= to).sort((a, b) => xAt(a, middle) - xAt(b, middle));
    let winding = 0;
    let group: number[] = [];
    for (const edge of crossing) {
      group.push(xAt(edge, from), xAt(edge, to));
      winding += edge.winding;
      if (winding === 0) {
        intervals.push({ from: Math.min(...group), to: Math.max(...group) });
        group = [];
      }
    }
  }
  return intervals;
}

function spansOf(polygons: readonly (readonly Corner[])[], width: number, height: number): readonly Span[] {
  const shapes = polygons.map((corners) => edgesOf(corners, width, height));
  const columns = Math.ceil(width / blockPixels);
  const spans: Span[] = [];
  for (let row = 0; row * blockPixels < height; row += 1) {
    const wanted = shapes
      .flatMap((edges) => cover(edges, row * blockPixels, (row + 1) * blockPixels))
      .map(({ from, to }) => ({
        from: Math.max(0, Math.floor(from / blockPixels)),
        to: Math.min(columns, Math.ceil(to / blockPixels)),
      }))
      .filter(({ from, to }) => to > from)
      .sort((a, b) => a.from - b.from);
    let open: Interval | undefined;
    for (const interval of wanted) {
      if (open === undefined) open = interval;
      else if (interval.from <= open.to) open = { from: open.from, to: Math.max(open.to, interval.to) };
      else {
        spans.push({ row, ...open });
        open = interval;
      }
    }
    if (open !== undefined) spans.push({ row, ...open });
  }
  return spans;
}

/** `polygons`: corners as fractions of the picture. `width` and `height`: the picture that will be blackened. */
export function createMask(polygons: readonly (readonly Corner[])[], width: number, height: number): Mask {
  const spans = spansOf(polygons, width, height);

  function fillFull(plane: Plane | undefined, value: number, bytesPerPixel = 1): void {
    if (plane === undefined) return;
    for (const { row, from, to } of spans) {
      const left = from * blockPixels * bytesPerPixel;
      const right = Math.min(width, to * blockPixels) * bytesPerPixel;
      for (let y = row * blockPixels; y < Math.min(height, (row + 1) * blockPixels); y += 1) {
        plane.data.fill(value, y * plane.stride + left, y * plane.stride + right);
      }
    }
  }

  function fillBlocks(plane: Plane | undefined, bytesPerBlock: number): void {
    if (plane === undefined) return;
    for (const { row, from, to } of spans) {
      plane.data.fill(neutralChroma, row * plane.stride + from * bytesPerBlock, row * plane.stride + to * bytesPerBlock);
    }
  }

  return {
    empty: spans.length === 0,
    blackenI420([y, u, v]) {
      fillFull(y, blackLuma);
      fillBlocks(u, 1);
      fillBlocks(v, 1);
    },
    blackenNv12([y, uv]) {
      fillFull(y, blackLuma);
      fillBlocks(uv, 2);
    },
    blackenRgb(data) {
      fillFull({ data, stride: width * 3 }, 0, 3);
    },
  };
}
