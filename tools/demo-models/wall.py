"""What is on the back wall: window, lift, door, pictures, clock."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import skia
from brush import Colour, fill, line, mix
from perspective import BRASS, CLOCK, DUSK, FLOOR, LIFT, OAK, WALNUT, WARM_WHITE, arch, glow, gradient, polygon, rounded


def draw_window(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    left, top, right, bottom = 476.0, 74.0, 804.0, 404.0
    canvas.drawPath(arch(left - 20, top - 20, right + 20, bottom + 6), fill(DUSK, 0.25, 7))
    canvas.drawPath(arch(left - 18, top - 18, right + 18, bottom), fill(WARM_WHITE))
    canvas.drawPath(arch(left - 7, top - 7, right + 7, bottom), fill(mix(WARM_WHITE, DUSK, 0.12)))
    canvas.save()
    canvas.clipPath(arch(left, top, right, bottom), doAntiAlias=True)
    draw_city(canvas, rng, left, top, right, bottom)
    canvas.drawPath(polygon([(left, bottom), (left, top + 120), (left + 150, top), (left + 250, top)]), fill(WARM_WHITE, 0.08))
    canvas.drawPath(polygon([(left + 190, bottom), (left + 330, top), (left + 360, top), (left + 235, bottom)]), fill(WARM_WHITE, 0.1))
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, top + 14), fill(DUSK, 0.16, 6))
    canvas.restore()
    for x in (left + 109.3, left + 218.6):
        canvas.drawLine(x, top - 4, x, bottom, line(WARM_WHITE, 9))
        canvas.drawLine(x + 3.5, top - 2, x + 3.5, bottom, line(DUSK, 1.5, 0.2))
    canvas.drawLine(left, 196, right, 196, line(WARM_WHITE, 9))
    canvas.drawLine(left, 200.5, right, 200.5, line(DUSK, 1.5, 0.2))
    draw_curtain(canvas, left - 44, top - 34, 1)
    draw_curtain(canvas, right + 44, top - 34, -1)
    canvas.drawLine(left - 62, top - 36, right + 62, top - 36, line(mix(BRASS, DUSK, 0.4), 8))
    canvas.drawLine(left - 62, top - 38, right + 62, top - 38, line(BRASS, 4))
    for x in (left - 64, right + 64):
        canvas.drawCircle(x, top - 36, 9, fill(mix(BRASS, DUSK, 0.15)))
        canvas.drawCircle(x - 2, top - 39, 3.5, fill(mix(BRASS, WARM_WHITE, 0.6)))
    canvas.drawRect(skia.Rect.MakeLTRB(left - 30, bottom + 8, right + 30, bottom + 16), fill(DUSK, 0.22, 5))
    canvas.drawPath(rounded(left - 34, bottom - 6, right + 34, bottom + 9, 3), gradient((0, bottom - 6), (0, bottom + 9), [WARM_WHITE, mix(WARM_WHITE, DUSK, 0.16)]))


def draw_city(canvas: skia.Canvas, rng: np.random.Generator, left: float, top: float, right: float, bottom: float) -> None:
    sky = [(0.408, 0.667, 0.808), (0.620, 0.800, 0.839), (0.988, 0.886, 0.698), (1.000, 0.800, 0.588)]
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), gradient((0, top), (0, bottom - 60), sky, 1.0, [0, 0.42, 0.85, 1]))
    glow(canvas, 742, 262, 150, (1.000, 0.933, 0.745), 0.95)
    canvas.drawCircle(742, 262, 24, fill((1.000, 0.973, 0.871)))
    for x, y, size in ((500, 132, 1.0), (600, 112, 0.75), (690, 158, 0.9), (560, 226, 0.7), (795, 122, 0.8)):
        for dx, dy, radius in ((-26, 4, 13), (-8, -5, 18), (14, -1, 16), (32, 5, 11)):
            canvas.drawCircle(x + dx * size, y + dy * size, radius * size, fill(mix(WARM_WHITE, (1.000, 0.839, 0.745), 0.25), 0.85, 1.5))
        canvas.drawRect(skia.Rect.MakeLTRB(x - 38 * size, y + 4 * size, x + 42 * size, y + 14 * size), fill(mix(WARM_WHITE, (1.000, 0.784, 0.667), 0.45), 0.8, 3))
    for layer, (base, low, high) in enumerate((((0.722, 0.706, 0.737), 60, 150), ((0.588, 0.533, 0.612), 30, 120), ((0.478, 0.384, 0.455), 15, 80))):
        x = left - 10
        while x < right:
            width, height = rng.uniform(26, 50), rng.uniform(low, high)
            roof = bottom - 40 - height
            tone = mix(base, (1.000, 0.769, 0.549), rng.uniform(0.05, 0.3))
            canvas.drawRect(skia.Rect.MakeLTRB(x, roof, x + width, bottom), gradient((0, roof), (0, bottom), [tone, mix(tone, (1.000, 0.839, 0.667), 0.35)]))
            if rng.random() < 0.25:
                canvas.drawLine(x + width / 2, roof, x + width / 2, roof - 14, line(tone, 1.6))
            if layer > 0:
                for wx in np.arange(x + 5, x + width - 6, 8.5):
                    for wy in np.arange(roof + 7, bottom - 30, 12.5):
                        lit = rng.random() < 0.45
                        canvas.drawRect(skia.Rect.MakeXYWH(wx, wy, 4.5, 6.5), fill((1.000, 0.886, 0.588) if lit else mix(tone, DUSK, 0.25), 0.85))
            x += width + rng.uniform(0, 7)
    for index in range(26):
        x = left + index * 15.5
        canvas.drawCircle(x, bottom - 12 + 6 * math.sin(index * 2.3), 20 + 6 * math.sin(index * 1.7), fill(mix((0.384, 0.502, 0.329), DUSK, 0.14 + 0.1 * math.sin(index * 3.1))))


def draw_curtain(canvas: skia.Canvas, x: float, top: float, side: int) -> None:
    """Gathered at two thirds of its height; `side` points from its outer edge to the window."""
    rgb, foot, tie = (0.839, 0.478, 0.290), 424.0, 316.0
    path = skia.Path()
    path.moveTo(x - 24 * side, top)
    path.lineTo(x + 66 * side, top)
    path.cubicTo(x + 66 * side, top + 120, x + 40 * side, tie - 60, x + 2 * side, tie)
    path.cubicTo(x + 14 * side, tie + 40, x + 18 * side, foot - 30, x + 18 * side, foot)
    path.lineTo(x - 26 * side, foot)
    path.close()
    canvas.drawPath(path, fill(DUSK, 0.22, 6))
    canvas.drawPath(path, gradient((x - 24 * side, 0), (x + 60 * side, 0), [mix(rgb, DUSK, 0.18), rgb, mix(rgb, WARM_WHITE, 0.18)]))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    for index in range(7):
        start, gathered = x + (-18 + index * 14) * side, x + (-20 + index * 3.6) * side
        fold = skia.Path()
        fold.moveTo(start, top)
        fold.cubicTo(start, top + 120, gathered + 12 * side, tie - 50, gathered, tie)
        fold.cubicTo(gathered, tie + 40, x + (-20 + index * 6) * side, foot - 40, x + (-20 + index * 6.4) * side, foot)
        canvas.drawPath(fold, line(mix(rgb, DUSK, 0.45), 4, 0.35, 1.5))
        canvas.translate(4 * side, 0)
        canvas.drawPath(fold, line(mix(rgb, WARM_WHITE, 0.5), 2.5, 0.3, 1))
        canvas.translate(-4 * side, 0)
    canvas.restore()
    canvas.drawLine(x - 25 * side, tie - 4, x + 3 * side, tie + 2, line(mix(BRASS, DUSK, 0.35), 9))
    canvas.drawLine(x - 25 * side, tie - 5, x + 3 * side, tie + 1, line(BRASS, 6))


def draw_lift_inside(canvas: skia.Canvas) -> None:
    """What is seen when the panels stand open."""
    left, top, right, bottom = LIFT
    canvas.drawRect(skia.Rect.MakeLTRB(*LIFT), fill((0.769, 0.518, 0.345)))
    back = (left + 18, top + 16, right - 18, bottom - 20)
    canvas.drawPath(polygon([(left, top), (right, top), (back[2], back[1]), (back[0], back[1])]), fill((0.980, 0.886, 0.690)))
    canvas.drawPath(polygon([(left, bottom), (right, bottom), (back[2], back[3]), (back[0], back[3])]), fill((0.486, 0.259, 0.235)))
    canvas.drawPath(polygon([(left, top), (left, bottom), (back[0], back[3]), (back[0], back[1])]), fill((0.620, 0.384, 0.259)))
    canvas.drawPath(polygon([(right, top), (right, bottom), (back[2], back[3]), (back[2], back[1])]), fill((0.675, 0.431, 0.290)))
    canvas.drawRect(skia.Rect.MakeLTRB(*back), gradient((0, back[1]), (0, back[3]), [(0.910, 0.729, 0.518), (0.776, 0.533, 0.353)]))
    for x in (back[0] + 33, back[0] + 65):
        canvas.drawLine(x, back[1], x, back[3], line((0.588, 0.361, 0.235), 1.5, 0.7))
    canvas.drawLine(back[0], 432, back[2], 432, line(BRASS, 4))
    glow(canvas, (left + right) / 2, top + 20, 110, (1.000, 0.941, 0.769), 0.8)


def draw_lift_panels(canvas: skia.Canvas, opening: float) -> None:
    left, top, right, bottom = LIFT
    half = (right - left) / 2
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(*LIFT))
    for side, edge in ((-1, left), (1, right)):
        inner = (left + right) / 2 + side * half * opening
        outer = inner + side * half
        low, high = min(inner, outer), max(inner, outer)
        metal = [(0.839, 0.714, 0.518), (0.941, 0.847, 0.675), (0.776, 0.627, 0.431)]
        canvas.drawRect(skia.Rect.MakeLTRB(low, top, high, bottom), gradient((low, top), (high, bottom), metal))
        for inset, alpha in ((9, 0.5), (14, 0.3)):
            canvas.drawPath(rounded(low + inset, top + inset + 4, high - inset, bottom - inset - 6, 6), line(mix(BRASS, WALNUT, 0.55), 1.6, alpha))
        middle = (low + high) / 2
        for index in range(5):
            canvas.drawLine(middle, 392, middle + (index - 2) * 11, 296 + abs(index - 2) * 7, line(mix(BRASS, WALNUT, 0.5), 1.8, 0.5))
        canvas.drawCircle(middle, 394, 7, fill(mix(BRASS, WALNUT, 0.35)))
        canvas.drawLine(inner, top, inner, bottom, line(WALNUT, 2, 0.7))
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, top + 8), fill(DUSK, 0.3, 4))
    canvas.restore()


def draw_lift_frame(canvas: skia.Canvas) -> None:
    left, top, right, bottom = LIFT
    frame = skia.Path()
    frame.addRoundRect(skia.Rect.MakeLTRB(left - 18, top - 22, right + 18, bottom + 1), 5, 5)
    frame.addRect(skia.Rect.MakeLTRB(left, top, right, bottom + 1))
    frame.setFillType(skia.PathFillType.kEvenOdd)
    canvas.drawPath(frame, gradient((left, top), (right, bottom), [(0.533, 0.329, 0.243), (0.643, 0.416, 0.298), (0.463, 0.275, 0.212)]))
    canvas.drawLine(left - 1, top - 1, left - 1, bottom, line((0.847, 0.651, 0.431), 2.5, 0.7))
    canvas.drawLine(left - 1, top - 1, right + 1, top - 1, line((0.847, 0.651, 0.431), 2.5, 0.7))
    canvas.drawLine(left - 17, top - 20, right + 17, top - 20, line((0.847, 0.651, 0.431), 3, 0.5))
    x = (left + right) / 2
    dial = skia.Path()
    dial.addArc(skia.Rect.MakeLTRB(x - 46, top - 76, x + 46, top + 16), 180, 180)
    dial.close()
    canvas.drawPath(dial, fill(mix(BRASS, WALNUT, 0.35)))
    inner = skia.Path()
    inner.addArc(skia.Rect.MakeLTRB(x - 39, top - 69, x + 39, top + 9), 180, 180)
    inner.close()
    canvas.drawPath(inner, fill((0.988, 0.941, 0.831)))
    for index in range(7):
        angle = math.pi * (1 - (index + 0.5) / 7)
        px, py = x + 31 * math.cos(angle), top - 30 - 31 * math.sin(angle)
        canvas.drawCircle(px, py, 2.2, fill(WALNUT))
    canvas.drawPath(rounded(right + 30, 372, right + 46, 412, 4), fill(mix(BRASS, WALNUT, 0.25)))
    for y in (383, 400):
        canvas.drawCircle(right + 38, y, 4.6, fill((0.988, 0.941, 0.831)))


def draw_lift_pointer(canvas: skia.Canvas, floor: float, here: bool) -> None:
    """The pointer over the lift at a floor of 0 to 6 (the lobby is 0), and the light of its button."""
    left, top, right, _ = LIFT
    x = (left + right) / 2
    angle = math.pi * (1 - (floor + 0.5) / 7)
    canvas.drawLine(x, top - 29, x + 26 * math.cos(angle), top - 29 - 26 * math.sin(angle), line((0.667, 0.227, 0.188), 3))
    canvas.drawCircle(x, top - 29, 4.5, fill(WALNUT))
    canvas.drawCircle(right + 38, 383, 3.4, fill((1.000, 0.667, 0.235) if here else (0.769, 0.729, 0.651)))


def draw_door(canvas: skia.Canvas) -> None:
    left, top, right, bottom = 966.0, 262.0, 1100.0, FLOOR
    canvas.drawRect(skia.Rect.MakeLTRB(left - 16, top - 16, right + 18, bottom), fill(DUSK, 0.22, 6))
    canvas.drawRect(skia.Rect.MakeLTRB(left - 16, top - 18, right + 16, bottom), fill(WARM_WHITE))
    canvas.drawRect(skia.Rect.MakeLTRB(left - 20, top - 24, right + 20, top - 14), fill(mix(WARM_WHITE, OAK, 0.12)))
    middle = (left + right) / 2
    for low, high in ((left, middle - 1), (middle + 1, right)):
        canvas.drawRect(skia.Rect.MakeLTRB(low, top, high, bottom), gradient((low, top), (high, bottom), [(0.573, 0.345, 0.227), (0.478, 0.275, 0.188)]))
        glass = rounded(low + 13, top + 18, high - 13, top + 128, 24)
        canvas.drawPath(glass, gradient((low, top), (high, top + 128), [(1.000, 0.894, 0.659), (0.965, 0.769, 0.486), (0.886, 0.659, 0.431)]))
        canvas.save()
        canvas.clipPath(glass, doAntiAlias=True)
        canvas.drawPath(polygon([(low, top + 90), (high, top + 20), (high, top + 44), (low, top + 114)]), fill(WARM_WHITE, 0.3))
        canvas.restore()
        canvas.drawPath(glass, line((0.361, 0.204, 0.149), 3))
        canvas.drawLine((low + high) / 2, top + 18, (low + high) / 2, top + 128, line((0.361, 0.204, 0.149), 2.5))
        canvas.drawPath(rounded(low + 13, top + 148, high - 13, bottom - 24, 4), line((0.345, 0.188, 0.141), 2.5, 0.8))
        canvas.drawPath(rounded(low + 19, top + 154, high - 19, bottom - 30, 3), fill((0.620, 0.384, 0.259), 0.55))
    canvas.drawLine(middle, top, middle, bottom, line((0.290, 0.157, 0.125), 2.5))
    for x in (middle - 9, middle + 9):
        canvas.drawLine(x, 398, x, 424, line(BRASS, 4.5))
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, top + 7), fill(DUSK, 0.3, 3))


def draw_picture(canvas: skia.Canvas, x: float, y: float, width: float, height: float, paint_inside: Callable[[skia.Canvas, float, float, float, float], None], wood: Colour = WALNUT) -> None:
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    canvas.drawRect(skia.Rect.MakeLTRB(left - 6, top - 2, right + 9, bottom + 11), fill(DUSK, 0.25, 5))
    canvas.drawRect(skia.Rect.MakeLTRB(left - 7, top - 7, right + 7, bottom + 7), fill(wood))
    canvas.drawLine(left - 5.5, top - 5.5, right + 5.5, top - 5.5, line(mix(wood, WARM_WHITE, 0.35), 2))
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), fill((0.980, 0.941, 0.855)))
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(left + 6, top + 6, right - 6, bottom - 6))
    paint_inside(canvas, left + 6, top + 6, right - 6, bottom - 6)
    canvas.restore()


def sea(canvas: skia.Canvas, left: float, top: float, right: float, bottom: float) -> None:
    middle = top + (bottom - top) * 0.55
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), fill((0.957, 0.808, 0.620)))
    canvas.drawCircle(left + (right - left) * 0.65, top + (bottom - top) * 0.32, (right - left) * 0.15, fill((0.910, 0.486, 0.329)))
    canvas.drawRect(skia.Rect.MakeLTRB(left, middle, right, bottom), fill((0.290, 0.510, 0.557)))
    sail = left + (right - left) * 0.36
    canvas.drawPath(polygon([(sail, middle - 22), (sail, middle + 3), (sail + 14, middle + 3)]), fill((0.988, 0.957, 0.894)))
    canvas.drawLine(sail - 6, middle + 6, sail + 14, middle + 6, line((0.518, 0.275, 0.220), 4))
    for index in range(3):
        y = middle + 14 + index * 9
        canvas.drawLine(left + 4 + index * 5, y, right - 12 + index * 3, y, line((0.471, 0.675, 0.690), 2))


def hills(canvas: skia.Canvas, left: float, top: float, right: float, bottom: float) -> None:
    wide, tall = right - left, bottom - top
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), fill((0.690, 0.824, 0.808)))
    canvas.drawCircle(left + wide * 0.3, bottom + tall * 0.1, wide * 0.62, fill((0.502, 0.620, 0.408)))
    canvas.drawCircle(left + wide * 0.85, bottom + tall * 0.16, wide * 0.6, fill((0.353, 0.502, 0.376)))
    for share in (0.62, 0.78):
        x = left + wide * share
        canvas.drawPath(polygon([(x, bottom - tall * 0.62), (x - 7, bottom - tall * 0.3), (x + 7, bottom - tall * 0.3)]), fill((0.227, 0.376, 0.314)))


def vase(canvas: skia.Canvas, left: float, top: float, right: float, bottom: float) -> None:
    x, wide = (left + right) / 2, right - left
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), fill((0.933, 0.784, 0.690)))
    canvas.drawRect(skia.Rect.MakeLTRB(left, bottom - (bottom - top) * 0.25, right, bottom), fill((0.769, 0.502, 0.376)))
    for dx, dy, rgb in ((-9, 10, (0.808, 0.306, 0.275)), (8, 8, (0.902, 0.627, 0.235)), (0, 0, (0.941, 0.886, 0.784))):
        canvas.drawLine(x, bottom - 24, x + dx, top + 14 + dy, line((0.337, 0.486, 0.329), 2.4))
        canvas.drawCircle(x + dx, top + 14 + dy, wide * 0.11, fill(rgb))
    canvas.drawOval(skia.Rect.MakeLTRB(x - wide * 0.17, bottom - 30, x + wide * 0.17, bottom - 6), fill((0.290, 0.439, 0.502)))


def draw_clock_face(canvas: skia.Canvas) -> None:
    x, y, radius = CLOCK
    canvas.drawCircle(x + 3, y + 5, radius + 2, fill(DUSK, 0.28, 6))
    canvas.drawCircle(x, y, radius, fill(mix(WALNUT, BRASS, 0.2)))
    canvas.drawCircle(x, y, radius - 2.5, line(mix(BRASS, WARM_WHITE, 0.2), 2.5))
    canvas.drawCircle(x, y, radius - 7, fill((0.996, 0.973, 0.910)))
    for index in range(60):
        angle = 2 * math.pi * index / 60
        long = index % 5 == 0
        inner, outer = radius - (16 if long else 12.5), radius - 10
        sin, cos = math.sin(angle), math.cos(angle)
        canvas.drawLine(x + inner * sin, y - inner * cos, x + outer * sin, y - outer * cos, line((0.329, 0.235, 0.235), 2.6 if long else 0.9))


def draw_clock_hands(canvas: skia.Canvas, seconds: float) -> None:
    """Ten to four and the seconds of the film; a film of sixty seconds makes a loop without a jump of the seconds' hand."""
    x, y, radius = CLOCK
    tick = math.floor(seconds) + min(1.0, (seconds % 1) * 8) - 1  # the hand jumps, and rests
    minutes = 50.0
    for turn, length, width in ((3 / 12 + minutes / 720, 0.42, 5.0), (minutes / 60, 0.64, 3.6)):
        sin, cos = math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
        canvas.drawLine(x - 4 * sin, y + 4 * cos, x + radius * length * sin, y - radius * length * cos, line((0.282, 0.196, 0.212), width))
    sin, cos = math.sin(2 * math.pi * tick / 60), math.cos(2 * math.pi * tick / 60)
    canvas.drawLine(x - 9 * sin, y + 9 * cos, x + radius * 0.72 * sin, y - radius * 0.72 * cos, line((0.808, 0.275, 0.220), 2))
    canvas.drawCircle(x, y, 4, fill((0.808, 0.275, 0.220)))
