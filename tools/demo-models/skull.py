"""The head itself: skin, ears, neck, blush and marks."""

from __future__ import annotations

import math

import numpy as np
import skia

from brush import add_smooth, circles, clamp, fill, lerp, light, line, linear, luminance, mix, radial, shade, smooth
from head import Head
from palette import FRAMES

ROSE = (0.86, 0.28, 0.27)


def draw_neck(canvas: skia.Canvas, head: Head, foot: tuple[float, float]) -> None:
    """Neck from under the jaw to `foot`, the hollow of the throat, in the frame of the head."""
    x, y = foot
    lean = 0.16 * head.sin_yaw
    half = 0.40 + 0.10 * head.identity.jaw
    path = smooth(
        [
            (lean * 0.2 - half * 0.98, 0.55),
            (lean * 0.5 - half * 0.94, 1.0),
            (x - 0.47, y - 0.24),
            (x - 0.52, y - 0.06),
            (x - 0.32, y + 0.20),
            (x, y + 0.30),
            (x + 0.32, y + 0.20),
            (x + 0.52, y - 0.06),
            (x + 0.47, y - 0.24),
            (lean * 0.5 + half * 0.94, 1.0),
            (lean * 0.2 + half * 0.98, 0.55),
        ]
    )
    under = shade(head.skin, 0.34)
    canvas.drawPath(path, linear((0, 0.95), (0, 1.75), (under, shade(head.skin, 0.14), shade(head.skin, 0.10))))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    canvas.save()
    canvas.translate(-0.10 * head.light[0], 0.13)
    canvas.drawPath(head.contour, fill(under, 0.55, 0.05))
    canvas.restore()
    canvas.restore()


def draw_skin(canvas: skia.Canvas, head: Head) -> None:
    """The face without features, with its rim, cheeks and the soft forms around the eyes."""
    identity = head.identity
    canvas.drawPath(head.contour, head.shaded(head.skin, (0.0, 0.05), 1.15))
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    canvas.drawPath(head.contour, line(shade(head.skin, 0.45), 0.16, 0.22, 0.07))
    glow = head.at(head.light[0] * 0.45, -0.42)
    canvas.drawCircle(*glow, 0.75, radial(glow, 0.75, light(head.skin, 0.55), 0.28 * head.pose.light_strength + 0.06))
    _draw_cheeks(canvas, head)
    for side in (-1, 1):
        with head.tangent(canvas, side * identity.eye_spacing, identity.eye_y - 0.01):
            reach = identity.eye_size * 1.75
            canvas.scale(1.0, 0.78)
            canvas.drawCircle(0, 0, reach, radial((0, 0), reach, shade(head.skin, 0.42), 0.26))
    canvas.restore()


def _draw_cheeks(canvas: skia.Canvas, head: Head) -> None:
    identity = head.identity
    pale = luminance(head.skin)
    warmth = (0.16 + 0.42 * identity.blush) * lerp(0.55, 1.0, pale)
    colour = mix(head.skin, ROSE, 0.55)
    for side in (-1, 1):
        with head.tangent(canvas, side * 0.56, 0.42 - 0.05 * max(0.0, head.pose.smile)):
            canvas.scale(1.0, 0.82)
            canvas.drawCircle(0, 0, 0.34, radial((0, 0), 0.34, colour, warmth))


def draw_marks(canvas: skia.Canvas, head: Head) -> None:
    """Freckles, mole and the lines of age."""
    identity = head.identity
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    if identity.wrinkles > 0:
        _draw_wrinkles(canvas, head)
    if identity.freckles > 0:
        rng = np.random.default_rng(identity.hair_texture)
        spots = []
        for i in range(30):
            side = 1 if i % 2 else -1
            u = side * (0.14 + 0.56 * rng.random())
            v = identity.nose_y - 0.07 + rng.normal(0, 0.085)
            spots.append((*head.at(u, v), 0.014 + 0.014 * rng.random()))
        spot = mix(shade(head.skin, 0.36), (0.62, 0.28, 0.12), 0.4)
        canvas.drawPath(circles(spots), fill(spot, 0.35 + 0.45 * identity.freckles))
    if identity.mole:
        x, y = head.at(identity.mole_x, identity.mole_y)
        canvas.drawCircle(x, y, 0.036, fill(shade(head.skin, 0.72), 0.9))
        canvas.drawCircle(x - 0.008, y - 0.010, 0.012, fill(light(head.skin, 0.1), 0.5))
    canvas.restore()


def _draw_wrinkles(canvas: skia.Canvas, head: Head) -> None:
    identity = head.identity
    pen = line(head.skin_line, 0.020, 0.36 * identity.wrinkles)
    for row in range(2):
        v = -identity.hairline + 0.16 + 0.10 * row
        canvas.drawPath(smooth(head.along([(-0.30, v + 0.01), (-0.1, v), (0.12, v), (0.30, v + 0.02)]), False), pen)
    for side in (-1, 1):
        u, v = side * identity.eye_spacing, identity.eye_y
        reach = identity.eye_size
        bag = [(u - reach * 0.8, v + reach * 0.95), (u, v + reach * 1.3), (u + reach * 0.8, v + reach * 0.95)]
        canvas.drawPath(smooth(head.along(bag), False), pen)
        for rise in (-0.06, 0.0, 0.06):
            crow = [(u + side * reach * 1.3, v + 0.02 + rise * 0.5), (u + side * reach * 1.75, v + 0.02 + rise * 1.5)]
            canvas.drawPath(smooth(head.along(crow), False), pen)
        fold = [
            (side * (identity.nose_width + 0.07), identity.nose_y + 0.02),
            (side * (identity.mouth_width + 0.08), identity.mouth_y - 0.17),
            (side * (identity.mouth_width + 0.12), identity.mouth_y - 0.02),
        ]
        canvas.drawPath(smooth(head.along(fold), False), pen)


