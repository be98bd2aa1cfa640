"""Colours, paints and smooth curves for the drawn characters.

Colours are tuples of red, green and blue from 0 to 1 (sRGB). Lengths are in the units of the canvas that is
drawn on, which for heads is half the width of a face. Shade leans towards a warm plum and light towards a warm
white, never towards black or pure white: this one rule keeps the palette together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import skia

Colour = tuple[float, float, float]
Point = tuple[float, float]

PLUM: Colour = (0.23, 0.09, 0.17)
CREAM: Colour = (1.0, 0.96, 0.88)


def mix(a: Colour, b: Colour, amount: float) -> Colour:
    """`a` at amount 0, `b` at amount 1."""
    return (a[0] + (b[0] - a[0]) * amount, a[1] + (b[1] - a[1]) * amount, a[2] + (b[2] - a[2]) * amount)


def shade(colour: Colour, amount: float) -> Colour:
    """The colour moved towards warm plum."""
    return mix(colour, PLUM, amount)


def light(colour: Colour, amount: float) -> Colour:
    """The colour moved towards warm white."""
    return mix(colour, CREAM, amount)


def luminance(colour: Colour) -> float:
    """Rough lightness of a colour, 0 to 1."""
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def argb(colour: Colour, alpha: float = 1.0) -> int:
    """Packed colour as gradients of Skia want it."""
    opacity = 255 if alpha >= 1 else 0 if alpha <= 0 else int(alpha * 255 + 0.5)
    red, green, blue = int(colour[0] * 255 + 0.5), int(colour[1] * 255 + 0.5), int(colour[2] * 255 + 0.5)
    return opacity << 24 | red << 16 | green << 8 | blue


def fill(colour: Colour, alpha: float = 1.0, blur: float = 0.0) -> skia.Paint:
    """Paint for areas; `blur` is the standard deviation of the soft edge."""
    paint = skia.Paint(AntiAlias=True, Color=argb(colour, alpha))
    if blur > 0:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
    return paint


def line(colour: Colour, width: float, alpha: float = 1.0, blur: float = 0.0) -> skia.Paint:
    """Paint for strokes with round caps and joins."""
    paint = fill(colour, alpha, blur)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(width)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    paint.setStrokeJoin(skia.Paint.kRound_Join)
    return paint


def linear(start: Point, end: Point, colours: Sequence[Colour], alphas: Sequence[float] | None = None) -> skia.Paint:
    """Paint with colours spread evenly from `start` to `end`."""
    levels = alphas if alphas is not None else [1.0] * len(colours)
    packed = [argb(colour, alpha) for colour, alpha in zip(colours, levels, strict=True)]
    paint = skia.Paint(AntiAlias=True, Dither=True)
    paint.setShader(skia.GradientShader.MakeLinear([skia.Point(*start), skia.Point(*end)], packed))
    return paint


def radial(centre: Point, radius: float, colour: Colour, alpha: float) -> skia.Paint:
    """Paint that fades from `alpha` in the centre to nothing at `radius`."""
    packed = [argb(colour, alpha), argb(colour, alpha * 0.55), argb(colour, 0.0)]
    paint = skia.Paint(AntiAlias=True, Dither=True)
    paint.setShader(skia.GradientShader.MakeRadial(skia.Point(*centre), radius, packed, [0.0, 0.5, 1.0]))
    return paint


def smooth(points: Sequence[Point], closed: bool = True, tension: float = 1.0) -> skia.Path:
    """Curve through all points (Catmull-Rom); `tension` 0 gives straight pieces."""
    path = skia.Path()
    add_smooth(path, points, closed, tension, move=True)
    return path


def add_smooth(
    path: skia.Path, points: Sequence[Point], closed: bool = False, tension: float = 1.0, move: bool = False
) -> None:
    """Appends the curve through the points to `path`, joined by a straight line unless `move`."""
    count = len(points)
    third = tension / 6
    if move:
        path.moveTo(*points[0])
    else:
        path.lineTo(*points[0])
    for i in range(count if closed else count - 1):
        p1, p2 = points[i], points[(i + 1) % count]
        p0 = points[i - 1] if closed or i > 0 else p1
        p3 = points[(i + 2) % count] if closed or i + 2 < count else p2
        path.cubicTo(
            p1[0] + (p2[0] - p0[0]) * third,
            p1[1] + (p2[1] - p0[1]) * third,
            p2[0] - (p3[0] - p1[0]) * third,
            p2[1] - (p3[1] - p1[1]) * third,
            p2[0],
            p2[1],
        )
    if closed:
        path.close()


def ribbon(points: Sequence[Point], widths: Sequence[float]) -> skia.Path:
    """Band along the points whose half width at each point is given; a brush stroke with a shape."""
    left: list[Point] = []
    right: list[Point] = []
    last = len(points) - 1
    for i, (point, half) in enumerate(zip(points, widths, strict=True)):
        before, after = points[max(0, i - 1)], points[min(last, i + 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / length * half, dx / length * half
        left.append((point[0] + nx, point[1] + ny))
        right.append((point[0] - nx, point[1] - ny))
    path = skia.Path()
    add_smooth(path, left, move=True)
    add_smooth(path, right[::-1])
    path.close()
    return path


def circles(centres: Iterable[tuple[float, float, float]]) -> skia.Path:
    """Union of circles (x, y, radius) as one path."""
    path = skia.Path()
    for x, y, radius in centres:
        path.addCircle(x, y, radius)
    return path


def ellipse(x: float, y: float, half_width: float, half_height: float) -> skia.Path:
    """Ellipse with its axes along the canvas."""
    path = skia.Path()
    path.addOval(skia.Rect.MakeLTRB(x - half_width, y - half_height, x + half_width, y + half_height))
    return path


def lerp(a: float, b: float, amount: float) -> float:
    """`a` at amount 0, `b` at amount 1."""
    return a + (b - a) * amount


def clamp(value: float, low: float, high: float) -> float:
    """The value held between two bounds."""
    return low if value < low else high if value > high else value
