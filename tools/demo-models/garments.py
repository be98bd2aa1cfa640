"""Legs, arms, hands and what is worn on them and on the trunk, in head units."""

from __future__ import annotations

import math

import skia
from body import NECK, Arm, Body
from brush import Colour, Point, add_smooth, circles, clamp, ellipse, fill, lerp, light, line, linear, mix, ribbon, shade, smooth
from characters import Pose
from head import Head


def limb(points: list[Point], halves: tuple[float, float, float]) -> tuple[skia.Path, skia.Path]:
    """A leg or sleeve through three joints, and the round end at the first: two paths, since a union of them may fail."""
    a, b, c = points
    blend = [a, mid(a, b, 0.6), soft(a, b, c), mid(b, c, 0.4), c]
    first, middle, last = halves
    path = ribbon(blend, (first, lerp(first, middle, 0.6), middle, lerp(middle, last, 0.4), last))
    return path, ellipse(*a, first, first)


def mid(a: Point, b: Point, share: float) -> Point:
    return lerp(a[0], b[0], share), lerp(a[1], b[1], share)


def soft(a: Point, b: Point, c: Point) -> Point:
    """The joint b, drawn in a little."""
    return b[0] * 0.88 + (a[0] + c[0]) * 0.06, b[1] * 0.88 + (a[1] + c[1]) * 0.06


def draw_leg(canvas: skia.Canvas, body: Body, side: int) -> None:
    outfit = body.person.outfit
    joints, tilt = body.leg(side)
    points = [body.point(*joint) for joint in joints]
    near = body.at(*joints[0])[2]
    bare = outfit.kind in ('dress', 'skirt')
    colour = shade(outfit.bottom, clamp(0.10 - near * 0.4, 0.0, 0.26)) if not bare else shade(mix(outfit.bottom, (0.3, 0.2, 0.25), 0.72), 0.06)
    halves = (0.26, 0.23, 0.17) if bare else (0.41, 0.34, 0.27)
    draw_shoe(canvas, body, joints[2], tilt, near)
    path = limb(points, halves)
    x = points[1][0]
    paint = linear((x - 0.45, 0), (x + 0.45, 0), (light(colour, 0.08), colour, shade(colour, 0.18)))
    for part in path:
        canvas.drawPath(part, paint)
    if not bare:
        cuff = body.point(joints[2][0], joints[2][1], joints[2][2] + 0.10)
        canvas.drawLine(cuff[0] - 0.22, cuff[1], cuff[0] + 0.22, cuff[1], line(shade(colour, 0.28), 0.07, 0.6))


def draw_shoe(canvas: skia.Canvas, body: Body, ankle: tuple[float, float, float], tilt: float, near: float) -> None:
    colour = shade(body.person.outfit.shoes, clamp(-near * 0.35, 0.0, 0.2))
    x, y = body.point(ankle[0], ankle[1], ankle[2])
    toes = body.stance.heading + (body.stance.travel - body.stance.heading) * body.stance.stride * 0.8
    sin, cos = math.sin(toes), math.cos(toes)
    side = abs(sin)
    length = 0.27 + 0.27 * side
    forward = 0.24 * sin
    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(math.degrees(-tilt * sin))
    drop = 0.10 * max(0.0, cos)
    toe = 1 if sin >= 0 else -1
    shape = smooth(
        [
            (forward - toe * length * 0.95, 0.06), (forward - toe * length * 0.8, -0.12), (forward - toe * length * 0.1, -0.16),
            (forward + toe * length * 0.55, 0.0 + drop * 0.5), (forward + toe * length * 1.02, 0.13 + drop),
            (forward + toe * length * 0.9, 0.24 + drop), (forward, 0.25 + drop), (forward - toe * length * 0.85, 0.23),
        ]
    )  # fmt: skip
    canvas.drawPath(shape, linear((0, -0.15), (0, 0.28), (light(colour, 0.16), colour, shade(colour, 0.25))))
    canvas.save()
    canvas.clipPath(shape, doAntiAlias=True)
    canvas.drawRect(skia.Rect.MakeLTRB(-1, 0.19 + drop * 0.6, 1, 0.5), fill(shade(colour, 0.5), 0.8))
    canvas.restore()
    canvas.restore()


