"""Mouth and lips, closed or open."""

from __future__ import annotations

from dataclasses import dataclass

import skia

from brush import Point, add_smooth, clamp, ellipse, fill, lerp, light, line, linear, mix, shade, smooth
from characters import LIP_TINTS
from head import Head

LIFT = 0.03
TEETH = (0.985, 0.970, 0.940)
CAVITY = (0.34, 0.08, 0.11)
TONGUE = (0.83, 0.38, 0.38)


@dataclass(frozen=True)
class MouthShape:
    """Half width, height of the corners and of the middle, and the drop of the lower lip; all around the mouth."""

    half: float
    corner: float
    middle: float
    drop: float


def mouth_shape(head: Head) -> MouthShape:
    """Where the lips are for this expression, relative to the middle of the mouth."""
    identity, pose = head.identity, head.pose
    bend = clamp(identity.mouth_curve * 0.6 + pose.smile * 0.75, -0.6, 1.0)
    opening = clamp(pose.mouth_open, 0, 1)
    half = identity.mouth_width * (1 + 0.20 * bend - 0.10 * opening)
    return MouthShape(half, -0.115 * bend, 0.035 * bend, 0.30 * opening * (0.75 + 0.25 * identity.mouth_width / 0.33))


def corners(head: Head) -> tuple[Point, Point]:
    """Left and right corner of the mouth in head units, before the roll."""
    shape = mouth_shape(head)
    a, b, x, c, d, y = head.matrix(0.0, head.identity.mouth_y, LIFT)
    left, right = -shape.half, shape.half
    return (
        (a * left + b * shape.corner + x, c * left + d * shape.corner + y),
        (a * right + b * shape.corner + x, c * right + d * shape.corner + y),
    )


def draw_mouth(canvas: skia.Canvas, head: Head) -> None:
    """The mouth in the frame of the face."""
    identity = head.identity
    shape = mouth_shape(head)
    lip = mix(
        mix(head.skin, shade(head.skin, 0.45), 0.45), LIP_TINTS[identity.lip_tint], 0.30 + 0.62 * identity.lip_strength
    )
    with head.tangent(canvas, 0.0, identity.mouth_y, LIFT):
        if shape.drop > 0.035:
            _draw_open(canvas, head, shape, lip)
        else:
            _draw_closed(canvas, head, shape, lip)
        for side in (-1, 1):
            x, y = side * (shape.half + 0.008), shape.corner
            canvas.drawPath(
                smooth(
                    [(x - side * 0.02, y - 0.022), (x + side * 0.022, y - 0.006), (x + side * 0.012, y + 0.030)], False
                ),
                line(head.skin_line, 0.024, 0.42),
            )


def _line(shape: MouthShape) -> list[Point]:
    half = shape.half
    return [
        (-half, shape.corner),
        (-half * 0.52, lerp(shape.corner, shape.middle, 0.72)),
        (0.0, shape.middle),
        (half * 0.52, lerp(shape.corner, shape.middle, 0.72)),
        (half, shape.corner),
    ]


def _upper_lip(head: Head, shape: MouthShape) -> skia.Path:
    half, full = shape.half, head.identity.lip_upper
    parting = _line(shape)
    bow = 0.22 * half
    top = [
        (half * 0.94, shape.corner - 0.004),
        (half * 0.48, lerp(shape.corner, shape.middle, 0.62) - full * 0.85),
        (bow * 0.8, shape.middle - full * 1.22),
        (0.0, shape.middle - full * 0.90),
        (-bow * 0.8, shape.middle - full * 1.22),
        (-half * 0.48, lerp(shape.corner, shape.middle, 0.62) - full * 0.85),
        (-half * 0.94, shape.corner - 0.004),
    ]
    path = skia.Path()
    add_smooth(path, parting, move=True)
    add_smooth(path, top)
    path.close()
    return path


def _draw_closed(canvas: skia.Canvas, head: Head, shape: MouthShape, lip: tuple[float, float, float]) -> None:
    half, full = shape.half, head.identity.lip_lower
    parting = _line(shape)
    bottom = [
        (half * 0.94, shape.corner),
        (half * 0.46, lerp(shape.corner, shape.middle, 0.75) + full * 1.02),
        (0.0, shape.middle + full * 1.36),
        (-half * 0.46, lerp(shape.corner, shape.middle, 0.75) + full * 1.02),
        (-half * 0.94, shape.corner),
    ]
    y = shape.middle + full * 1.36
    canvas.drawPath(ellipse(0, y + 0.045, half * 0.5, 0.035), fill(shade(head.skin, 0.5), 0.26, 0.022))
    lower = skia.Path()
    add_smooth(lower, parting, move=True)
    add_smooth(lower, bottom)
    lower.close()
    canvas.drawPath(lower, linear((0, shape.middle), (0, y), (shade(lip, 0.10), light(lip, 0.08))))
    canvas.drawPath(_upper_lip(head, shape), fill(shade(lip, 0.16)))
    canvas.drawPath(
        ellipse(-0.05 * half, shape.middle + full * 0.68, half * 0.30, full * 0.20), fill(light(lip, 0.75), 0.32, 0.012)
    )
    canvas.drawPath(smooth(parting, False), line(shade(lip, 0.66), 0.026))


def _draw_open(canvas: skia.Canvas, head: Head, shape: MouthShape, lip: tuple[float, float, float]) -> None:
    half, full = shape.half, head.identity.lip_lower * 0.72
    drop = shape.drop
    parting = _line(shape)
    low = shape.middle + drop
    inner = [
        (half * 0.94, shape.corner + 0.012),
        (half * 0.60, lerp(shape.corner, low, 0.80)),
        (0.0, low),
        (-half * 0.60, lerp(shape.corner, low, 0.80)),
        (-half * 0.94, shape.corner + 0.012),
    ]
    outer = [(x * 1.05, y + full * (1.05 if abs(x) < half * 0.9 else 0.1)) for x, y in inner]
    canvas.drawPath(ellipse(0, low + full + 0.05, half * 0.5, 0.035), fill(shade(head.skin, 0.5), 0.26, 0.022))
    rim = skia.Path()
    add_smooth(rim, parting, move=True)
    add_smooth(rim, outer)
    rim.close()
    canvas.drawPath(rim, linear((0, low - 0.05), (0, low + full), (shade(lip, 0.06), light(lip, 0.10))))
    hole = skia.Path()
    add_smooth(hole, parting, move=True)
    add_smooth(hole, inner)
    hole.close()
    canvas.drawPath(hole, fill(CAVITY))
    canvas.save()
    canvas.clipPath(hole, doAntiAlias=True)
    canvas.drawPath(ellipse(0, low + 0.015, half * 0.62, drop * 0.46), fill(TONGUE))
    teeth = min(0.115, 0.055 + drop * 0.28)
    band = [(x, y + teeth) for x, y in parting]
    rows = skia.Path()
    add_smooth(rows, [(x * 1.1, y - 0.05) for x, y in parting], move=True)
    add_smooth(rows, band[::-1])
    rows.close()
    canvas.drawPath(rows, fill(TEETH))
    canvas.drawPath(smooth(parting, False), line(CAVITY, 0.05, 0.28, 0.014))
    canvas.restore()
    canvas.drawPath(_upper_lip(head, shape), fill(shade(lip, 0.14)))
