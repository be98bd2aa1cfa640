"""What stands and hangs in the lobby: plants, bench, lamps, umbrellas, and the cat."""

from __future__ import annotations

import math

import numpy as np
import skia
from brush import Colour, fill, line, mix
from perspective import BRASS, DUSK, OAK, TERRACOTTA, WALNUT, WARM_WHITE, glow, gradient, polygon, rounded, shadow


def leaf(canvas: skia.Canvas, x: float, y: float, angle: float, length: float, width: float, rgb: Colour) -> None:
    """One leaf from its foot at x, y; angle from upright, clockwise."""
    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(math.degrees(angle))
    bend = length * 0.22 * math.sin(angle)
    path = skia.Path()
    path.moveTo(0, 0)
    path.cubicTo(-width, -length * 0.35, -width * 0.7, -length * 0.8, bend, -length)
    path.cubicTo(width * 0.9, -length * 0.75, width, -length * 0.3, 0, 0)
    canvas.drawPath(path, gradient((-width, 0), (width, -length), [mix(rgb, DUSK, 0.28), rgb, mix(rgb, (1.000, 0.957, 0.667), 0.25)]))
    rib = skia.Path()
    rib.moveTo(0, 0)
    rib.quadTo(0, -length * 0.6, bend * 0.9, -length * 0.93)
    canvas.drawPath(rib, line(mix(rgb, WARM_WHITE, 0.3), max(0.8, width * 0.07), 0.6))
    canvas.restore()


def draw_plant(canvas: skia.Canvas, x: float, feet: float, size: float, rng: np.random.Generator, pot: Colour = TERRACOTTA, green: Colour = (0.361, 0.573, 0.361), leaves: int = 15) -> None:
    shadow(canvas, x, feet - size * 0.04, size * 0.62, size * 0.13, 0.3)
    rim = feet - size * 0.72
    order = sorted(range(leaves), key=lambda index: -abs(index - (leaves - 1) / 2))
    for index in order:
        angle = (index - (leaves - 1) / 2) / (leaves / 2) * 1.25 + rng.normal(0, 0.06)
        length = size * rng.uniform(1.15, 1.6) * (1.0 - 0.2 * abs(angle))
        leaf(canvas, x + angle * size * 0.14, rim + size * 0.06, angle, length, size * rng.uniform(0.13, 0.17), mix(green, (0.227, 0.431, 0.345), rng.random()))
    body = skia.Path()
    body.moveTo(x - size * 0.42, rim)
    body.lineTo(x + size * 0.42, rim)
    body.lineTo(x + size * 0.3, feet - size * 0.03)
    body.quadTo(x, feet + size * 0.05, x - size * 0.3, feet - size * 0.03)
    body.close()
    canvas.drawPath(body, gradient((x - size * 0.4, 0), (x + size * 0.4, 0), [mix(pot, WARM_WHITE, 0.18), pot, mix(pot, DUSK, 0.35)]))
    canvas.drawPath(rounded(x - size * 0.47, rim - size * 0.06, x + size * 0.47, rim + size * 0.13, size * 0.05), gradient((x - size * 0.45, 0), (x + size * 0.45, 0), [mix(pot, WARM_WHITE, 0.25), mix(pot, DUSK, 0.2)]))


