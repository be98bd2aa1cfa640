"""The space of the lobby: one point of perspective, its colours, and the shapes that everything in it is made of.

A body `unit` (half the width of a face) on the floor at height `feet` of the picture is `scale(feet)` pixels, and lines into the
depth of the room meet at (CENTRE, HORIZON), the height of the eyes. Colours as in brush.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import skia
from brush import Colour, Point, argb, fill

WIDTH, HEIGHT = 1280, 720
CENTRE, HORIZON = 640.0, 340.0
#: The foot of the back wall, and its corners.
FLOOR, LEFT, RIGHT, CEILING = 520.0, 118.0, 1162.0, 26.0
#: Pixels of a unit at the very front of the picture.
NEAR_FEET, NEAR_SCALE = 700.0, 50.0
#: Opening of the lift in the back wall, and the clock over the door: x, y, radius.
LIFT = (206.0, 262.0, 338.0, FLOOR)
CLOCK = (1033.0, 176.0, 47.0)

CREAM, WARM_WHITE, DUSK = (0.969, 0.906, 0.796), (1.000, 0.976, 0.910), (0.361, 0.204, 0.282)
OAK, WALNUT, SAGE = (0.804, 0.612, 0.408), (0.439, 0.267, 0.188), (0.439, 0.596, 0.518)
BRASS, TERRACOTTA = (0.871, 0.675, 0.329), (0.776, 0.384, 0.259)


def scale(feet: float) -> float:
    """Pixels of one unit for somebody whose feet are at this height of the picture."""
    return NEAR_SCALE * (feet - HORIZON) / (NEAR_FEET - HORIZON)


def on_floor(across: float, feet: float) -> Point:
    """Picture point of the floor `across` units right of the middle, at this height."""
    return CENTRE + across * scale(feet), feet


def into_depth(x: float, y: float, to_x: float) -> Point:
    """The line from a corner of the back wall towards the viewer, where it crosses `to_x`."""
    return to_x, y + (to_x - x) * (y - HORIZON) / (x - CENTRE)


def deep(top: float, bottom: float, share: float) -> float:
    """Height of the picture at this share of the depth between two: even steps on the floor, not in the picture."""
    near, far = 1 / (bottom - HORIZON), 1 / (top - HORIZON)
    return HORIZON + 1 / (far + (near - far) * share)


def floor_step(feet: float, units: float) -> float:
    """Height of the picture `units` nearer on the floor."""
    depth = NEAR_SCALE * 22.0 / scale(feet)
    return HORIZON + (feet - HORIZON) * depth / max(1.0, depth - units)


def gradient(start: Point, end: Point, colours: Sequence[Colour], alpha: float = 1.0, stops: Sequence[float] | None = None) -> skia.Paint:
    shader = skia.GradientShader.MakeLinear([skia.Point(*start), skia.Point(*end)], [argb(item, alpha) for item in colours], stops)
    return skia.Paint(AntiAlias=True, Shader=shader)


def glow(canvas: skia.Canvas, x: float, y: float, radius: float, rgb: Colour, alpha: float) -> None:
    """Light that fades out to nothing at `radius`."""
    colours = [argb(rgb, alpha), argb(rgb, alpha * 0.35), argb(rgb, 0)]
    shader = skia.GradientShader.MakeRadial(skia.Point(x, y), radius, colours, [0, 0.45, 1])
    canvas.drawCircle(x, y, radius, skia.Paint(AntiAlias=True, Shader=shader))


def polygon(points: Sequence[Point]) -> skia.Path:
    path = skia.Path()
    path.addPoly([skia.Point(*point) for point in points], True)
    return path


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> skia.Path:
    path = skia.Path()
    path.addRoundRect(skia.Rect.MakeLTRB(left, top, right, bottom), radius, radius)
    return path


def arch(left: float, top: float, right: float, bottom: float) -> skia.Path:
    """A rectangle under a flat arch."""
    rise = (right - left) * 0.34
    path = skia.Path()
    path.moveTo(left, bottom)
    path.lineTo(left, top + rise)
    path.cubicTo(left, top + rise * 0.25, left + (right - left) * 0.2, top, (left + right) / 2, top)
    path.cubicTo(right - (right - left) * 0.2, top, right, top + rise * 0.25, right, top + rise)
    path.lineTo(right, bottom)
    path.close()
    return path


def shadow(canvas: skia.Canvas, x: float, y: float, across: float, deep_: float, alpha: float) -> None:
    canvas.drawOval(skia.Rect.MakeLTRB(x - across, y - deep_, x + across, y + deep_), fill((0.275, 0.141, 0.157), alpha, max(1.0, deep_ * 0.55)))
