"""Glasses: rims and lenses before the eyes, temples back to the ears."""

from __future__ import annotations

import skia

from brush import Point, ellipse, fill, light, line, linear, shade, smooth
from head import Head
from palette import FRAMES

LIFT = 0.10
RIM = {'round': 0.048, 'square': 0.056, 'half': 0.040, 'cat': 0.052, 'shades': 0.050}


def _lens(head: Head) -> skia.Path:
    """One lens around the origin of the frame of an eye; x grows towards the ear."""
    size = 0.27 * head.identity.glasses_size
    match head.identity.glasses:
        case 'round':
            return ellipse(0, 0.02, size, size)
        case 'square':
            path = skia.Path()
            path.addRoundRect(skia.Rect.MakeLTRB(-size * 1.04, -size * 0.80, size * 1.10, size * 0.92), 0.075, 0.075)
            return path
        case 'half':
            points = [
                (-size * 1.02, -size * 0.55), (-size * 0.4, -size * 0.66), (size * 0.6, -size * 0.70),
                (size * 1.10, -size * 0.52), (size * 0.90, size * 0.45), (0.0, size * 0.78),
                (-size * 0.86, size * 0.42),
            ]  # fmt: skip
        case 'cat':
            points = [
                (-size * 0.98, -size * 0.42), (-size * 0.1, -size * 0.66), (size * 1.34, -size * 1.02),
                (size * 1.10, size * 0.20), (size * 0.30, size * 0.82), (-size * 0.72, size * 0.56),
            ]  # fmt: skip
        case _:
            points = [
                (-size * 1.00, -size * 0.62), (size * 0.1, -size * 0.72), (size * 1.16, -size * 0.64),
                (size * 1.04, size * 0.42), (size * 0.40, size * 0.90), (-size * 0.50, size * 0.80),
                (-size * 0.98, size * 0.10),
            ]  # fmt: skip
    return smooth(points)


def _bridge(head: Head) -> list[Point]:
    identity = head.identity
    inner = identity.eye_spacing - 0.26 * identity.glasses_size
    y = identity.eye_y - 0.05
    return [head.at(-inner, y, LIFT), head.at(0.0, y - 0.055, LIFT + 0.07), head.at(inner, y, LIFT)]


def draw_temples(canvas: skia.Canvas, head: Head) -> None:
    """The arms of the glasses; drawn before the hair, which may cover them."""
    identity = head.identity
    if identity.glasses == 'none':
        return
    colour = FRAMES[identity.glasses_colour]
    width = RIM[identity.glasses]
    for side in (-1, 1):
        hinge = head.at(side * (identity.eye_spacing + 0.28 * identity.glasses_size), identity.eye_y - 0.06, LIFT)
        ear = head.rotate(side * head.width * 1.0, identity.eye_y - 0.02, -0.08)
        if side * ear[0] > side * hinge[0]:
            canvas.drawLine(*hinge, ear[0], ear[1], line(shade(colour, 0.22), width * 0.95))


def draw_glasses(canvas: skia.Canvas, head: Head) -> None:
    """Rims and lenses."""
    identity = head.identity
    if identity.glasses == 'none':
        return
    colour = FRAMES[identity.glasses_colour]
    rim = RIM[identity.glasses]
    lens = _lens(head)
    pen = line(colour, rim)
    canvas.drawPath(smooth(_bridge(head), False), pen)
    for side in (-1, 1):
        with head.tangent(canvas, side * identity.eye_spacing, identity.eye_y, LIFT):
            canvas.scale(side, 1.0)
            canvas.save()
            canvas.translate(0.0, 0.035)
            canvas.drawPath(lens, line(shade(head.skin, 0.6), rim, 0.20, 0.02))
            canvas.restore()
            _draw_glass(canvas, head, lens, side)
            if identity.glasses == 'half':
                canvas.drawPath(lens, line(colour, rim * 0.6))
                _draw_top_bar(canvas, head, line(colour, rim * 2.1))
            else:
                canvas.drawPath(lens, pen)
                canvas.save()
                canvas.translate(-side * 0.006, -0.010)
                canvas.drawPath(lens, line(light(colour, 0.55), rim * 0.22, 0.45))
                canvas.restore()


def _draw_top_bar(canvas: skia.Canvas, head: Head, pen: skia.Paint) -> None:
    size = 0.27 * head.identity.glasses_size
    bar = [
        (-size * 0.98, -size * 0.55),
        (-size * 0.4, -size * 0.66),
        (size * 0.6, -size * 0.70),
        (size * 1.06, -size * 0.52),
    ]
    canvas.drawPath(smooth(bar, False), pen)


def _draw_glass(canvas: skia.Canvas, head: Head, lens: skia.Path, side: int) -> None:
    dark = head.identity.glasses == 'shades'
    canvas.save()
    canvas.clipPath(lens, doAntiAlias=True)
    if dark:
        canvas.drawPath(lens, linear((0, -0.25), (0, 0.28), ((0.09, 0.08, 0.11), (0.24, 0.20, 0.26)), (0.97, 0.90)))
    else:
        canvas.drawPath(lens, fill((0.86, 0.94, 1.0), 0.13))
    glare = skia.Path()
    for x in (-0.12, 0.06):
        glare.addPoly(
            [
                skia.Point(side * x - 0.05, 0.4),
                skia.Point(side * x + 0.15, -0.4),
                skia.Point(side * x + 0.23, -0.4),
                skia.Point(side * x + 0.03, 0.4),
            ],
            True,
        )
    canvas.drawPath(glare, fill((1.0, 1.0, 1.0), 0.20 if dark else 0.13))
    canvas.restore()
