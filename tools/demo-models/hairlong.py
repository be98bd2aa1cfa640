"""Long hair: what falls beside the face and over the shoulders."""

from __future__ import annotations

import skia

from brush import Point, add_smooth, clamp, fill, lerp, light, line, luminance, ribbon, shade, smooth
from hairkit import cap, dress, fan, paint, soft_shadow, style_of, volume
from head import Head

COVERING = ('bob', 'long', 'wavy', 'curtains')


def length_of(head: Head) -> float:
    """How far below the middle of the head the hair ends (head units)."""
    identity = head.identity
    match style_of(identity):
        case 'bob':
            return lerp(0.78, 1.15, identity.hair_length)
        case 'curtains':
            return lerp(0.62, 1.0, identity.hair_length)
        case _:
            return lerp(1.45, 2.05, identity.hair_length)


def _wave(head: Head, y: float) -> float:
    """Sideways swing of wavy hair at height y."""
    if style_of(head.identity) != 'wavy':
        return 0.0
    return 0.075 * (1 if int((y + 5) / 0.30) % 2 else -1)


def strand_edge(head: Head, side: int, inner: bool, bottom: float) -> list[Point]:
    """Edge of the hair beside the face from the level of the eyes down to `bottom`."""
    points: list[Point] = []
    width = 1.0 + 0.12 * head.identity.hair_volume
    y = 0.10
    while y < bottom - 0.08:
        fall = (y - 0.1) / (bottom - 0.1)
        if inner:
            x, base = head.edge(side * 0.91 * head.width, min(y, 0.5))
            rest = side * lerp(0.62, 0.80, head.identity.cheeks) + 0.02 * head.sin_yaw
            leading = clamp(side * head.sin_yaw / 0.9, 0.0, 1.0)
            x = lerp(x, rest, max(0.0, fall - 0.35) * 0.8 * (1 - leading))
            points.append((x + _wave(head, y) * fall, base if y < 0.5 else y))
        else:
            flare = width + 0.10 * fall + (0.14 * fall if style_of(head.identity) in ('long', 'wavy') else 0.0)
            points.append((side * flare + _wave(head, y) - 0.10 * head.sin_yaw, y))
        y += 0.30
    return points


def _side_locks(head: Head, roof: list[Point], inner_top: list[Point]) -> skia.Path:
    """Closed shape: crown, both sides down to their ends, and the opening for the face.

    `inner_top` is the edge over the forehead from right to left on the canvas.
    """
    bottom = length_of(head)
    tuck = 0.10 if style_of(head.identity) in ('bob', 'curtains') else -0.02
    path = skia.Path()
    left_out, right_out = strand_edge(head, -1, False, bottom), strand_edge(head, 1, False, bottom)
    left_in, right_in = strand_edge(head, -1, True, bottom), strand_edge(head, 1, True, bottom)
    tip_left = [
        (left_out[-1][0] + tuck * 0.8, bottom - 0.03),
        (lerp(left_out[-1][0], left_in[-1][0], 0.6), bottom + 0.03),
    ]
    tip_right = [
        (right_out[-1][0] - tuck * 0.8, bottom - 0.03),
        (lerp(right_out[-1][0], right_in[-1][0], 0.6), bottom + 0.03),
    ]
    ring = [
        *tip_left[::-1], *left_out[::-1], *roof[1:-1], *right_out, *tip_right, *right_in[::-1], *inner_top, *left_in,
    ]  # fmt: skip
    add_smooth(path, ring, closed=True, move=True, tension=0.9)
    return path


def _parted_opening(head: Head) -> tuple[list[Point], Point]:
    """Edge over the forehead for parted hair, and the root of the part."""
    identity = head.identity
    v = -identity.hairline
    part = 0.42 * identity.hair_part
    open_ = lerp(0.0, 0.16, identity.hair_length)
    right = [(0.90, -0.16), (0.80, -0.40 - open_ * 0.4), (lerp(part, 0.8, 0.55), v + 0.13 - open_ * 0.4)]
    left = [(-0.90, -0.16), (-0.80, -0.40 - open_ * 0.4), (lerp(part, -0.8, 0.55), v + 0.13 - open_ * 0.4)]
    edge = [*right, (part, v - 0.08), *left[::-1]]
    return [head.edge(u * head.width, y) for u, y in edge], head.at(part, v - 0.08)


def _draw_locks(canvas: skia.Canvas, head: Head, opening: list[Point], root: Point) -> None:
    height = volume(head, 0.16)
    roof = head.skull(height, -1, 1, 9)
    path = _side_locks(head, roof, opening)
    soft_shadow(canvas, head, path)
    bottom = length_of(head)
    ends: list[Point] = []
    for side in (-1, 1):
        out, inner = strand_edge(head, side, False, bottom), strand_edge(head, side, True, bottom)
        ends += [(lerp(out[-1][0], inner[-1][0], share), bottom - 0.05) for share in (0.2, 0.45, 0.7, 0.95)]
    roots = [head.over(0.05 + 0.03 * i if i > 3 else -0.05 - 0.03 * i, -0.05) for i in range(len(ends))]
    canvas.drawPath(path, paint(head))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    for i, (start, end) in enumerate(zip(roots, ends, strict=True)):
        side = 1 if i > 3 else -1
        knee = head.over(side * lerp(0.62, 0.86, (i % 4) / 3), -0.02 - 0.03 * (i % 4))
        hang = (lerp(end[0], knee[0], 0.4) + _wave(head, 0.6), lerp(end[1], knee[1], 0.45))
        low = (end[0] - _wave(head, 1.2), lerp(end[1], knee[1], 0.15))
        tint = light(head.hair, 0.42 if luminance(head.hair) > 0.2 else 0.26) if i % 2 else shade(head.hair, 0.45)
        canvas.drawPath(smooth([start, knee, hang, low, end], False), line(tint, 0.034, 0.30))
    shift = 0.35 * head.light[0]
    band = head.skull(-0.18, -0.55 + shift, 0.34 + shift, 6)
    canvas.drawPath(smooth(band, False), line(light(head.hair, 0.62), 0.15, 0.26, 0.055))
    canvas.drawPath(path, line(shade(head.hair, 0.5), 0.09, 0.28, 0.035))
    canvas.restore()
    crown = head.over(0.30 * head.identity.hair_part, -0.06)
    canvas.drawPath(ribbon([root, crown], [0.020, 0.005]), fill(shade(head.hair, 0.5), 0.55))


