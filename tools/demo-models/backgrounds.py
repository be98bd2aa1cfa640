"""Rooms, streets and abstract surfaces without any face, and things in them that a hasty detector takes for one.

Everything draws on a skia canvas; `size` is roughly the width of a thing in pixels. Sockets with two dots and a line, clocks, cars
seen from the front and skin-coloured ovals with hair but no features are here so that none of these counts as a face.
"""

from __future__ import annotations

import math

import numpy as np
import skia
from brush import Colour, circles, ellipse, fill, light, line, linear, mix, radial, shade, smooth
from palette import CLOTH, HAIR, SKIN

Rng = np.random.Generator


def draw_background(canvas: skia.Canvas, width: int, height: int, rng: Rng) -> None:
    """Fills the canvas: half of the time a room, else an abstract surface; then some things in it."""
    if rng.random() < 0.5:
        _room(canvas, width, height, rng)
    else:
        rng.choice([_gradient, _stripes, _tiles, _blobs, _horizon, _planks])(canvas, width, height, rng)
    for _ in range(rng.integers(0, 6)):
        draw_distractor(canvas, rng, rng.uniform(0, width), rng.uniform(0, height), _size(rng, width))


def random_background(rng: Rng, height: int, width: int) -> np.ndarray:
    """A background as RGB, uint8 [height, width, 3]."""
    pixels = np.zeros((height, width, 4), np.uint8)
    draw_background(skia.Surface(pixels).getCanvas(), width, height, rng)
    return np.ascontiguousarray(pixels[..., :3])


def draw_distractor(canvas: skia.Canvas, rng: Rng, x: float, y: float, size: float) -> None:
    """One thing without a face, with its middle at `x`, `y`."""
    index = rng.choice(len(_DISTRACTORS), p=_CHANCES)
    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(float(np.clip(rng.normal(0, 5), -20, 20)))
    canvas.scale(size / 2, size / 2)
    _DISTRACTORS[index][0](canvas, rng)
    canvas.restore()


def _size(rng: Rng, width: int) -> float:
    return float(np.exp(rng.uniform(np.log(12), np.log(0.55 * width))))


def any_colour(rng: Rng) -> Colour:
    """Cloth, wall or wood colours, or anything at all."""
    kind = rng.random()
    if kind < 0.45:
        return mix(CLOTH[rng.integers(len(CLOTH))], CLOTH[rng.integers(len(CLOTH))], rng.uniform(0, 0.5))
    if kind < 0.65:
        return light(CLOTH[rng.integers(len(CLOTH))], rng.uniform(0.4, 0.9))
    if kind < 0.75:
        # As skin, so that skin alone means nothing.
        return SKIN[rng.integers(len(SKIN))]
    if kind < 0.85:
        grey = rng.uniform(0.05, 0.95)
        return (grey, grey, grey)
    return tuple(rng.uniform(0, 1, 3).tolist())


