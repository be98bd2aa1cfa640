"""Beards and moustaches."""

from __future__ import annotations

import math

import numpy as np
import skia

from brush import Point, add_smooth, fill, lerp, light, line, luminance, mix, shade, smooth
from head import Head, tone
from mouth import mouth_shape

# Points of Head.contour_points along the jaw, from the right cheek over the chin to the left cheek.
JAW = (5, 6, 7, 8, 9, 10, 11)


def _colour(head: Head) -> tuple[float, float, float]:
    return tone(head.hair, head.identity.beard_tone)


def _grown(point: Point, amount: float) -> Point:
    x, y = point
    length = math.hypot(x, y) or 1.0
    return (x + x / length * amount, y + y / length * amount)


def _outer(head: Head, cheek: float, chin: float) -> list[Point]:
    """Outer edge from the right sideburn over the chin to the left one."""
    ring = head.contour_points
    grow = (
        cheek,
        lerp(cheek, chin, 0.35),
        lerp(cheek, chin, 0.85),
        chin,
        lerp(cheek, chin, 0.85),
        lerp(cheek, chin, 0.35),
        cheek,
    )
    low = [_grown(ring[i], amount) for i, amount in zip(JAW, grow, strict=True)]
    return [ring[4], *low, ring[12]]


def _cheek_line(head: Head, side: int) -> list[Point]:
    """Upper edge of a full beard on one cheek, from the sideburn to below the nose."""
    identity = head.identity
    my = identity.mouth_y
    return head.along(
        [
            (side * 0.955 * head.width, 0.12), (side * 0.87 * head.width, 0.34), (side * 0.74 * head.width, my - 0.21),
            (side * 0.56, my - 0.17), (side * 0.42, my - 0.17), (side * 0.30, my - 0.20),
            (side * 0.12, identity.nose_y + 0.16),
        ]
    )  # fmt: skip


def _full_path(head: Head, chin: float) -> skia.Path:
    path = skia.Path()
    add_smooth(path, _outer(head, 0.015, chin), move=True)
    add_smooth(path, [*_cheek_line(head, -1), *_cheek_line(head, 1)[::-1]])
    path.close()
    return path


def draw_beard(canvas: skia.Canvas, head: Head) -> None:
    """What lies below the mouth; drawn before it."""
    identity = head.identity
    match identity.beard:
        case 'stubble':
            canvas.save()
            canvas.clipPath(head.contour, doAntiAlias=True)
            colour = mix(head.skin, shade(_colour(head), 0.15), 0.62)
            canvas.drawPath(_full_path(head, 0.0), fill(colour, 0.55, 0.055))
            canvas.restore()
        case 'full':
            _draw_hairy(canvas, head, _full_path(head, 0.07 + 0.30 * identity.beard_length), 0.04)
        case 'strap':
            _draw_hairy(canvas, head, _strap(head), 0.025)
        case 'goatee':
            _draw_hairy(canvas, head, _goatee(head), 0.02)
        case _:
            return


def _strap(head: Head) -> skia.Path:
    thick = 0.14 + 0.10 * head.identity.beard_length
    outer = _outer(head, 0.02, 0.05)
    inner = [head.at(-0.95 * head.width, 0.10)]
    inner += [_grown(head.contour_points[i], -thick) for i in JAW[::-1]]
    inner += [head.at(0.95 * head.width, 0.10)]
    path = skia.Path()
    add_smooth(path, outer, move=True)
    add_smooth(path, inner)
    path.close()
    return path


def _goatee(head: Head) -> skia.Path:
    identity = head.identity
    my, long = identity.mouth_y, 0.04 + 0.26 * identity.beard_length
    chin_x, chin_y = head.contour_points[8]
    below = my + 0.10 + identity.lip_lower + 0.25 * head.pose.mouth_open
    edge = head.along([(-0.16, below + 0.02), (-0.05, below - 0.015), (0.05, below - 0.015), (0.16, below + 0.02)])
    return smooth(
        [
            *edge, head.at(0.27, below + 0.10), (chin_x + 0.25, chin_y - 0.03), (chin_x + 0.11, chin_y + long * 0.8),
            (chin_x, chin_y + long), (chin_x - 0.11, chin_y + long * 0.8), (chin_x - 0.25, chin_y - 0.03),
            head.at(-0.27, below + 0.10),
        ]
    )  # fmt: skip


