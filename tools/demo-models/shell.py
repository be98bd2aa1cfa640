"""The bare lobby: walls, wainscot, floor, rug and the light that falls in."""

from __future__ import annotations

import math

import numpy as np
import skia
from brush import Colour, fill, line, mix
from perspective import CEILING, CREAM, DUSK, FLOOR, HEIGHT, HORIZON, LEFT, OAK, RIGHT, SAGE, TERRACOTTA, WALNUT, WARM_WHITE, WIDTH, deep, floor_step, gradient, into_depth, on_floor, polygon, rounded


def draw_walls(canvas: skia.Canvas) -> None:
    wall = skia.Rect.MakeLTRB(LEFT, CEILING, RIGHT, FLOOR)
    canvas.drawRect(wall, gradient((0, CEILING), (0, FLOOR), [mix(CREAM, WARM_WHITE, 0.25), CREAM, mix(CREAM, TERRACOTTA, 0.13)]))
    canvas.save()
    canvas.clipRect(wall)
    for index in range(24):
        x = LEFT + 22 + index * 44
        canvas.drawRect(skia.Rect.MakeLTRB(x, CEILING, x + 22, FLOOR), fill(mix(CREAM, OAK, 0.35), 0.13))
    canvas.restore()
    for corner, edge in ((LEFT, 0.0), (RIGHT, float(WIDTH))):
        top, bottom = into_depth(corner, CEILING, edge), into_depth(corner, FLOOR, edge)
        side = polygon([(corner, CEILING), (corner, FLOOR), bottom, top])
        lit = corner == LEFT
        dark, light = mix(CREAM, DUSK, 0.2 if lit else 0.26), mix(CREAM, DUSK, 0.07 if lit else 0.13)
        canvas.drawPath(side, gradient((corner, 0), (edge, 0), [dark, light]))
        draw_wainscot_side(canvas, corner, edge)
    ceiling = polygon([(LEFT, CEILING), (RIGHT, CEILING), (RIGHT + 60, -4), (LEFT - 60, -4)])
    canvas.drawPath(ceiling, fill(mix(WARM_WHITE, DUSK, 0.1)))
    for height, rgb in ((CEILING + 8, mix(CREAM, DUSK, 0.12)), (CEILING + 5, WARM_WHITE)):
        canvas.drawLine(LEFT, height, RIGHT, height, line(rgb, 5))
    draw_wainscot(canvas)
    for corner in (LEFT, RIGHT):
        canvas.drawLine(corner, CEILING, corner, FLOOR, line(DUSK, 7, 0.12, 4))


def draw_wainscot(canvas: skia.Canvas) -> None:
    top = 432
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, top, RIGHT, FLOOR), gradient((0, top), (0, FLOOR), [SAGE, mix(SAGE, DUSK, 0.22)]))
    panel = 58
    for index in range(int((RIGHT - LEFT) // panel)):
        left = LEFT + 7 + index * panel
        shape = rounded(left, top + 18, left + panel - 14, FLOOR - 22, 3)
        canvas.drawPath(shape, gradient((0, top), (0, FLOOR), [mix(SAGE, DUSK, 0.16), mix(SAGE, WARM_WHITE, 0.12)]))
        canvas.drawPath(rounded(left + 2.5, top + 21, left + panel - 14, FLOOR - 22, 3), fill(mix(SAGE, DUSK, 0.1)))
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, top - 6, RIGHT, top + 4), fill(WARM_WHITE))
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, top + 4, RIGHT, top + 8), fill(DUSK, 0.25))
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, FLOOR - 12, RIGHT, FLOOR), fill(mix(WARM_WHITE, DUSK, 0.08)))
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, FLOOR - 12, RIGHT, FLOOR - 9.5), fill(WARM_WHITE))


def draw_wainscot_side(canvas: skia.Canvas, corner: float, edge: float) -> None:
    rail, foot = into_depth(corner, 432, edge), into_depth(corner, FLOOR, edge)
    base = into_depth(corner, FLOOR - 12, edge)
    dark = 0.3 if corner == LEFT else 0.36
    canvas.drawPath(polygon([(corner, 432), (corner, FLOOR), foot, rail]), fill(mix(SAGE, DUSK, dark)))
    canvas.drawPath(polygon([(corner, FLOOR - 12), (corner, FLOOR), foot, base]), fill(mix(WARM_WHITE, DUSK, dark)))
    canvas.drawLine(corner, 430, *into_depth(corner, 430, edge), line(mix(WARM_WHITE, DUSK, dark * 0.6), 9))