def draw_foreground(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    """A plant at the viewer's side; it stands in front of everybody's legs."""
    x, feet = 26.0, 760.0
    for index in range(13):
        angle = (index - 6) / 6 * 1.2 + rng.normal(0, 0.05)
        leaf(canvas, x + 8 * angle, feet - 62, angle, rng.uniform(135, 190) * (1 - 0.15 * abs(angle)), rng.uniform(15, 20), mix((0.306, 0.502, 0.329), (0.188, 0.361, 0.306), rng.random()))
    canvas.drawPath(polygon([(x - 60, feet - 80), (x + 60, feet - 80), (x + 48, feet), (x - 48, feet)]), gradient((x - 60, 0), (x + 60, 0), [(0.361, 0.502, 0.557), (0.212, 0.329, 0.408)]))
    canvas.drawPath(rounded(x - 66, feet - 90, x + 66, feet - 66, 7), gradient((x - 60, 0), (x + 60, 0), [(0.455, 0.596, 0.635), (0.243, 0.369, 0.439)]))


def draw_bench(canvas: skia.Canvas) -> None:
    left, right, seat, feet = 492.0, 788.0, 466.0, 530.0
    shadow(canvas, (left + right) / 2, feet - 1, 165, 9, 0.32)
    for x in (left + 16, right - 16, left + 100, right - 100):
        canvas.drawLine(x, seat, x, feet - 3, line(mix(WALNUT, DUSK, 0.2), 8))
        canvas.drawLine(x - 2, seat, x - 2, feet - 4, line(mix(WALNUT, OAK, 0.3), 2.5))
    canvas.drawPath(rounded(left, seat - 6, right, seat + 9, 5), gradient((0, seat - 6), (0, seat + 9), [mix(WALNUT, OAK, 0.6), WALNUT]))
    canvas.drawPath(rounded(left + 7, seat - 20, right - 7, seat - 3, 8), gradient((0, seat - 20), (0, seat - 3), [(0.337, 0.510, 0.541), (0.227, 0.376, 0.424)]))
    for x in (left + 99, right - 99):
        canvas.drawLine(x, seat - 19, x, seat - 4, line((0.180, 0.306, 0.361), 1.5))
    for x, rgb, turn in ((left + 34, (0.894, 0.667, 0.329), -9), (right - 36, (0.808, 0.376, 0.282), 10)):
        canvas.save()
        canvas.translate(x, seat - 38)
        canvas.rotate(turn)
        canvas.drawPath(rounded(-24, -20, 24, 20, 9), gradient((-24, -20), (24, 20), [mix(rgb, WARM_WHITE, 0.2), mix(rgb, DUSK, 0.15)]))
        canvas.drawPath(rounded(-24, -20, 24, 20, 9), line(mix(rgb, WARM_WHITE, 0.45), 1.5, 0.7))
        canvas.restore()


def draw_lamps(canvas: skia.Canvas) -> None:
    for x, y in ((272, 92), (1033, 78)):
        glow(canvas, x, y + 16, 150, (1.000, 0.886, 0.627), 0.42)
        canvas.drawLine(x, -2, x, y - 24, line((0.329, 0.243, 0.227), 3))
        dome = skia.Path()
        dome.moveTo(x - 44, y + 12)
        dome.cubicTo(x - 42, y - 18, x - 18, y - 30, x, y - 30)
        dome.cubicTo(x + 18, y - 30, x + 42, y - 18, x + 44, y + 12)
        dome.close()
        canvas.drawOval(skia.Rect.MakeLTRB(x - 17, y + 4, x + 17, y + 25), fill((1.000, 0.965, 0.839)))
        canvas.drawPath(dome, gradient((x - 44, y), (x + 44, y), [(0.173, 0.361, 0.361), (0.290, 0.510, 0.478), (0.141, 0.298, 0.314)]))
        canvas.drawOval(skia.Rect.MakeLTRB(x - 44, y + 7, x + 44, y + 17), fill((1.000, 0.925, 0.729)))
        canvas.drawOval(skia.Rect.MakeLTRB(x - 15, y + 6, x + 15, y + 18), fill((1.000, 0.988, 0.933)))
        canvas.drawCircle(x, y - 31, 6, fill(BRASS))


def draw_stand(canvas: skia.Canvas) -> None:
    """Umbrellas beside the door."""
    x, feet = 1136.0, 544.0
    shadow(canvas, x, feet - 3, 26, 6, 0.32)
    for dx, rgb, lean in ((-7, (0.737, 0.275, 0.251), -5), (6, (0.243, 0.384, 0.471), 6)):
        canvas.drawLine(x + dx, feet - 20, x + dx + lean, feet - 104, line(rgb, 10))
        canvas.drawLine(x + dx + lean, feet - 104, x + dx + lean * 1.2, feet - 126, line(WALNUT, 3.5))
        hook = skia.Path()
        hook.addArc(skia.Rect.MakeXYWH(x + dx + lean * 1.2 - 10, feet - 136, 10, 16), 180, 180)
        canvas.drawPath(hook, line(WALNUT, 3.5))
    body = polygon([(x - 20, feet - 62), (x + 20, feet - 62), (x + 16, feet - 2), (x - 16, feet - 2)])
    canvas.drawPath(body, gradient((x - 20, 0), (x + 20, 0), [mix(BRASS, WARM_WHITE, 0.3), BRASS, mix(BRASS, DUSK, 0.4)]))
    canvas.drawOval(skia.Rect.MakeLTRB(x - 20, feet - 66, x + 20, feet - 57), line(mix(BRASS, WALNUT, 0.5), 2.5))


def draw_cat(canvas: skia.Canvas, seconds: float) -> None:
    """A cat on the sill that looks out of the window; only its tail and an ear move. The motion repeats every ten seconds."""
    x, sill = 556.0, 399.0
    fur, dark = (0.878, 0.557, 0.282), (0.690, 0.384, 0.204)
    swing = math.sin(2 * math.pi * seconds / 2.5) * (0.55 + 0.45 * math.sin(2 * math.pi * seconds / 10))
    tail = skia.Path()
    tail.moveTo(x + 16, sill - 6)
    tail.cubicTo(x + 34, sill + 6, x + 36 + 5 * swing, sill + 22, x + 28 + 10 * swing, sill + 40)
    canvas.drawPath(tail, line(fur, 8))
    tip = skia.Path()
    tip.moveTo(x + 31 + 8.5 * swing, sill + 33)
    tip.lineTo(x + 28 + 10 * swing, sill + 40)
    canvas.drawPath(tip, line((0.980, 0.902, 0.784), 8))
    shadow(canvas, x + 2, sill + 1, 26, 3.5, 0.3)
    body = skia.Path()
    body.moveTo(x - 22, sill)
    body.cubicTo(x - 30, sill - 30, x - 14, sill - 48, x, sill - 50)
    body.cubicTo(x + 14, sill - 48, x + 30, sill - 30, x + 22, sill)
    body.close()
    canvas.drawPath(body, gradient((x - 26, 0), (x + 26, 0), [mix(fur, WARM_WHITE, 0.15), fur, dark]))
    for y, wide in ((-36, 9), (-26, 13), (-15, 15)):
        stripe = skia.Path()
        stripe.moveTo(x - wide, sill + y)
        stripe.quadTo(x, sill + y + 5, x + wide, sill + y)
        canvas.drawPath(stripe, line(dark, 2.6, 0.6))
    turn = 2.2 * math.sin(2 * math.pi * seconds / 10 + 0.6)
    canvas.drawOval(skia.Rect.MakeLTRB(x - 17 + turn, sill - 72, x + 17 + turn, sill - 43), gradient((x - 17, 0), (x + 17, 0), [mix(fur, WARM_WHITE, 0.15), dark]))
    twitch = 2.5 if 3.0 < seconds % 10 < 3.25 else 0.0
    for side in (-1, 1):
        ear = polygon([(x + turn + side * 15.5, sill - 60), (x + turn + side * 14 + side * twitch, sill - 81), (x + turn + side * 3, sill - 69)])
        canvas.drawPath(ear, fill(fur if side < 0 else dark))
    for dx in (-5, 0, 5):
        canvas.drawLine(x + turn + dx, sill - 70, x + turn + dx * 0.8, sill - 62, line(dark, 2, 0.7))