def _draw_hairy(canvas: skia.Canvas, head: Head, path: skia.Path, soft: float) -> None:
    colour = _colour(head)
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    canvas.drawPath(path, fill(shade(colour, 0.1), 0.55, soft))
    canvas.restore()
    canvas.drawPath(path, head.shaded(colour, (0.0, 0.75), 0.7, 1.2))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    rng = np.random.default_rng(head.identity.hair_texture + 2)
    bright = luminance(colour)
    chin_x, chin_y = head.contour_points[8]
    for i in range(15):
        share = (i + 0.5) / 15 * 2 - 1
        x = share * 0.95 + 0.2 * head.sin_yaw
        top = chin_y - 0.34 - 0.42 * share * share
        tip = chin_y + 0.34 - 0.80 * share * share
        tint = light(colour, 0.35) if i % 2 else shade(colour, 0.4 if bright > 0.2 else 0.2)
        curve = [(x + 0.1 * chin_x, top), (x * 0.93 + 0.2 * chin_x, (top + tip) / 2), (x * 0.80 + 0.3 * chin_x, tip)]
        canvas.drawPath(smooth(curve, False), line(tint, 0.02 + 0.014 * float(rng.random()), 0.30))
    canvas.drawPath(path, line(shade(colour, 0.5), 0.06, 0.22, 0.03))
    canvas.restore()


def draw_moustache(canvas: skia.Canvas, head: Head) -> None:
    """What lies on the upper lip; drawn after the mouth, and it moves with its corners."""
    identity = head.identity
    if identity.beard not in ('full', 'goatee', 'moustache', 'handlebar'):
        return
    shape = mouth_shape(head)
    top = identity.nose_y + 0.125
    low = identity.mouth_y + shape.middle - identity.lip_upper * 0.55
    height = max(0.10, low - top)
    handlebar = identity.beard == 'handlebar'
    half = shape.half * (1.10 if identity.beard == 'goatee' else 1.0) + (0.10 if handlebar else 0.045)
    lift = shape.corner * (1.0 if not handlebar else 0.6)
    colour = _colour(head)
    with head.tangent(canvas, 0.0, top, 0.09):
        for side in (-1, 1):
            path = skia.Path()
            if handlebar:
                rim = [
                    (0.0, 0.01),
                    (side * half * 0.45, -0.01),
                    (side * half * 0.85, height * 0.7 + lift),
                    (side * half * 1.12, -0.04 + lift),
                    (side * half * 0.98, -0.12 + lift),
                ]
                back = [
                    (side * half * 1.24, -0.02 + lift),
                    (side * half * 0.95, height * 1.15 + lift),
                    (side * half * 0.45, height * 1.02),
                    (0.0, height * 0.72),
                ]
            else:
                rim = [
                    (0.0, 0.01),
                    (side * half * 0.34, -0.012),
                    (side * half * 0.78, height * 0.38 + lift * 0.6),
                    (side * half * 1.10, height * 1.25 + lift),
                ]
                back = [
                    (side * half * 0.78, height * 1.20 + lift * 0.8),
                    (side * half * 0.40, height * 1.04),
                    (0.0, height * 0.74),
                ]
            add_smooth(path, rim, move=True)
            add_smooth(path, back)
            path.close()
            canvas.drawPath(path, fill(shade(head.skin, 0.6), 0.22, 0.025))
            canvas.drawPath(path, head.shaded(colour, (0.0, height * 0.5), 0.35, 1.1))
            for share in (0.3, 0.6, 0.85):
                hairs = [
                    (side * half * share * 0.45, 0.01),
                    (side * half * share * 0.9, height * 0.45 + lift * share * 0.5),
                    (side * half * share, height * 0.95 + lift * share * 0.7),
                ]
                canvas.drawPath(smooth(hairs, False), line(light(colour, 0.35), 0.016, 0.28))