def draw_long(canvas: skia.Canvas, head: Head) -> None:
    """Long hair, parted."""
    _draw_locks(canvas, head, *_parted_opening(head))


draw_curtains = draw_long


def draw_bob(canvas: skia.Canvas, head: Head) -> None:
    """The sides of a bob; its fringe is drawn over them."""
    v = -head.identity.hairline
    half = [(0.88, -0.10), (0.80, -0.45), (0.4, v + 0.1)]
    opening = [head.edge(u, y) for u, y in (*half, (0.0, v + 0.06), *((-u, y) for u, y in half[::-1]))]
    _draw_locks(canvas, head, opening, head.at(0.0, v - 0.1))


def draw_swept(canvas: skia.Canvas, head: Head) -> None:
    """Hair combed back, for buns and pony tails."""
    identity = head.identity
    v = -identity.hairline
    dip = 0.05 * identity.hair_length
    half = [(0.86, -0.28), (0.74, v + 0.16), (0.48, v + 0.01), (0.20, v + 0.01 - dip)]
    right = [(u * head.width, y) for u, y in half]
    hairline = [*right, (0.0, v + 0.01 + dip), *((-u, y) for u, y in right[::-1])]
    heights = [volume(head, h) for h in (0.04, 0.06, 0.08, 0.09, 0.08, 0.06, 0.04)]
    path = cap(head, heights, hairline, 0.12)
    soft_shadow(canvas, head, path, 0.05)
    knot = head.over(-0.20 * head.sin_yaw, 0.08)
    ends = head.along([(0.95, 0.02), (0.88, -0.25), *hairline[1:-1:2], (-0.88, -0.25), (-0.95, 0.02)])
    dress(canvas, head, path, *fan(knot, ends), bend=0.10)


def draw_braids(canvas: skia.Canvas, head: Head) -> None:
    """Parted in the middle and drawn to both sides; braids fall over the shoulders, pigtails hang behind."""
    identity = head.identity
    v = -identity.hairline
    right = [(0.86, -0.22), (0.76, v + 0.24), (0.46, v + 0.10), (0.16, v + 0.0)]
    hairline = [(u * head.width, y) for u, y in right]
    hairline = [*hairline, (0.0, v - 0.08), *((-u, y) for u, y in hairline[::-1])]
    path = cap(head, [volume(head, h) for h in (0.06, 0.09, 0.11, 0.10, 0.11, 0.09, 0.06)], hairline, 0.16)
    soft_shadow(canvas, head, path, 0.06)
    root = head.at(0.0, v - 0.08)
    crown = head.over(0.0, -0.05)
    ends = [head.over(turn, -0.02) for turn in (-1.0, -0.8, -0.6, 0.6, 0.8, 1.0)]
    dress(canvas, head, path, [crown] * 6, ends, bend=0.10)
    canvas.drawPath(ribbon([root, crown], [0.020, 0.008]), fill(shade(head.hair, 0.5), 0.55))
    if identity.hair == 'braids':
        for side in (-1, 1):
            _draw_braid(canvas, head, side)


def _draw_braid(canvas: skia.Canvas, head: Head, side: int) -> None:
    x, y = side * (0.98 * head.width + 0.20 * max(0.0, side * head.sin_yaw)) - 0.06 * head.sin_yaw, 0.42
    steps = 6 + int(4 * head.identity.hair_length)
    size = 0.155
    for i in range(steps, -1, -1):
        px, py = x - side * 0.020 * i, y + 0.145 * i
        flip = 1 if i % 2 else -1
        canvas.save()
        canvas.translate(px + flip * 0.045, py)
        canvas.rotate(flip * 32)
        knot = skia.Rect.MakeLTRB(-size * 0.80, -size * 0.62, size * 0.80, size * 0.62)
        canvas.drawOval(knot, head.shaded(head.hair, (0, 0), 0.3))
        canvas.drawOval(knot, line(shade(head.hair, 0.5), 0.022, 0.55))
        canvas.restore()
    end = y + 0.145 * steps + 0.08
    ex = x - side * 0.02 * steps
    canvas.drawPath(
        smooth([(ex - 0.08, end), (ex + 0.08, end), (ex + 0.04, end + 0.26), (ex - 0.05, end + 0.24)]), paint(head)
    )
    canvas.drawLine(ex - 0.08, end, ex + 0.08, end, line((0.80, 0.25, 0.28), 0.075))