def _rect(x0: float, y0: float, x1: float, y1: float) -> skia.Rect:
    return skia.Rect.MakeLTRB(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


# Surfaces


def _gradient(canvas, width, height, rng):
    angle = rng.uniform(0, math.tau)
    dx, dy = math.cos(angle) * width / 2, math.sin(angle) * height / 2
    ends = (width / 2 - dx, height / 2 - dy), (width / 2 + dx, height / 2 + dy)
    canvas.drawPaint(linear(*ends, [any_colour(rng) for _ in range(rng.integers(2, 4))]))


def _stripes(canvas, width, height, rng):
    a, b = any_colour(rng), any_colour(rng)
    b = mix(a, b, rng.uniform(0.1, 1.0))
    canvas.drawPaint(fill(a))
    step = rng.uniform(6, 70)
    reach = width + height
    canvas.save()
    canvas.rotate(float(rng.uniform(0, 180)), width / 2, height / 2)
    for at in np.arange(-reach, reach, step):
        canvas.drawRect(_rect(at, -reach, at + step * 0.5, reach), fill(b))
    canvas.restore()


def _tiles(canvas, width, height, rng):
    base = any_colour(rng)
    canvas.drawPaint(fill(shade(base, 0.35)))
    across, down = rng.uniform(14, 90), rng.uniform(10, 60)
    gap, shift = rng.uniform(1, 4), rng.uniform(0, 0.5)
    for row in range(int(height / down) + 2):
        for column in range(-1, int(width / across) + 2):
            x, y = (column + row % 2 * shift) * across, row * down
            canvas.drawRect(_rect(x, y, x + across - gap, y + down - gap), fill(light(base, rng.uniform(0, 0.25))))


def _blobs(canvas, width, height, rng):
    canvas.drawPaint(fill(any_colour(rng)))
    for _ in range(rng.integers(4, 24)):
        radius = np.exp(rng.uniform(np.log(5), np.log(width / 2)))
        cx, cy, count = rng.uniform(0, width), rng.uniform(0, height), rng.integers(3, 9)
        points = []
        for i in range(count):
            r, a = radius * rng.uniform(0.5, 1.2), i / count * math.tau
            points.append((cx + r * math.cos(a), cy + r * math.sin(a)))
        canvas.drawPath(smooth(points), fill(any_colour(rng), rng.uniform(0.3, 1), blur=rng.choice([0, 0, radius / 6])))


def _horizon(canvas, width, height, rng):
    at = rng.uniform(0.3, 0.8) * height
    sky = rng.choice([0, 1])
    above = (0.62, 0.80, 0.93) if sky else any_colour(rng)
    canvas.drawPaint(linear((0, 0), (0, at), [above, light(above, 0.5)]))
    for _ in range(rng.integers(0, 4)):
        x, size = rng.uniform(0, width), rng.uniform(0.05, 0.2) * width
        canvas.drawPath(circles([(x + i * size * 0.5, rng.uniform(0.2, 0.3) * at, size * rng.uniform(0.3, 0.5)) for i in range(4)]), fill((1, 1, 1), 0.8))
    x = 0.0
    while x < width:
        house = rng.uniform(0.05, 0.2) * width
        top = at - rng.uniform(0, 0.5) * at
        wall = any_colour(rng)
        canvas.drawRect(_rect(x, top, x + house, at), fill(wall))
        pane = rng.uniform(4, 12)
        for wy in np.arange(top + pane, at - pane, pane * 2):
            for wx in np.arange(x + pane / 2, x + house - pane, pane * 1.8):
                canvas.drawRect(_rect(wx, wy, wx + pane * 0.8, wy + pane), fill(mix(wall, (1, 0.95, 0.7), rng.uniform(0, 0.9))))
        x += house
    ground = any_colour(rng)
    canvas.drawRect(_rect(0, at, width, height), linear((0, at), (0, height), [ground, shade(ground, 0.3)]))


def _planks(canvas, width, height, rng):
    base = any_colour(rng)
    canvas.drawPaint(fill(base))
    x = 0.0
    while x < width:
        board = rng.uniform(10, 60)
        colour = mix(base, rng.choice([light, shade])(base, 0.3), rng.uniform(0, 1))
        canvas.drawRect(_rect(x, 0, x + board, height), linear((x, 0), (x + board, 0), [light(colour, 0.1), shade(colour, 0.15)]))
        canvas.drawLine(x, 0, x, height, line(shade(base, 0.4), rng.uniform(0.5, 2)))
        x += board


def _room(canvas, width, height, rng):
    wall, floor = any_colour(rng), any_colour(rng)
    if rng.random() < 0.5:
        wall = light(wall, 0.6)
    at = rng.uniform(0.55, 0.95) * height
    canvas.drawPaint(linear((0, 0), (0, at), [light(wall, 0.2), wall]))
    if rng.random() < 0.5:
        for x in np.arange(0, width, rng.uniform(8, 50)):
            canvas.drawLine(x, 0, x, at, line(shade(wall, 0.12), 1))
    if rng.random() < 0.5:
        top = at - rng.uniform(0.08, 0.3) * height
        panel = any_colour(rng)
        canvas.drawRect(_rect(0, top, width, at), fill(panel))
        canvas.drawRect(_rect(0, top - 3, width, top + 2), fill(light(panel, 0.6)))
        step = rng.uniform(25, 90)
        for x in np.arange(0, width, step):
            canvas.drawRect(_rect(x + 5, top + 7, x + step - 5, at - 5), line(shade(panel, 0.25), 1.5))
    canvas.drawRect(_rect(0, at, width, height), linear((0, at), (0, height), [floor, shade(floor, 0.25)]))
    if rng.random() < 0.6:
        for x in np.arange(-width, 2 * width, rng.uniform(15, 60)):
            canvas.drawLine(x, at, width / 2 + (x - width / 2) * 2.5, height, line(shade(floor, 0.3), 1))
    unit = height * rng.uniform(0.15, 0.5)
    for thing in rng.permutation(4)[: rng.integers(0, 5)]:
        x = rng.uniform(0, width)
        place = {0: (_window, 0.35), 1: (_door, 1.0), 2: (_picture, 0.4), 3: (_lamp, 0.15)}[int(thing)]
        canvas.save()
        canvas.translate(x, at - unit if thing == 1 else place[1] * at)
        canvas.scale(unit / 2, unit / 2)
        place[0](canvas, rng)
        canvas.restore()
    if rng.random() < 0.4:
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.2, 0.6) * width
        canvas.drawRect(_rect(0, 0, width, height), radial((x, y), r, (1, 0.95, 0.8), rng.uniform(0.2, 0.6)))