def ear_in_front(head: Head, side: int) -> bool:
    """Whether the ear of this side (-1 left, 1 right) lies before the contour of the head."""
    return -side * head.sin_yaw > 0.10


def draw_ear(canvas: skia.Canvas, head: Head, side: int) -> None:
    """One ear with what hangs on it, from its root on the side of the head."""
    identity = head.identity
    x, y, _ = head.rotate(side * head.width * 0.985, identity.eye_y + 0.13, -0.10)
    size = identity.ear_size
    out = (identity.ear_out + 0.09) * lerp(1.0, 1.25, head.trailing(side))
    canvas.save()
    canvas.translate(x, y)
    canvas.scale(side, 1.0)
    path = smooth(
        [
            (-0.06, -0.70 * size), (out * 0.45, -1.04 * size), (out * 1.10, -0.80 * size), (out * 1.18, -0.20 * size),
            (out * 0.80, 0.50 * size), (out * 0.34, 0.98 * size), (-0.04, 0.80 * size), (-0.10, 0.0),
        ]
    )  # fmt: skip
    base = mix(head.skin, ROSE, 0.07)
    lit = clamp(0.5 + 0.5 * side * head.light[0] * head.pose.light_strength, 0, 1)
    tint = mix(shade(base, 0.20), base, lit)
    canvas.drawPath(path, linear((0, -size), (0, size), (tint, shade(tint, 0.14))))
    fold = smooth([(out * 0.10, -0.58 * size), (out * 0.72, -0.62 * size), (out * 0.72, -0.05 * size)], False)
    canvas.drawPath(fold, line(shade(base, 0.42), 0.035, 0.6))
    hollow = smooth([(out * 0.22, -0.15 * size), (out * 0.46, 0.10 * size), (out * 0.16, 0.40 * size)], False)
    canvas.drawPath(hollow, line(shade(base, 0.45), 0.04, 0.5))
    if identity.earring != 'none':
        _draw_earring(canvas, head, out * 0.34, size * 0.98)
    canvas.restore()


def _draw_earring(canvas: skia.Canvas, head: Head, x: float, y: float) -> None:
    colour = FRAMES[head.identity.earring_colour]
    if head.identity.earring == 'hoop':
        canvas.drawCircle(x, y + 0.09, 0.10, line(shade(colour, 0.1), 0.032))
        return
    if head.identity.earring == 'drop':
        canvas.drawLine(x, y, x, y + 0.12, line(shade(colour, 0.3), 0.02))
        y += 0.15
    canvas.drawCircle(x, y, 0.058, fill(colour))
    canvas.drawCircle(x - 0.018, y - 0.018, 0.02, fill(light(colour, 0.8), 0.9))


def draw_back_of_head(canvas: skia.Canvas, head: Head) -> None:
    """The skull seen from behind; without features."""
    canvas.drawPath(head.contour, head.shaded(shade(head.skin, 0.05), (0.0, 0.05), 1.15))
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    canvas.drawPath(head.contour, line(shade(head.skin, 0.45), 0.16, 0.22, 0.07))
    nape = skia.Path()
    add_smooth(nape, [(-0.30, 0.62), (0.0, 0.70), (0.30, 0.62)], move=True)
    canvas.drawPath(nape, line(shade(head.skin, 0.4), 0.10, 0.16, 0.06))
    canvas.restore()


def box_points(head: Head) -> list[tuple[float, float]]:
    """Points around the face from hairline to chin and ear root to ear root, in head units before the roll."""
    top = head.at(0.0, -head.identity.hairline)[1]
    points = head.along([(u, -head.identity.hairline) for u in (-0.5, -0.25, 0.0, 0.25, 0.5)])
    ring = head.contour_points
    count = len(ring)
    for i in range(count):
        p0, p1, p2, p3 = ring[i - 1], ring[i], ring[(i + 1) % count], ring[(i + 2) % count]
        if max(p1[1], p2[1]) < top:
            continue
        for t in (0.0, 0.25, 0.5, 0.75):
            x, y = _catmull_rom(p0, p1, p2, p3, t)
            if y >= top:
                points.append((x, y))
    return points


def _catmull_rom(
    p0: tuple[float, float], p1: tuple[float, float], p2: tuple[float, float], p3: tuple[float, float], t: float
) -> tuple[float, float]:
    a = -0.5 * t * t * t + t * t - 0.5 * t
    b = 1.5 * t * t * t - 2.5 * t * t + 1
    c = -1.5 * t * t * t + 2 * t * t + 0.5 * t
    d = 0.5 * t * t * t - 0.5 * t * t
    return (a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0], a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1])


def rolled(point: tuple[float, float], roll: float, x: float, y: float, unit: float) -> tuple[float, float]:
    """A point of the head on the canvas."""
    cos, sin = math.cos(roll), math.sin(roll)
    return (x + unit * (cos * point[0] - sin * point[1]), y + unit * (sin * point[0] + cos * point[1]))