def draw_arm(canvas: skia.Canvas, body: Body, side: int, angles: Arm) -> Point:
    """Sleeve and hand; returns where the hand is."""
    outfit, identity = body.person.outfit, body.person.identity
    joints = body.arm(side, angles)
    points = [body.point(*joint) for joint in joints]
    near = body.at(*joints[0])[2]
    colour = outfit.top if outfit.kind != 'dungarees' else outfit.accent
    colour = shade(colour, clamp(0.05 - near * 0.16, 0.0, 0.22))
    skin = Head(identity, Pose()).skin
    dx, dy = points[2][0] - points[1][0], points[2][1] - points[1][1]
    length = math.hypot(dx, dy) or 1.0
    dx, dy = dx / length, dy / length
    hand = (points[2][0] + dx * 0.16, points[2][1] + dy * 0.16)
    draw_hand(canvas, hand, (dx, dy), skin, side if body.cos > 0 else -side)
    if outfit.sleeves == 'short':
        bare = limb(points, (0.20, 0.19, 0.15))
        for part in bare:
            canvas.drawPath(part, fill(shade(skin, 0.06)))
        cut = [points[0], mid(points[0], points[1], 0.5), mid(points[0], points[1], 0.8)]
        path = limb(cut, (0.31, 0.30, 0.29))
    else:
        path = limb(points, (0.31, 0.28, 0.22))
    x, y = points[1]
    paint = linear((x - 0.35, y - 0.2), (x + 0.35, y + 0.2), (light(colour, 0.10), colour, shade(colour, 0.16)))
    for part in path:
        canvas.drawPath(part, line(shade(colour, 0.45), 0.06, 0.28))
    for part in path:
        canvas.drawPath(part, paint)
    if outfit.sleeves == 'long':
        wrist = points[2]
        canvas.drawLine(wrist[0] - dy * 0.19, wrist[1] + dx * 0.19, wrist[0] + dy * 0.19, wrist[1] - dx * 0.19, line(shade(colour, 0.24), 0.10))
    return hand


def draw_hand(canvas: skia.Canvas, at: Point, along: Point, skin: Colour, side: int) -> None:
    canvas.save()
    canvas.translate(*at)
    canvas.rotate(math.degrees(math.atan2(along[1], along[0])) - 90)
    canvas.drawPath(smooth([(-side * 0.12, -0.12), (-side * 0.27, 0.0), (-side * 0.24, 0.16), (-side * 0.12, 0.1)]), fill(shade(skin, 0.1)))
    palm = smooth([(-0.16, -0.18), (-0.19, 0.10), (-0.11, 0.30), (0.08, 0.31), (0.18, 0.12), (0.16, -0.18)])
    canvas.drawPath(palm, linear((-0.2, 0), (0.2, 0.3), (light(skin, 0.06), shade(skin, 0.12))))
    canvas.restore()


SIDES = {
    'jumper': ((5.10, 0.44, 0.40), (4.98, 0.86, 0.52), (4.74, 1.16, 0.62), (4.2, 1.20, 0.74), (3.4, 1.12, 0.76), (2.42, 1.13, 0.80)),
    'coat': ((5.10, 0.44, 0.40), (4.98, 0.90, 0.54), (4.74, 1.20, 0.66), (4.0, 1.22, 0.78), (3.2, 1.16, 0.80), (1.55, 1.34, 1.02)),
    'dress': ((5.10, 0.44, 0.40), (4.98, 0.84, 0.50), (4.74, 1.10, 0.60), (4.2, 1.10, 0.70), (3.5, 0.96, 0.66), (2.6, 1.20, 0.92), (1.45, 1.46, 1.22)),
}  # fmt: skip


def torso_path(body: Body, kind: str) -> skia.Path:
    """The outline of what is worn on the trunk."""
    rows = SIDES['coat' if kind == 'coat' else 'dress' if kind == 'dress' else 'jumper']
    swing = 0.12 * body.stance.stride * math.sin(2 * math.pi * body.stance.phase)
    left, right = [], []
    for height, across, depth in rows:
        hang = clamp((3.2 - height) / 1.8, 0.0, 1.0)
        x, y = body.point(body.sway, body.lean * (height / NECK) - hang * 0.06, height + body.bob * (1 - 0.6 * hang))
        half = body.wide(across, depth)
        left.append((x - half - swing * hang * 0.5, y))
        right.append((x + half - swing * hang * 0.5, y))
    path = skia.Path()
    add_smooth(path, left, move=True, tension=0.85)
    bottom = (left[-1][1] + right[-1][1]) / 2 + 0.12
    path.quadTo((left[-1][0] + right[-1][0]) / 2, bottom + 0.1, *right[-1])
    add_smooth(path, right[::-1], tension=0.85)
    path.close()
    return path