# Things: drawn from -1 to 1


def _ball(canvas, rng):
    colour = any_colour(rng)
    canvas.drawCircle(0, 0, 1, linear((-0.7, -0.7), (0.7, 0.7), [light(colour, 0.4), shade(colour, 0.3)]))
    if rng.random() < 0.6:
        canvas.drawCircle(-0.35, -0.4, 0.2, fill((1, 1, 1), 0.6, blur=0.08))
    if rng.random() < 0.4:
        canvas.drawPath(ellipse(0, 0, rng.uniform(0.2, 0.7), 1), line(shade(colour, 0.5), 0.06))
        canvas.drawLine(-1, 0, 1, 0, line(shade(colour, 0.5), 0.06))


def _balloon(canvas, rng):
    colour = any_colour(rng)
    canvas.drawPath(smooth([(0, -1), (0.8, -0.3), (0.35, 0.65), (0, 0.9), (-0.35, 0.65), (-0.8, -0.3)]), linear((-0.7, -0.7), (0.7, 0.7), [light(colour, 0.4), shade(colour, 0.2)]))
    canvas.drawPath(smooth([(0, 0.9), (0.2, 1.5), (-0.1, 2.2)], closed=False), line((0.4, 0.35, 0.4), 0.04))
    canvas.drawPath(ellipse(-0.35, -0.4, 0.12, 0.25), fill((1, 1, 1), 0.6, blur=0.05))


def _clock(canvas, rng):
    rim = any_colour(rng)
    canvas.drawCircle(0, 0, 1, fill(rim))
    canvas.drawCircle(0, 0, 0.85, fill(light(any_colour(rng), 0.8)))
    for i in range(12):
        a = i / 12 * math.tau
        canvas.drawLine(math.cos(a) * 0.68, math.sin(a) * 0.68, math.cos(a) * 0.78, math.sin(a) * 0.78, line((0.2, 0.15, 0.2), 0.05))
    for length, width in ((0.4, 0.1), (0.65, 0.06)):
        a = rng.uniform(0, math.tau)
        canvas.drawLine(0, 0, math.cos(a) * length, math.sin(a) * length, line((0.2, 0.15, 0.2), width))


def _plant(canvas, rng):
    green = mix((0.25, 0.45, 0.28), any_colour(rng), rng.uniform(0, 0.4))
    for _ in range(rng.integers(5, 16)):
        tip = (rng.uniform(-1, 1), rng.uniform(-1.2, -0.1))
        canvas.drawPath(smooth([(0, 0.4), (tip[0] * 0.5 - 0.1, tip[1] * 0.4), tip, (tip[0] * 0.5 + 0.12, tip[1] * 0.4)]), fill(rng.choice([light, shade])(green, rng.uniform(0, 0.3))))
    pot = mix((0.76, 0.42, 0.3), any_colour(rng), rng.uniform(0, 0.5))
    canvas.drawPath(smooth([(-0.5, 0.3), (0.5, 0.3), (0.35, 1), (-0.35, 1)], tension=0.1), linear((-0.5, 0), (0.5, 0), [light(pot, 0.2), shade(pot, 0.3)]))