def draw_floor(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    canvas.save()
    left, right = into_depth(LEFT, FLOOR, 0), into_depth(RIGHT, FLOOR, WIDTH)
    canvas.clipPath(polygon([(LEFT, FLOOR), (RIGHT, FLOOR), right, (WIDTH, HEIGHT), (0, HEIGHT), left]), doAntiAlias=True)
    canvas.drawRect(skia.Rect.MakeLTRB(0, FLOOR - 2, WIDTH, HEIGHT), fill(OAK))
    board = 1.75
    for index in range(-26, 26):
        feet, cut = 516.0, rng.uniform(0.05, 0.9)
        while feet < HEIGHT:
            until = min(HEIGHT + 4.0, HORIZON + (feet - HORIZON) * (1.0 + cut))
            cut = rng.uniform(0.35, 0.6)
            share = rng.normal(0, 0.07)
            tone = mix(OAK, WARM_WHITE, share) if share > 0 else mix(OAK, WALNUT, -share * 1.6)
            corners = [on_floor(index * board, feet), on_floor((index + 1) * board, feet)]
            corners += [on_floor((index + 1) * board, until), on_floor(index * board, until)]
            canvas.drawPath(polygon(corners), fill(tone))
            canvas.drawPath(polygon(corners), line(mix(OAK, WALNUT, 0.55), 0.6 + (feet - 516) / 160, 0.55))
            feet = until
    canvas.drawRect(
        skia.Rect.MakeLTRB(0, FLOOR - 2, WIDTH, HEIGHT),
        gradient((0, FLOOR), (0, HEIGHT), [DUSK, DUSK, DUSK], 0.16, [0, 0.35, 1]),
    )
    shine = gradient((0, FLOOR), (0, HEIGHT), [(1.000, 0.886, 0.667), (1.000, 0.839, 0.588), (0.627, 0.376, 0.235)], 0.2, [0, 0.4, 1])
    canvas.drawRect(skia.Rect.MakeLTRB(0, FLOOR, WIDTH, HEIGHT), shine)
    canvas.drawRect(skia.Rect.MakeLTRB(0, FLOOR - 4, WIDTH, FLOOR + 9), fill(DUSK, 0.3, 6))
    canvas.restore()


def draw_rug(canvas: skia.Canvas) -> None:
    top, bottom = 586.0, 694.0
    canvas.drawPath(quad(-9.4, top - 1, 9.4, bottom + 7), fill(DUSK, 0.22, 5))
    for index in range(47):
        for side in (-1, 1):
            feet = top + 1.5 + index * (bottom - top - 3) / 46
            x, y = on_floor(side * 9.2, feet)
            canvas.drawLine(x, y, x + side * (5 + index * 0.08), y + 1.2, line((0.941, 0.871, 0.729), 1.5))
    bands = [(TERRACOTTA, 9.2, 0.0), ((0.941, 0.839, 0.643), 8.75, 0.05), ((0.243, 0.384, 0.424), 8.55, 0.075), ((0.737, 0.329, 0.243), 7.3, 0.21)]
    bands += [((0.933, 0.808, 0.588), 7.05, 0.24), ((0.690, 0.290, 0.235), 6.85, 0.265)]
    for rgb, across, inset in bands:
        canvas.drawPath(quad(-across, deep(top, bottom, inset), across, deep(top, bottom, 1 - inset)), fill(rgb))
    for index in range(23):
        across = -7.9 + index * 15.8 / 22
        for share in (0.142, 0.858):
            diamond(canvas, across, deep(top, bottom, share), 0.24, (0.941, 0.808, 0.573))
    for index in range(1, 5):
        for across in (-7.93, 7.93):
            diamond(canvas, across, deep(top, bottom, 0.142 + index * 0.143), 0.24, (0.941, 0.808, 0.573))
    middle = deep(top, bottom, 0.5)
    for radius, rgb in ((3.3, (0.933, 0.808, 0.588)), (3.05, (0.243, 0.384, 0.424)), (2.1, (0.933, 0.808, 0.588)), (1.9, (0.737, 0.329, 0.243)), (0.75, (0.965, 0.886, 0.722))):
        lozenge(canvas, middle, radius, rgb)
    for across in (-5.3, 5.3):
        diamond(canvas, across, middle, 0.85, (0.933, 0.808, 0.588))
        diamond(canvas, across, middle, 0.6, (0.243, 0.384, 0.424))


def quad(left: float, top: float, right: float, bottom: float) -> skia.Path:
    return polygon([on_floor(left, top), on_floor(right, top), on_floor(right, bottom), on_floor(left, bottom)])


def diamond(canvas: skia.Canvas, across: float, feet: float, radius: float, rgb: Colour) -> None:
    points = [on_floor(across, floor_step(feet, -radius)), on_floor(across + radius, feet)]
    points += [on_floor(across, floor_step(feet, radius)), on_floor(across - radius, feet)]
    canvas.drawPath(polygon(points), fill(rgb))


def lozenge(canvas: skia.Canvas, feet: float, radius: float, rgb: Colour) -> None:
    points = []
    for index in range(96):
        angle = 2 * math.pi * index / 96
        wave = radius * (1 + 0.07 * math.cos(8 * angle))
        height = floor_step(feet, 0.62 * wave * math.sin(angle))
        points.append(on_floor(1.25 * wave * math.cos(angle), height))
    canvas.drawPath(polygon(points), fill(rgb))


def draw_sunlight(canvas: skia.Canvas) -> None:
    """The window's light on the floor, leaning to the left."""
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(0, FLOOR + 8, WIDTH, HEIGHT))
    for low, high in ((-7.0, -2.6), (-2.2, 2.2), (2.6, 7.0)):
        for start, end in ((0.06, 0.56), (0.62, 1.04)):
            top, bottom = deep(FLOOR + 8, 716, start), deep(FLOOR + 8, 716, end)
            lean_top, lean_bottom = -2.2 * start - 0.4, -2.2 * end - 0.4
            shape = polygon([on_floor(low + lean_top, top), on_floor(high + lean_top, top), on_floor(high + lean_bottom, bottom), on_floor(low + lean_bottom, bottom)])
            canvas.drawPath(shape, fill((1.000, 0.894, 0.588), 0.24, 3))
    canvas.restore()


def draw_rays(canvas: skia.Canvas) -> None:
    shape = polygon([(470, 90), (815, 90), (740, 660), (180, 660)])
    paint = gradient((640, 90), (560, 660), [(1.000, 0.910, 0.667), (1.000, 0.886, 0.627), (1.000, 0.886, 0.627)], 0.1, [0, 0.6, 1])
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 18))
    canvas.drawPath(shape, paint)