def front_line(body: Body, heights: tuple[float, ...], across: float = 0.0) -> list[Point]:
    """Points down the front of the trunk."""
    return [body.point(across + body.sway, 0.74 + body.lean - 0.12 * (height / NECK) ** 3, height + body.bob) for height in heights]


def draw_skirt(canvas: skia.Canvas, body: Body) -> None:
    colour = body.person.outfit.bottom
    swing = 0.16 * body.stance.stride * math.sin(2 * math.pi * body.stance.phase)
    rows = ((2.75, 1.02, 0.76), (2.3, 1.16, 0.92), (1.42, 1.36, 1.12))
    left, right = [], []
    for i, (height, across, depth) in enumerate(rows):
        x, y = body.point(body.sway, -0.03 * i, height + body.bob * (1 - 0.3 * i))
        half = body.wide(across, depth)
        left.append((x - half - swing * i * 0.3, y))
        right.append((x + half - swing * i * 0.3, y))
    path = skia.Path()
    add_smooth(path, left, move=True)
    path.quadTo((left[-1][0] + right[-1][0]) / 2, left[-1][1] + 0.3, *right[-1])
    add_smooth(path, right[::-1])
    path.close()
    canvas.drawPath(path, linear((left[1][0], 0), (right[1][0], 0), (light(colour, 0.1), colour, shade(colour, 0.2))))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    for share in (0.2, 0.42, 0.66, 0.86):
        top, foot = mid(left[0], right[0], share), mid(left[-1], right[-1], share)
        canvas.drawLine(*top, foot[0], foot[1] + 0.3, line(shade(colour, 0.4), 0.05, 0.35))
    canvas.restore()


def draw_torso(canvas: skia.Canvas, body: Body) -> None:
    outfit = body.person.outfit
    kind = outfit.kind
    colour = outfit.accent if kind == 'dungarees' else outfit.top
    if kind == 'skirt':
        draw_skirt(canvas, body)
    path = torso_path(body, kind)
    bounds = path.getBounds()
    canvas.drawPath(path, line(shade(colour, 0.5), 0.07, 0.2))
    paint = linear((bounds.left(), bounds.top()), (bounds.right(), bounds.bottom() - 0.6), (light(colour, 0.13), colour, shade(colour, 0.2)))
    canvas.drawPath(path, paint)
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    draw_pattern(canvas, body, bounds)
    facing = body.cos > -0.15
    if facing and kind in ('coat', 'suit'):
        draw_opening(canvas, body)
    if facing and kind == 'shirt':
        canvas.drawPath(smooth(front_line(body, (5.1, 4.0, 2.4)), False), line(shade(colour, 0.35), 0.04, 0.6))
        canvas.drawPath(circles([(x, y, 0.045) for x, y in front_line(body, (4.5, 4.0, 3.5, 3.0))]), fill(light(colour, 0.6)))
    if kind == 'dungarees':
        draw_bib(canvas, body, facing)
    if kind == 'dress':
        y = -3.42 - body.bob
        canvas.drawLine(bounds.left(), y, bounds.right(), y, line(shade(outfit.accent, 0.05), 0.22))
    if kind in ('jumper', 'shirt', 'skirt'):
        y = bounds.bottom() - 0.16
        canvas.drawPath(smooth([(bounds.left(), y - 0.06), (body.head[0], y + 0.08), (bounds.right(), y - 0.06)], False), line(shade(colour, 0.2), 0.16, 0.7))
    x = body.head[0]
    canvas.drawPath(ellipse(x, -NECK + 0.1 - body.bob, 0.75, 0.4), fill(shade(colour, 0.6), 0.22, 0.12))
    canvas.restore()


