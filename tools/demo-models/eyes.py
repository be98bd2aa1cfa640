"""Eyes and brows."""

from __future__ import annotations

import skia

from brush import add_smooth, clamp, fill, lerp, light, line, linear, mix, ribbon, shade, smooth
from head import Head
from palette import IRIS

WHITE = (0.985, 0.972, 0.945)
INK = (0.115, 0.080, 0.095)


def draw_eyes(canvas: skia.Canvas, head: Head) -> None:
    """Both eyes, cut at the contour of the face."""
    identity = head.identity
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    for side in (-1, 1):
        with head.tangent(canvas, side * identity.eye_spacing, identity.eye_y):
            canvas.scale(side, 1.0)
            _draw_eye(canvas, head, side)
    canvas.restore()


def _draw_eye(canvas: skia.Canvas, head: Head, side: int) -> None:
    """One eye around the origin; x grows towards the ear."""
    identity, pose = head.identity, head.pose
    half = identity.eye_size
    height = half * identity.eye_open * 0.98
    squint = 0.20 * clamp(pose.smile, 0, 1)
    closing = clamp(pose.blink, 0, 1)
    wide = 1.0 + 0.12 * clamp(pose.brow, -0.6, 1.0)
    top = lerp(-height * wide * (1 - 0.4 * squint), height * 0.42, closing)
    bottom = height * (0.80 - squint)
    tilt = identity.eye_tilt * half
    inner, outer = (-half, tilt * 0.6 + 0.012), (half, -tilt)
    crest = lerp(-0.12, 0.12, identity.eye_round)
    belly = 0.60 + 0.12 * identity.eye_round
    upper = [
        inner,
        (half * (crest - belly), lerp(inner[1], top, 0.80)),
        (half * crest, top),
        (half * (crest + belly), lerp(outer[1], top, 0.72)),
        outer,
    ]
    lower = [outer, (half * 0.50, lerp(outer[1], bottom, 0.86)), (-half * 0.45, lerp(inner[1], bottom, 0.88)), inner]
    _draw_lid(canvas, head, upper, outer)
    if closing < 0.9:
        shape = skia.Path()
        add_smooth(shape, upper, move=True)
        add_smooth(shape, lower)
        shape.close()
        _draw_ball(canvas, head, side, shape, half, top, bottom)
    _draw_lashes(canvas, head, upper, outer, half)
    canvas.drawPath(smooth(lower, False), line(shade(head.skin, 0.6), 0.020, 0.42))


def _draw_lid(canvas: skia.Canvas, head: Head, upper: list[tuple[float, float]], outer: tuple[float, float]) -> None:
    identity = head.identity
    half = identity.eye_size
    raised = [(x * 1.03, y - half * 0.34) for x, y in upper[1:-1]]
    lid = skia.Path()
    add_smooth(lid, [upper[0], *raised, (outer[0] * 1.06, outer[1])], move=True)
    add_smooth(lid, upper[::-1])
    lid.close()
    if identity.eye_shadow > 0:
        tint = IRIS['blue'] if identity.hair_texture % 3 == 0 else (0.62, 0.28, 0.42)
        canvas.drawPath(lid, fill(mix(head.skin, tint, 0.6), 0.75 * identity.eye_shadow))
    canvas.drawPath(lid, fill(shade(head.skin, 0.30), 0.10 + 0.40 * head.pose.blink))
    if identity.lid_fold > 0.35:
        fold = smooth([(upper[0][0] * 0.86, upper[1][1] - half * 0.10), *raised], False)
        canvas.drawPath(fold, line(head.skin_line, 0.022, 0.55 * identity.lid_fold))


def _draw_ball(
    canvas: skia.Canvas, head: Head, side: int, shape: skia.Path, half: float, top: float, bottom: float
) -> None:
    identity, pose = head.identity, head.pose
    white = mix(WHITE, head.skin, 0.06)
    canvas.drawPath(shape, fill(white))
    canvas.save()
    canvas.clipPath(shape, doAntiAlias=True)
    radius = identity.iris_size * 1.12
    x = side * pose.gaze_x * half * 0.50 - half * 0.03
    y = pose.gaze_y * half * 0.30 + lerp(-0.01, 0.0, identity.eye_round)
    iris = IRIS[identity.iris]
    canvas.drawCircle(x, y, radius, fill(shade(iris, 0.55)))
    canvas.drawCircle(
        x, y, radius * 0.86, linear((x, y - radius), (x, y + radius), (shade(iris, 0.40), iris, light(iris, 0.38)))
    )
    canvas.drawCircle(x, y, radius * 0.47, fill(INK))
    shadow = skia.Path()
    shadow.addRect(skia.Rect.MakeLTRB(-half * 1.2, top - 0.1, half * 1.2, top + (bottom - top) * 0.20))
    canvas.drawPath(shadow, fill(shade(head.skin, 0.6), 0.30, 0.022))
    # Catch-lights do not mirror: both eyes see the same lamp.
    canvas.drawCircle(x - side * radius * 0.34, y - radius * 0.38, radius * 0.30, fill((1, 1, 1), 0.95))
    canvas.drawCircle(x + side * radius * 0.36, y + radius * 0.40, radius * 0.15, fill((1, 1, 1), 0.75))
    canvas.restore()


def _draw_lashes(
    canvas: skia.Canvas, head: Head, upper: list[tuple[float, float]], outer: tuple[float, float], half: float
) -> None:
    lashes = head.identity.lashes
    ink = mix(INK, head.hair, 0.22)
    thick = 0.016 + 0.014 * lashes
    tip = (outer[0] * (1.03 + 0.10 * lashes), outer[1] - half * 0.20 * lashes)
    canvas.drawPath(
        ribbon([*upper, tip], [thick * 0.6, thick, thick * 1.15, thick * 1.3, thick * 1.2, 0.004]), fill(ink)
    )
    if lashes > 0.62:
        pen = line(ink, 0.020)
        for share, rise in ((0.62, 0.44), (0.86, 0.42)):
            x, y = lerp(upper[2][0], outer[0], share), lerp(upper[2][1], outer[1], share**1.6)
            canvas.drawLine(x, y, x + half * 0.26, y - half * rise, pen)


def draw_brows(canvas: skia.Canvas, head: Head) -> None:
    """Both brows; they rise and sink with the expression."""
    identity, pose = head.identity, head.pose
    colour = shade(mix(head.hair, shade(head.skin, 0.5), 0.12), 0.25 + identity.brow_dark)
    if sum(head.hair) > 2.4:
        colour = mix(head.hair, shade(head.skin, 0.45), 0.25)
    length, thick = identity.brow_length, identity.brow_thickness
    tilt = identity.brow_tilt * length + 0.05 * max(0.0, pose.brow) - 0.04 * max(0.0, -pose.brow)
    raise_ = identity.brow_raise + 0.08 * pose.brow
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    for side in (-1, 1):
        with head.tangent(canvas, side * identity.eye_spacing, identity.eye_y - raise_):
            canvas.scale(side, 1.0)
            points = [
                (-length, -tilt * 0.7 + 0.015),
                (-length * 0.45, -tilt * 0.35 - identity.brow_arch * 0.62),
                (length * 0.25, tilt * 0.15 - identity.brow_arch),
                (length * 1.05, tilt * 0.75 + 0.03),
            ]
            canvas.drawPath(ribbon(points, [thick * 0.42, thick * 0.60, thick * 0.50, 0.006]), fill(colour, 0.94))
    canvas.restore()