def _picture(canvas, rng):
    wide, high = rng.uniform(0.6, 1.2), rng.uniform(0.6, 1.2)
    frame = any_colour(rng)
    canvas.drawRect(_rect(-wide, -high, wide, high), fill(shade(frame, 0.3)))
    canvas.drawRect(_rect(-wide + 0.1, -high + 0.1, wide - 0.1, high - 0.1), fill(light(any_colour(rng), 0.6)))
    canvas.save()
    canvas.clipRect(_rect(-wide + 0.1, -high + 0.1, wide - 0.1, high - 0.1))
    canvas.drawCircle(rng.uniform(-0.5, 0.5), -0.3, rng.uniform(0.1, 0.35), fill(any_colour(rng)))
    canvas.drawPath(ellipse(rng.uniform(-0.4, 0.4), high, rng.uniform(0.5, 1.2), rng.uniform(0.4, 1)), fill(any_colour(rng)))
    if rng.random() < 0.4:
        canvas.drawPath(smooth([(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(5)]), fill(any_colour(rng)))
    canvas.restore()


def _wheel(canvas, rng):
    canvas.drawCircle(0, 0, 1, fill((0.15, 0.13, 0.16)))
    canvas.drawCircle(0, 0, 0.65, fill(any_colour(rng)))
    for i in range(count := int(rng.integers(3, 8))):
        a = i / count * math.tau
        canvas.drawLine(0, 0, math.cos(a) * 0.6, math.sin(a) * 0.6, line((0.2, 0.18, 0.2), 0.14))
    canvas.drawCircle(0, 0, 0.15, fill(any_colour(rng)))


def _books(canvas, rng):
    x = -1.0
    while x < 1:
        wide, high = rng.uniform(0.1, 0.3), rng.uniform(0.5, 1)
        colour = any_colour(rng)
        canvas.drawRect(_rect(x, 0.6 - high, x + wide, 0.6), linear((x, 0), (x + wide, 0), [light(colour, 0.2), shade(colour, 0.2)]))
        canvas.drawRect(_rect(x + 0.02, 0.6 - high * 0.8, x + wide - 0.02, 0.6 - high * 0.7), fill(light(colour, 0.6)))
        x += wide
    canvas.drawRect(_rect(-1.1, 0.6, 1.1, 0.72), fill((0.4, 0.28, 0.2)))


def _window(canvas, rng):
    frame, sky = light(any_colour(rng), rng.uniform(0, 0.9)), mix((0.6, 0.8, 0.95), any_colour(rng), rng.uniform(0, 0.5))
    wide = rng.uniform(0.7, 1.6)
    canvas.drawRect(_rect(-wide, -1, wide, 1), fill(frame))
    panes = int(rng.integers(1, 4))
    for i in range(panes):
        for j in range(2):
            x0, y0 = -wide + 0.08 + i * (2 * wide - 0.08) / panes, -0.92 + j * 0.96
            pane = _rect(x0, y0, x0 + (2 * wide - 0.08) / panes - 0.08, y0 + 0.88)
            canvas.drawRect(pane, linear((0, -1), (0, 1), [sky, light(sky, 0.6)]))
            if rng.random() < 0.4:
                canvas.save()
                canvas.clipRect(pane)
                canvas.drawPath(circles([(x0 + 0.2 + k * 0.2, y0 + 0.4, rng.uniform(0.1, 0.25)) for k in range(3)]), fill((1, 1, 1), 0.85))
                canvas.restore()


def _door(canvas, rng):
    colour = any_colour(rng)
    canvas.drawRect(_rect(-0.55, -1.08, 0.55, 1), fill(light(colour, 0.7)))
    canvas.drawRect(_rect(-0.45, -1, 0.45, 1), linear((-0.5, 0), (0.5, 0), [light(colour, 0.1), shade(colour, 0.2)]))
    for y0, y1 in ((-0.9, -0.1), (0.05, 0.9)):
        canvas.drawRect(_rect(-0.35, y0, 0.35, y1), line(shade(colour, 0.35), 0.03))
    canvas.drawCircle(0.36, 0.05, 0.05, fill((0.9, 0.75, 0.35)))


def _lamp(canvas, rng):
    colour = any_colour(rng)
    canvas.drawLine(0, -1, 0, 0, line((0.25, 0.2, 0.25), 0.04))
    canvas.drawCircle(0, 0.4, 1, radial((0, 0.4), 1, (1, 0.95, 0.75), 0.7))
    canvas.drawPath(smooth([(-0.15, 0), (0.15, 0), (0.5, 0.4), (-0.5, 0.4)], tension=0.4), fill(colour))
    canvas.drawPath(ellipse(0, 0.4, 0.2, 0.1), fill((1, 0.97, 0.85)))


def _car(canvas, rng):
    colour = any_colour(rng)
    canvas.drawPath(smooth([(-0.6, -0.6), (0.6, -0.6), (0.85, 0), (-0.85, 0)], tension=0.3), fill(shade(colour, 0.1)))
    canvas.drawPath(smooth([(-0.5, -0.5), (0.5, -0.5), (0.65, -0.05), (-0.65, -0.05)], tension=0.2), fill(mix((0.5, 0.6, 0.7), (0.1, 0.1, 0.15), rng.uniform(0, 1))))
    canvas.drawRect(_rect(-0.75, 0.4, -0.45, 0.8), fill((0.12, 0.1, 0.12)))
    canvas.drawRect(_rect(0.45, 0.4, 0.75, 0.8), fill((0.12, 0.1, 0.12)))
    canvas.drawPath(smooth([(-0.95, -0.05), (0.95, -0.05), (0.98, 0.55), (-0.98, 0.55)], tension=0.25), linear((0, 0), (0, 0.6), [light(colour, 0.15), shade(colour, 0.2)]))
    lamp = rng.uniform(0.1, 0.2)
    for x in (-0.7, 0.7):
        canvas.drawPath(ellipse(x, 0.15, lamp * rng.uniform(0.9, 1.3), lamp), fill((1, 0.97, 0.82)))
    canvas.drawRect(_rect(-0.35, 0.12, 0.35, 0.3), fill(shade(colour, 0.6)))
    canvas.drawRect(_rect(-0.25, 0.36, 0.25, 0.48), fill((0.93, 0.93, 0.9)))


def _socket(canvas, rng):
    colour = light(any_colour(rng), rng.uniform(0, 0.7))
    canvas.drawRoundRect(_rect(-1, -1, 1, 1), 0.25, 0.25, linear((-1, -1), (1, 1), [light(colour, 0.2), shade(colour, 0.1)]))
    if rng.random() < 0.5:
        canvas.drawCircle(0, 0, 0.78, fill(shade(colour, 0.12)))
    dark, y, gap = shade(colour, 0.75), rng.uniform(-0.35, 0.05), rng.uniform(0.25, 0.5)
    for x in (-gap, gap):
        canvas.drawCircle(x, y, rng.uniform(0.08, 0.17), fill(dark))
    mouth = rng.random()
    if mouth < 0.5:
        canvas.drawLine(-0.35, 0.45, 0.35, 0.45, line(dark, 0.12))
    elif mouth < 0.75:
        canvas.drawPath(smooth([(-0.4, 0.35), (0, rng.uniform(0.3, 0.65)), (0.4, 0.35)], closed=False), line(dark, 0.1))


def _cat(canvas, rng):
    """A round head with pointed ears and whiskers, on a body."""
    fur = any_colour(rng) if rng.random() < 0.4 else mix((0.85, 0.5, 0.22), HAIR[str(rng.choice(list(HAIR)))], rng.uniform(0, 1))
    if rng.random() < 0.7:
        canvas.drawPath(smooth([(0, 0.3), (0.9, 1.2), (0.7, 2.3), (-0.7, 2.3), (-0.9, 1.2)]), fill(shade(fur, 0.1)))
    for side in (-1, 1):
        canvas.drawPath(smooth([(side * 0.2, -0.7), (side * 0.75, -1.25), (side * 0.85, -0.3)], tension=0.3), fill(shade(fur, 0.15)))
    canvas.drawPath(smooth([(0, -0.85), (0.85, -0.35), (0.8, 0.45), (0, 0.85), (-0.8, 0.45), (-0.85, -0.35)]), fill(fur))
    ink, iris = shade(fur, 0.8), any_colour(rng)
    asleep = rng.random() < 0.35
    for side in (-1, 1):
        if asleep:
            canvas.drawPath(smooth([(side * 0.2, -0.1), (side * 0.38, 0.0), (side * 0.55, -0.1)], closed=False), line(ink, 0.06))
        else:
            canvas.drawPath(ellipse(side * 0.38, -0.1, 0.18, 0.16), fill(light(iris, 0.3)))
            canvas.drawPath(ellipse(side * 0.38, -0.1, 0.05, 0.14), fill(ink))
        for y in (0.25, 0.38):
            canvas.drawLine(side * 0.3, y, side * 1.1, y + rng.uniform(-0.15, 0.15), line(light(fur, 0.5), 0.03))
    canvas.drawPath(smooth([(-0.1, 0.2), (0.1, 0.2), (0, 0.32)], tension=0.3), fill((0.75, 0.4, 0.42)))
    canvas.drawPath(smooth([(-0.2, 0.42), (0, 0.38), (0.2, 0.42)], closed=False), line(ink, 0.05))


def _blank_head(canvas, rng):
    """An oval of skin with a neck and, mostly, hair: all of a head but the features."""
    skin = SKIN[rng.integers(len(SKIN))]
    hair = HAIR[str(rng.choice(list(HAIR)))]
    long = rng.random() < 0.3
    if long:
        canvas.drawPath(smooth([(0, -1.25), (1.1, -0.6), (1.1, 1.2), (-1.1, 1.2), (-1.1, -0.6)]), fill(shade(hair, 0.2)))
    if rng.random() < 0.7:
        cloth = any_colour(rng)
        canvas.drawRect(_rect(-0.35, 0.7, 0.35, 1.7), fill(shade(skin, 0.2)))
        canvas.drawPath(smooth([(-0.4, 1.4), (0.4, 1.4), (1.5, 1.8), (1.7, 3), (-1.7, 3), (-1.5, 1.8)], tension=0.7), fill(cloth))
    canvas.drawPath(smooth([(0, -1.1), (0.95, -0.3), (0.8, 0.6), (0, 1.15), (-0.8, 0.6), (-0.95, -0.3)]), linear((-0.7, -0.7), (0.7, 0.9), [light(skin, 0.15), shade(skin, 0.15)]))
    style = rng.random()
    if style < 0.5:
        fringe = rng.uniform(-0.8, 0.1)
        canvas.drawPath(smooth([(-1.02, -0.1), (-0.9, -0.9), (0, -1.35), (0.9, -0.9), (1.02, -0.1), (0.6, fringe), (0, fringe - 0.1), (-0.6, fringe)]), fill(hair))
    elif style < 0.7:
        canvas.drawPath(circles([(rng.uniform(-0.9, 0.9), rng.uniform(-1.3, -0.6), rng.uniform(0.25, 0.45)) for _ in range(14)]), fill(hair))


def _patch(canvas, rng):
    """Something soft of one colour."""
    canvas.drawPath(smooth([(r * math.cos(a), r * math.sin(a)) for r, a in zip(rng.uniform(0.4, 1.1, 6), np.arange(6) / 6 * math.tau, strict=True)]), fill(any_colour(rng), rng.uniform(0.4, 1), blur=rng.choice([0, 0.1])))


def _scribble(canvas, rng):
    points = [(rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5)) for _ in range(rng.integers(2, 6))]
    canvas.drawPath(smooth(points, closed=False), line(any_colour(rng), rng.uniform(0.02, 0.25)))


def _sign(canvas, rng):
    """A board with rows of dark strokes, as writing looks from far."""
    canvas.drawRoundRect(_rect(-1, -0.6, 1, 0.6), 0.1, 0.1, fill(any_colour(rng)))
    ink = any_colour(rng)
    for y in np.arange(-0.4, 0.45, 0.25):
        x = -0.8
        while x < 0.75:
            wide = rng.uniform(0.03, 0.12)
            canvas.drawRect(_rect(x, y, x + wide, y + rng.uniform(0.05, 0.14)), fill(ink))
            x += wide + rng.uniform(0.03, 0.1)


_DISTRACTORS = (
    (_ball, 1.0), (_balloon, 0.8), (_clock, 1.0), (_plant, 1.0), (_picture, 1.0), (_wheel, 0.8), (_books, 1.0), (_window, 1.0),
    (_door, 0.7), (_lamp, 0.5), (_car, 1.2), (_socket, 1.6), (_blank_head, 2.2), (_cat, 0.8), (_patch, 0.8), (_scribble, 0.8), (_sign, 0.8),
)  # fmt: skip
_CHANCES = np.array([weight for _, weight in _DISTRACTORS]) / sum(weight for _, weight in _DISTRACTORS)