def draw_pattern(canvas: skia.Canvas, body: Body, bounds: skia.Rect) -> None:
    outfit = body.person.outfit
    if outfit.collar.pattern == 'plain' or outfit.kind in ('dungarees', 'suit', 'coat'):
        return
    accent, x = shade(outfit.accent, 0.04), body.head[0]
    left, right = bounds.left() - 0.1, bounds.right() + 0.1
    if outfit.collar.pattern == 'dots':
        spots = [(left + 0.36 * i + 0.18 * (j % 2), bounds.top() + 0.4 + 0.34 * j, 0.065) for i in range(9) for j in range(12)]
        canvas.drawPath(circles(spots), fill(accent, 0.9))
        return
    rows = [0.85 + 0.5 * i for i in range(8)] if outfit.collar.pattern == 'stripes' else [1.05]
    for row in rows:
        y = bounds.top() + row
        canvas.drawPath(smooth([(left, y - 0.08), (x, y + 0.08), (right, y - 0.08)], False), line(accent, 0.19 if len(rows) > 1 else 0.42))


def draw_opening(canvas: skia.Canvas, body: Body) -> None:
    """The shirt under an open jacket, or the buttons of a coat."""
    outfit = body.person.outfit
    colour = outfit.top
    if outfit.kind == 'coat':
        canvas.drawPath(smooth(front_line(body, (5.1, 3.6, 1.4)), False), line(shade(colour, 0.4), 0.05, 0.7))
        for across in (-0.2, 0.2):
            canvas.drawPath(circles([(x, y, 0.07) for x, y in front_line(body, (4.1, 3.4), across)]), fill(shade(colour, 0.55)))
        y = -3.05 - body.bob
        canvas.drawLine(-3, y, 3, y, line(shade(colour, 0.22), 0.24))
        buckle = front_line(body, (3.05,))[0]
        canvas.drawRect(skia.Rect.MakeXYWH(buckle[0] - 0.14, buckle[1] - 0.13, 0.28, 0.26), line((0.84, 0.68, 0.4), 0.06))
        return
    left, right = front_line(body, (5.15, 4.4, 3.4), -0.42), front_line(body, (3.4, 4.4, 5.15), 0.42)
    left[2], right[0] = front_line(body, (3.3,), -0.03)[0], front_line(body, (3.3,), 0.03)[0]
    canvas.drawPath(smooth([*left, *right], tension=0.3), fill(light(outfit.accent, 0.75)))
    tie = [*front_line(body, (4.95, 4.75), -0.1), *front_line(body, (3.7,), -0.16), *front_line(body, (3.4,)), *front_line(body, (3.7,), 0.16), *front_line(body, (4.75, 4.95), 0.1)]
    canvas.drawPath(smooth(tie, tension=0.1), fill(outfit.accent))
    canvas.drawPath(smooth(front_line(body, (3.3, 2.9, 2.3)), False), line(shade(colour, 0.5), 0.05, 0.8))
    canvas.drawPath(circles([(x, y, 0.06) for x, y in front_line(body, (3.1, 2.8), 0.12)]), fill(shade(colour, 0.55)))


def draw_bib(canvas: skia.Canvas, body: Body, facing: bool) -> None:
    colour = body.person.outfit.bottom
    y = -2.95 - body.bob
    canvas.drawRect(skia.Rect.MakeLTRB(-3, y, 3, 0), fill(colour))
    for side in (-1, 1):
        strap = front_line(body, (5.2, 4.3), side * 0.5)
        canvas.drawLine(*strap[0], *strap[1], line(shade(colour, 0.06), 0.2))
    if not facing:
        return
    bib = smooth([*front_line(body, (4.45, 2.9), -0.62), *front_line(body, (2.9, 4.45), 0.62)], tension=0.1)
    canvas.drawPath(bib, fill(light(colour, 0.05)))
    canvas.drawPath(bib, line(shade(colour, 0.3), 0.04, 0.6))
    pocket = smooth([*front_line(body, (3.95, 3.35), -0.3), *front_line(body, (3.35, 3.95), 0.3)], tension=0.2)
    canvas.drawPath(pocket, fill(shade(colour, 0.14)))
    canvas.drawPath(circles([(x, y, 0.07) for side in (-1, 1) for x, y in front_line(body, (4.3,), side * 0.5)]), fill((0.85, 0.68, 0.35)))
