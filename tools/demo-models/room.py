"""The lobby of the film: drawn once, with the few things in it that move (clock, lift, cat).

One point of perspective for everything: a body `unit` (half the width of a face) on the floor at height `feet` of the picture is
`scale(feet)` pixels, and lines into the depth of the room meet at (CENTRE, HORIZON), the height of the eyes.
"""

import math

import numpy as np
import skia

WIDTH, HEIGHT = 1280, 720
CENTRE, HORIZON = 640.0, 340.0
#: The foot of the back wall, and its corners.
FLOOR, LEFT, RIGHT, CEILING = 520.0, 118.0, 1162.0, 26.0
#: Pixels of a unit at the very front of the picture.
NEAR_FEET, NEAR_SCALE = 700.0, 50.0
#: Opening of the lift in the back wall.
LIFT = (206.0, 262.0, 338.0, FLOOR)
CLOCK = (1033.0, 176.0, 47.0)

CREAM, PLUM, WARM_WHITE = (247, 231, 203), (92, 52, 72), (255, 249, 232)
OAK, WALNUT, SAGE, BRASS, TERRACOTTA = (205, 156, 104), (112, 68, 48), (112, 152, 132), (222, 172, 84), (198, 98, 66)


def scale(feet):
    """Pixels of one unit for somebody whose feet are at this height of the picture."""
    return NEAR_SCALE * (feet - HORIZON) / (NEAR_FEET - HORIZON)


def on_floor(across, feet):
    """Picture point of the floor `across` units right of the middle, at this height."""
    return CENTRE + across * scale(feet), feet


def mix(first, second, share):
    return tuple(a + (b - a) * share for a, b in zip(first, second))


def colour(rgb, alpha=1.0):
    red, green, blue = (int(round(min(255, max(0, value)))) for value in rgb)
    return skia.Color(red, green, blue, int(round(255 * alpha)))


def fill(rgb, alpha=1.0, blur=0.0):
    paint = skia.Paint(AntiAlias=True, Color=colour(rgb, alpha))
    if blur > 0:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
    return paint


def stroke(rgb, width, alpha=1.0, blur=0.0):
    paint = fill(rgb, alpha, blur)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(width)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    paint.setStrokeJoin(skia.Paint.kRound_Join)
    return paint


def gradient(start, end, colours, alpha=1.0, stops=None):
    shader = skia.GradientShader.MakeLinear([skia.Point(*start), skia.Point(*end)], [colour(item, alpha) for item in colours], stops)
    return skia.Paint(AntiAlias=True, Shader=shader)


def glow(canvas, x, y, radius, rgb, alpha):
    """Light that fades out to nothing at `radius`."""
    colours = [colour(rgb, alpha), colour(rgb, alpha * 0.35), colour(rgb, 0)]
    shader = skia.GradientShader.MakeRadial(skia.Point(x, y), radius, colours, [0, 0.45, 1])
    canvas.drawCircle(x, y, radius, skia.Paint(AntiAlias=True, Shader=shader))


def polygon(points):
    path = skia.Path()
    path.addPoly([skia.Point(*point) for point in points], True)
    return path


def rounded(left, top, right, bottom, radius):
    path = skia.Path()
    path.addRoundRect(skia.Rect.MakeLTRB(left, top, right, bottom), radius, radius)
    return path


def arch(left, top, right, bottom):
    """A rectangle under a flat arch."""
    rise = (right - left) * 0.34
    path = skia.Path()
    path.moveTo(left, bottom)
    path.lineTo(left, top + rise)
    path.cubicTo(left, top + rise * 0.25, left + (right - left) * 0.2, top, (left + right) / 2, top)
    path.cubicTo(right - (right - left) * 0.2, top, right, top + rise * 0.25, right, top + rise)
    path.lineTo(right, bottom)
    path.close()
    return path


def into_depth(x, y, to_x):
    """The line from a corner of the back wall towards the viewer, where it crosses `to_x`."""
    return to_x, y + (to_x - x) * (y - HORIZON) / (x - CENTRE)


# ---------------------------------------------------------------------------------------------- shell of the room


def draw_walls(canvas):
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
        dark, light = mix(CREAM, PLUM, 0.2 if lit else 0.26), mix(CREAM, PLUM, 0.07 if lit else 0.13)
        canvas.drawPath(side, gradient((corner, 0), (edge, 0), [dark, light]))
        draw_wainscot_side(canvas, corner, edge)
    ceiling = polygon([(LEFT, CEILING), (RIGHT, CEILING), (RIGHT + 60, -4), (LEFT - 60, -4)])
    canvas.drawPath(ceiling, fill(mix(WARM_WHITE, PLUM, 0.1)))
    for height, rgb in ((CEILING + 8, mix(CREAM, PLUM, 0.12)), (CEILING + 5, WARM_WHITE)):
        canvas.drawLine(LEFT, height, RIGHT, height, stroke(rgb, 5))
    draw_wainscot(canvas)
    for corner in (LEFT, RIGHT):
        canvas.drawLine(corner, CEILING, corner, FLOOR, stroke(PLUM, 7, 0.12, 4))


def draw_wainscot(canvas):
    top = 432
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, top, RIGHT, FLOOR), gradient((0, top), (0, FLOOR), [SAGE, mix(SAGE, PLUM, 0.22)]))
    panel = 58
    for index in range(int((RIGHT - LEFT) // panel)):
        left = LEFT + 7 + index * panel
        shape = rounded(left, top + 18, left + panel - 14, FLOOR - 22, 3)
        canvas.drawPath(shape, gradient((0, top), (0, FLOOR), [mix(SAGE, PLUM, 0.16), mix(SAGE, WARM_WHITE, 0.12)]))
        canvas.drawPath(rounded(left + 2.5, top + 21, left + panel - 14, FLOOR - 22, 3), fill(mix(SAGE, PLUM, 0.1)))
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, top - 6, RIGHT, top + 4), fill(WARM_WHITE))
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, top + 4, RIGHT, top + 8), fill(PLUM, 0.25))
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, FLOOR - 12, RIGHT, FLOOR), fill(mix(WARM_WHITE, PLUM, 0.08)))
    canvas.drawRect(skia.Rect.MakeLTRB(LEFT, FLOOR - 12, RIGHT, FLOOR - 9.5), fill(WARM_WHITE))


def draw_wainscot_side(canvas, corner, edge):
    rail, foot = into_depth(corner, 432, edge), into_depth(corner, FLOOR, edge)
    base = into_depth(corner, FLOOR - 12, edge)
    dark = 0.3 if corner == LEFT else 0.36
    canvas.drawPath(polygon([(corner, 432), (corner, FLOOR), foot, rail]), fill(mix(SAGE, PLUM, dark)))
    canvas.drawPath(polygon([(corner, FLOOR - 12), (corner, FLOOR), foot, base]), fill(mix(WARM_WHITE, PLUM, dark)))
    canvas.drawLine(corner, 430, *into_depth(corner, 430, edge), stroke(mix(WARM_WHITE, PLUM, dark * 0.6), 9))


def draw_floor(canvas, rng):
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
            canvas.drawPath(polygon(corners), stroke(mix(OAK, WALNUT, 0.55), 0.6 + (feet - 516) / 160, 0.55))
            feet = until
    canvas.drawRect(
        skia.Rect.MakeLTRB(0, FLOOR - 2, WIDTH, HEIGHT),
        gradient((0, FLOOR), (0, HEIGHT), [PLUM, PLUM, PLUM], 0.16, [0, 0.35, 1]),
    )
    shine = gradient((0, FLOOR), (0, HEIGHT), [(255, 226, 170), (255, 214, 150), (160, 96, 60)], 0.2, [0, 0.4, 1])
    canvas.drawRect(skia.Rect.MakeLTRB(0, FLOOR, WIDTH, HEIGHT), shine)
    canvas.drawRect(skia.Rect.MakeLTRB(0, FLOOR - 4, WIDTH, FLOOR + 9), fill(PLUM, 0.3, 6))
    canvas.restore()


def draw_rug(canvas):
    top, bottom = 586.0, 694.0
    canvas.drawPath(quad(-9.4, top - 1, 9.4, bottom + 7), fill(PLUM, 0.22, 5))
    for index in range(47):
        for side in (-1, 1):
            feet = top + 1.5 + index * (bottom - top - 3) / 46
            x, y = on_floor(side * 9.2, feet)
            canvas.drawLine(x, y, x + side * (5 + index * 0.08), y + 1.2, stroke((240, 222, 186), 1.5))
    bands = [(TERRACOTTA, 9.2, 0.0), ((240, 214, 164), 8.75, 0.05), ((62, 98, 108), 8.55, 0.075), ((188, 84, 62), 7.3, 0.21)]
    bands += [((238, 206, 150), 7.05, 0.24), ((176, 74, 60), 6.85, 0.265)]
    for rgb, across, inset in bands:
        canvas.drawPath(quad(-across, deep(top, bottom, inset), across, deep(top, bottom, 1 - inset)), fill(rgb))
    for index in range(23):
        across = -7.9 + index * 15.8 / 22
        for share in (0.142, 0.858):
            diamond(canvas, across, deep(top, bottom, share), 0.24, (240, 206, 146))
    for index in range(1, 5):
        for across in (-7.93, 7.93):
            diamond(canvas, across, deep(top, bottom, 0.142 + index * 0.143), 0.24, (240, 206, 146))
    middle = deep(top, bottom, 0.5)
    for radius, rgb in ((3.3, (238, 206, 150)), (3.05, (62, 98, 108)), (2.1, (238, 206, 150)), (1.9, (188, 84, 62)), (0.75, (246, 226, 184))):
        lozenge(canvas, middle, radius, rgb)
    for across in (-5.3, 5.3):
        diamond(canvas, across, middle, 0.85, (238, 206, 150))
        diamond(canvas, across, middle, 0.6, (62, 98, 108))


def quad(left, top, right, bottom):
    return polygon([on_floor(left, top), on_floor(right, top), on_floor(right, bottom), on_floor(left, bottom)])


def deep(top, bottom, share):
    """Height of the picture at this share of the depth between two: even steps on the floor, not in the picture."""
    near, far = 1 / (bottom - HORIZON), 1 / (top - HORIZON)
    return HORIZON + 1 / (far + (near - far) * share)


def floor_step(feet, units):
    """Height of the picture `units` nearer on the floor."""
    depth = NEAR_SCALE * 22.0 / scale(feet)
    return HORIZON + (feet - HORIZON) * depth / max(1.0, depth - units)


def diamond(canvas, across, feet, radius, rgb):
    points = [on_floor(across, floor_step(feet, -radius)), on_floor(across + radius, feet)]
    points += [on_floor(across, floor_step(feet, radius)), on_floor(across - radius, feet)]
    canvas.drawPath(polygon(points), fill(rgb))


def lozenge(canvas, feet, radius, rgb):
    points = []
    for index in range(96):
        angle = 2 * math.pi * index / 96
        wave = radius * (1 + 0.07 * math.cos(8 * angle))
        height = floor_step(feet, 0.62 * wave * math.sin(angle))
        points.append(on_floor(1.25 * wave * math.cos(angle), height))
    canvas.drawPath(polygon(points), fill(rgb))


# ---------------------------------------------------------------------------------------------- things on the wall


def draw_window(canvas, rng):
    left, top, right, bottom = 476.0, 74.0, 804.0, 404.0
    canvas.drawPath(arch(left - 20, top - 20, right + 20, bottom + 6), fill(PLUM, 0.25, 7))
    canvas.drawPath(arch(left - 18, top - 18, right + 18, bottom), fill(WARM_WHITE))
    canvas.drawPath(arch(left - 7, top - 7, right + 7, bottom), fill(mix(WARM_WHITE, PLUM, 0.12)))
    canvas.save()
    canvas.clipPath(arch(left, top, right, bottom), doAntiAlias=True)
    draw_city(canvas, rng, left, top, right, bottom)
    canvas.drawPath(polygon([(left, bottom), (left, top + 120), (left + 150, top), (left + 250, top)]), fill(WARM_WHITE, 0.08))
    canvas.drawPath(polygon([(left + 190, bottom), (left + 330, top), (left + 360, top), (left + 235, bottom)]), fill(WARM_WHITE, 0.1))
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, top + 14), fill(PLUM, 0.16, 6))
    canvas.restore()
    for x in (left + 109.3, left + 218.6):
        canvas.drawLine(x, top - 4, x, bottom, stroke(WARM_WHITE, 9))
        canvas.drawLine(x + 3.5, top - 2, x + 3.5, bottom, stroke(PLUM, 1.5, 0.2))
    canvas.drawLine(left, 196, right, 196, stroke(WARM_WHITE, 9))
    canvas.drawLine(left, 200.5, right, 200.5, stroke(PLUM, 1.5, 0.2))
    draw_curtain(canvas, left - 44, top - 34, 1)
    draw_curtain(canvas, right + 44, top - 34, -1)
    canvas.drawLine(left - 62, top - 36, right + 62, top - 36, stroke(mix(BRASS, PLUM, 0.4), 8))
    canvas.drawLine(left - 62, top - 38, right + 62, top - 38, stroke(BRASS, 4))
    for x in (left - 64, right + 64):
        canvas.drawCircle(x, top - 36, 9, fill(mix(BRASS, PLUM, 0.15)))
        canvas.drawCircle(x - 2, top - 39, 3.5, fill(mix(BRASS, WARM_WHITE, 0.6)))
    canvas.drawRect(skia.Rect.MakeLTRB(left - 30, bottom + 8, right + 30, bottom + 16), fill(PLUM, 0.22, 5))
    canvas.drawPath(rounded(left - 34, bottom - 6, right + 34, bottom + 9, 3), gradient((0, bottom - 6), (0, bottom + 9), [WARM_WHITE, mix(WARM_WHITE, PLUM, 0.16)]))


def draw_city(canvas, rng, left, top, right, bottom):
    sky = [(104, 170, 206), (158, 204, 214), (252, 226, 178), (255, 204, 150)]
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), gradient((0, top), (0, bottom - 60), sky, 1.0, [0, 0.42, 0.85, 1]))
    glow(canvas, 742, 262, 150, (255, 238, 190), 0.95)
    canvas.drawCircle(742, 262, 24, fill((255, 248, 222)))
    for x, y, size in ((500, 132, 1.0), (600, 112, 0.75), (690, 158, 0.9), (560, 226, 0.7), (795, 122, 0.8)):
        for dx, dy, radius in ((-26, 4, 13), (-8, -5, 18), (14, -1, 16), (32, 5, 11)):
            canvas.drawCircle(x + dx * size, y + dy * size, radius * size, fill(mix(WARM_WHITE, (255, 214, 190), 0.25), 0.85, 1.5))
        canvas.drawRect(skia.Rect.MakeLTRB(x - 38 * size, y + 4 * size, x + 42 * size, y + 14 * size), fill(mix(WARM_WHITE, (255, 200, 170), 0.45), 0.8, 3))
    for layer, (base, low, high) in enumerate((((184, 180, 188), 60, 150), ((150, 136, 156), 30, 120), ((122, 98, 116), 15, 80))):
        x = left - 10
        while x < right:
            width, height = rng.uniform(26, 50), rng.uniform(low, high)
            roof = bottom - 40 - height
            tone = mix(base, (255, 196, 140), rng.uniform(0.05, 0.3))
            canvas.drawRect(skia.Rect.MakeLTRB(x, roof, x + width, bottom), gradient((0, roof), (0, bottom), [tone, mix(tone, (255, 214, 170), 0.35)]))
            if rng.random() < 0.25:
                canvas.drawLine(x + width / 2, roof, x + width / 2, roof - 14, stroke(tone, 1.6))
            if layer > 0:
                for wx in np.arange(x + 5, x + width - 6, 8.5):
                    for wy in np.arange(roof + 7, bottom - 30, 12.5):
                        lit = rng.random() < 0.45
                        canvas.drawRect(skia.Rect.MakeXYWH(wx, wy, 4.5, 6.5), fill((255, 226, 150) if lit else mix(tone, PLUM, 0.25), 0.85))
            x += width + rng.uniform(0, 7)
    for index in range(26):
        x = left + index * 15.5
        canvas.drawCircle(x, bottom - 12 + 6 * math.sin(index * 2.3), 20 + 6 * math.sin(index * 1.7), fill(mix((98, 128, 84), PLUM, 0.14 + 0.1 * math.sin(index * 3.1))))


def draw_curtain(canvas, x, top, side):
    """Gathered at two thirds of its height; `side` points from its outer edge to the window."""
    rgb, foot, tie = (214, 122, 74), 424.0, 316.0
    path = skia.Path()
    path.moveTo(x - 24 * side, top)
    path.lineTo(x + 66 * side, top)
    path.cubicTo(x + 66 * side, top + 120, x + 40 * side, tie - 60, x + 2 * side, tie)
    path.cubicTo(x + 14 * side, tie + 40, x + 18 * side, foot - 30, x + 18 * side, foot)
    path.lineTo(x - 26 * side, foot)
    path.close()
    canvas.drawPath(path, fill(PLUM, 0.22, 6))
    canvas.drawPath(path, gradient((x - 24 * side, 0), (x + 60 * side, 0), [mix(rgb, PLUM, 0.18), rgb, mix(rgb, WARM_WHITE, 0.18)]))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    for index in range(7):
        start, gathered = x + (-18 + index * 14) * side, x + (-20 + index * 3.6) * side
        fold = skia.Path()
        fold.moveTo(start, top)
        fold.cubicTo(start, top + 120, gathered + 12 * side, tie - 50, gathered, tie)
        fold.cubicTo(gathered, tie + 40, x + (-20 + index * 6) * side, foot - 40, x + (-20 + index * 6.4) * side, foot)
        canvas.drawPath(fold, stroke(mix(rgb, PLUM, 0.45), 4, 0.35, 1.5))
        canvas.translate(4 * side, 0)
        canvas.drawPath(fold, stroke(mix(rgb, WARM_WHITE, 0.5), 2.5, 0.3, 1))
        canvas.translate(-4 * side, 0)
    canvas.restore()
    canvas.drawLine(x - 25 * side, tie - 4, x + 3 * side, tie + 2, stroke(mix(BRASS, PLUM, 0.35), 9))
    canvas.drawLine(x - 25 * side, tie - 5, x + 3 * side, tie + 1, stroke(BRASS, 6))


def draw_lift_inside(canvas):
    """What is seen when the panels stand open."""
    left, top, right, bottom = LIFT
    canvas.drawRect(skia.Rect.MakeLTRB(*LIFT), fill((196, 132, 88)))
    back = (left + 18, top + 16, right - 18, bottom - 20)
    canvas.drawPath(polygon([(left, top), (right, top), (back[2], back[1]), (back[0], back[1])]), fill((250, 226, 176)))
    canvas.drawPath(polygon([(left, bottom), (right, bottom), (back[2], back[3]), (back[0], back[3])]), fill((124, 66, 60)))
    canvas.drawPath(polygon([(left, top), (left, bottom), (back[0], back[3]), (back[0], back[1])]), fill((158, 98, 66)))
    canvas.drawPath(polygon([(right, top), (right, bottom), (back[2], back[3]), (back[2], back[1])]), fill((172, 110, 74)))
    canvas.drawRect(skia.Rect.MakeLTRB(*back), gradient((0, back[1]), (0, back[3]), [(232, 186, 132), (198, 136, 90)]))
    for x in (back[0] + 33, back[0] + 65):
        canvas.drawLine(x, back[1], x, back[3], stroke((150, 92, 60), 1.5, 0.7))
    canvas.drawLine(back[0], 432, back[2], 432, stroke(BRASS, 4))
    glow(canvas, (left + right) / 2, top + 20, 110, (255, 240, 196), 0.8)


def draw_lift_panels(canvas, opening):
    left, top, right, bottom = LIFT
    half = (right - left) / 2
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(*LIFT))
    for side, edge in ((-1, left), (1, right)):
        inner = (left + right) / 2 + side * half * opening
        outer = inner + side * half
        low, high = min(inner, outer), max(inner, outer)
        metal = [(214, 182, 132), (240, 216, 172), (198, 160, 110)]
        canvas.drawRect(skia.Rect.MakeLTRB(low, top, high, bottom), gradient((low, top), (high, bottom), metal))
        for inset, alpha in ((9, 0.5), (14, 0.3)):
            canvas.drawPath(rounded(low + inset, top + inset + 4, high - inset, bottom - inset - 6, 6), stroke(mix(BRASS, WALNUT, 0.55), 1.6, alpha))
        middle = (low + high) / 2
        for index in range(5):
            canvas.drawLine(middle, 392, middle + (index - 2) * 11, 296 + abs(index - 2) * 7, stroke(mix(BRASS, WALNUT, 0.5), 1.8, 0.5))
        canvas.drawCircle(middle, 394, 7, fill(mix(BRASS, WALNUT, 0.35)))
        canvas.drawLine(inner, top, inner, bottom, stroke(WALNUT, 2, 0.7))
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, top + 8), fill(PLUM, 0.3, 4))
    canvas.restore()


def draw_lift_frame(canvas):
    left, top, right, bottom = LIFT
    frame = skia.Path()
    frame.addRoundRect(skia.Rect.MakeLTRB(left - 18, top - 22, right + 18, bottom + 1), 5, 5)
    frame.addRect(skia.Rect.MakeLTRB(left, top, right, bottom + 1))
    frame.setFillType(skia.PathFillType.kEvenOdd)
    canvas.drawPath(frame, gradient((left, top), (right, bottom), [(136, 84, 62), (164, 106, 76), (118, 70, 54)]))
    canvas.drawLine(left - 1, top - 1, left - 1, bottom, stroke((216, 166, 110), 2.5, 0.7))
    canvas.drawLine(left - 1, top - 1, right + 1, top - 1, stroke((216, 166, 110), 2.5, 0.7))
    canvas.drawLine(left - 17, top - 20, right + 17, top - 20, stroke((216, 166, 110), 3, 0.5))
    x = (left + right) / 2
    dial = skia.Path()
    dial.addArc(skia.Rect.MakeLTRB(x - 46, top - 76, x + 46, top + 16), 180, 180)
    dial.close()
    canvas.drawPath(dial, fill(mix(BRASS, WALNUT, 0.35)))
    inner = skia.Path()
    inner.addArc(skia.Rect.MakeLTRB(x - 39, top - 69, x + 39, top + 9), 180, 180)
    inner.close()
    canvas.drawPath(inner, fill((252, 240, 212)))
    for index in range(7):
        angle = math.pi * (1 - (index + 0.5) / 7)
        px, py = x + 31 * math.cos(angle), top - 30 - 31 * math.sin(angle)
        canvas.drawCircle(px, py, 2.2, fill(WALNUT))
    canvas.drawPath(rounded(right + 30, 372, right + 46, 412, 4), fill(mix(BRASS, WALNUT, 0.25)))
    for y in (383, 400):
        canvas.drawCircle(right + 38, y, 4.6, fill((252, 240, 212)))


def draw_lift_pointer(canvas, floor, here):
    """The pointer over the lift at a floor of 0 to 6 (the lobby is 0), and the light of its button."""
    left, top, right, _ = LIFT
    x = (left + right) / 2
    angle = math.pi * (1 - (floor + 0.5) / 7)
    canvas.drawLine(x, top - 29, x + 26 * math.cos(angle), top - 29 - 26 * math.sin(angle), stroke((170, 58, 48), 3))
    canvas.drawCircle(x, top - 29, 4.5, fill(WALNUT))
    canvas.drawCircle(right + 38, 383, 3.4, fill((255, 170, 60) if here else (196, 186, 166)))


def draw_door(canvas):
    left, top, right, bottom = 966.0, 262.0, 1100.0, FLOOR
    canvas.drawRect(skia.Rect.MakeLTRB(left - 16, top - 16, right + 18, bottom), fill(PLUM, 0.22, 6))
    canvas.drawRect(skia.Rect.MakeLTRB(left - 16, top - 18, right + 16, bottom), fill(WARM_WHITE))
    canvas.drawRect(skia.Rect.MakeLTRB(left - 20, top - 24, right + 20, top - 14), fill(mix(WARM_WHITE, OAK, 0.12)))
    middle = (left + right) / 2
    for low, high in ((left, middle - 1), (middle + 1, right)):
        canvas.drawRect(skia.Rect.MakeLTRB(low, top, high, bottom), gradient((low, top), (high, bottom), [(146, 88, 58), (122, 70, 48)]))
        glass = rounded(low + 13, top + 18, high - 13, top + 128, 24)
        canvas.drawPath(glass, gradient((low, top), (high, top + 128), [(255, 228, 168), (246, 196, 124), (226, 168, 110)]))
        canvas.save()
        canvas.clipPath(glass, doAntiAlias=True)
        canvas.drawPath(polygon([(low, top + 90), (high, top + 20), (high, top + 44), (low, top + 114)]), fill(WARM_WHITE, 0.3))
        canvas.restore()
        canvas.drawPath(glass, stroke((92, 52, 38), 3))
        canvas.drawLine((low + high) / 2, top + 18, (low + high) / 2, top + 128, stroke((92, 52, 38), 2.5))
        canvas.drawPath(rounded(low + 13, top + 148, high - 13, bottom - 24, 4), stroke((88, 48, 36), 2.5, 0.8))
        canvas.drawPath(rounded(low + 19, top + 154, high - 19, bottom - 30, 3), fill((158, 98, 66), 0.55))
    canvas.drawLine(middle, top, middle, bottom, stroke((74, 40, 32), 2.5))
    for x in (middle - 9, middle + 9):
        canvas.drawLine(x, 398, x, 424, stroke(BRASS, 4.5))
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, top + 7), fill(PLUM, 0.3, 3))


def draw_picture(canvas, x, y, width, height, paint_inside, wood=WALNUT):
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    canvas.drawRect(skia.Rect.MakeLTRB(left - 6, top - 2, right + 9, bottom + 11), fill(PLUM, 0.25, 5))
    canvas.drawRect(skia.Rect.MakeLTRB(left - 7, top - 7, right + 7, bottom + 7), fill(wood))
    canvas.drawLine(left - 5.5, top - 5.5, right + 5.5, top - 5.5, stroke(mix(wood, WARM_WHITE, 0.35), 2))
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), fill((250, 240, 218)))
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(left + 6, top + 6, right - 6, bottom - 6))
    paint_inside(canvas, left + 6, top + 6, right - 6, bottom - 6)
    canvas.restore()


def sea(canvas, left, top, right, bottom):
    middle = top + (bottom - top) * 0.55
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), fill((244, 206, 158)))
    canvas.drawCircle(left + (right - left) * 0.65, top + (bottom - top) * 0.32, (right - left) * 0.15, fill((232, 124, 84)))
    canvas.drawRect(skia.Rect.MakeLTRB(left, middle, right, bottom), fill((74, 130, 142)))
    sail = left + (right - left) * 0.36
    canvas.drawPath(polygon([(sail, middle - 22), (sail, middle + 3), (sail + 14, middle + 3)]), fill((252, 244, 228)))
    canvas.drawLine(sail - 6, middle + 6, sail + 14, middle + 6, stroke((132, 70, 56), 4))
    for index in range(3):
        y = middle + 14 + index * 9
        canvas.drawLine(left + 4 + index * 5, y, right - 12 + index * 3, y, stroke((120, 172, 176), 2))


def hills(canvas, left, top, right, bottom):
    wide, tall = right - left, bottom - top
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), fill((176, 210, 206)))
    canvas.drawCircle(left + wide * 0.3, bottom + tall * 0.1, wide * 0.62, fill((128, 158, 104)))
    canvas.drawCircle(left + wide * 0.85, bottom + tall * 0.16, wide * 0.6, fill((90, 128, 96)))
    for share in (0.62, 0.78):
        x = left + wide * share
        canvas.drawPath(polygon([(x, bottom - tall * 0.62), (x - 7, bottom - tall * 0.3), (x + 7, bottom - tall * 0.3)]), fill((58, 96, 80)))


def vase(canvas, left, top, right, bottom):
    x, wide = (left + right) / 2, right - left
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), fill((238, 200, 176)))
    canvas.drawRect(skia.Rect.MakeLTRB(left, bottom - (bottom - top) * 0.25, right, bottom), fill((196, 128, 96)))
    for dx, dy, rgb in ((-9, 10, (206, 78, 70)), (8, 8, (230, 160, 60)), (0, 0, (240, 226, 200))):
        canvas.drawLine(x, bottom - 24, x + dx, top + 14 + dy, stroke((86, 124, 84), 2.4))
        canvas.drawCircle(x + dx, top + 14 + dy, wide * 0.11, fill(rgb))
    canvas.drawOval(skia.Rect.MakeLTRB(x - wide * 0.17, bottom - 30, x + wide * 0.17, bottom - 6), fill((74, 112, 128)))


# ---------------------------------------------------------------------------------------------- things in the room


def leaf(canvas, x, y, angle, length, width, rgb):
    """One leaf from its foot at x, y; angle from upright, clockwise."""
    canvas.save()
    canvas.translate(x, y)
    canvas.rotate(math.degrees(angle))
    bend = length * 0.22 * math.sin(angle)
    path = skia.Path()
    path.moveTo(0, 0)
    path.cubicTo(-width, -length * 0.35, -width * 0.7, -length * 0.8, bend, -length)
    path.cubicTo(width * 0.9, -length * 0.75, width, -length * 0.3, 0, 0)
    canvas.drawPath(path, gradient((-width, 0), (width, -length), [mix(rgb, PLUM, 0.28), rgb, mix(rgb, (255, 244, 170), 0.25)]))
    rib = skia.Path()
    rib.moveTo(0, 0)
    rib.quadTo(0, -length * 0.6, bend * 0.9, -length * 0.93)
    canvas.drawPath(rib, stroke(mix(rgb, WARM_WHITE, 0.3), max(0.8, width * 0.07), 0.6))
    canvas.restore()


def draw_plant(canvas, x, feet, size, rng, pot=TERRACOTTA, green=(92, 146, 92), leaves=15):
    shadow(canvas, x, feet - size * 0.04, size * 0.62, size * 0.13, 0.3)
    rim = feet - size * 0.72
    order = sorted(range(leaves), key=lambda index: -abs(index - (leaves - 1) / 2))
    for index in order:
        angle = (index - (leaves - 1) / 2) / (leaves / 2) * 1.25 + rng.normal(0, 0.06)
        length = size * rng.uniform(1.15, 1.6) * (1.0 - 0.2 * abs(angle))
        leaf(canvas, x + angle * size * 0.14, rim + size * 0.06, angle, length, size * rng.uniform(0.13, 0.17), mix(green, (58, 110, 88), rng.random()))
    body = skia.Path()
    body.moveTo(x - size * 0.42, rim)
    body.lineTo(x + size * 0.42, rim)
    body.lineTo(x + size * 0.3, feet - size * 0.03)
    body.quadTo(x, feet + size * 0.05, x - size * 0.3, feet - size * 0.03)
    body.close()
    canvas.drawPath(body, gradient((x - size * 0.4, 0), (x + size * 0.4, 0), [mix(pot, WARM_WHITE, 0.18), pot, mix(pot, PLUM, 0.35)]))
    canvas.drawPath(rounded(x - size * 0.47, rim - size * 0.06, x + size * 0.47, rim + size * 0.13, size * 0.05), gradient((x - size * 0.45, 0), (x + size * 0.45, 0), [mix(pot, WARM_WHITE, 0.25), mix(pot, PLUM, 0.2)]))


def shadow(canvas, x, y, across, deep_, alpha):
    canvas.drawOval(skia.Rect.MakeLTRB(x - across, y - deep_, x + across, y + deep_), fill((70, 36, 40), alpha, max(1.0, deep_ * 0.55)))


def draw_bench(canvas):
    left, right, seat, feet = 492.0, 788.0, 466.0, 530.0
    shadow(canvas, (left + right) / 2, feet - 1, 165, 9, 0.32)
    for x in (left + 16, right - 16, left + 100, right - 100):
        canvas.drawLine(x, seat, x, feet - 3, stroke(mix(WALNUT, PLUM, 0.2), 8))
        canvas.drawLine(x - 2, seat, x - 2, feet - 4, stroke(mix(WALNUT, OAK, 0.3), 2.5))
    canvas.drawPath(rounded(left, seat - 6, right, seat + 9, 5), gradient((0, seat - 6), (0, seat + 9), [mix(WALNUT, OAK, 0.6), WALNUT]))
    canvas.drawPath(rounded(left + 7, seat - 20, right - 7, seat - 3, 8), gradient((0, seat - 20), (0, seat - 3), [(86, 130, 138), (58, 96, 108)]))
    for x in (left + 99, right - 99):
        canvas.drawLine(x, seat - 19, x, seat - 4, stroke((46, 78, 92), 1.5))
    for x, rgb, turn in ((left + 34, (228, 170, 84), -9), (right - 36, (206, 96, 72), 10)):
        canvas.save()
        canvas.translate(x, seat - 38)
        canvas.rotate(turn)
        canvas.drawPath(rounded(-24, -20, 24, 20, 9), gradient((-24, -20), (24, 20), [mix(rgb, WARM_WHITE, 0.2), mix(rgb, PLUM, 0.15)]))
        canvas.drawPath(rounded(-24, -20, 24, 20, 9), stroke(mix(rgb, WARM_WHITE, 0.45), 1.5, 0.7))
        canvas.restore()


def draw_lamps(canvas):
    for x, y in ((272, 92), (1033, 78)):
        glow(canvas, x, y + 16, 150, (255, 226, 160), 0.42)
        canvas.drawLine(x, -2, x, y - 24, stroke((84, 62, 58), 3))
        dome = skia.Path()
        dome.moveTo(x - 44, y + 12)
        dome.cubicTo(x - 42, y - 18, x - 18, y - 30, x, y - 30)
        dome.cubicTo(x + 18, y - 30, x + 42, y - 18, x + 44, y + 12)
        dome.close()
        canvas.drawOval(skia.Rect.MakeLTRB(x - 17, y + 4, x + 17, y + 25), fill((255, 246, 214)))
        canvas.drawPath(dome, gradient((x - 44, y), (x + 44, y), [(44, 92, 92), (74, 130, 122), (36, 76, 80)]))
        canvas.drawOval(skia.Rect.MakeLTRB(x - 44, y + 7, x + 44, y + 17), fill((255, 236, 186)))
        canvas.drawOval(skia.Rect.MakeLTRB(x - 15, y + 6, x + 15, y + 18), fill((255, 252, 238)))
        canvas.drawCircle(x, y - 31, 6, fill(BRASS))


def draw_stand(canvas):
    """Umbrellas beside the door."""
    x, feet = 1136.0, 544.0
    shadow(canvas, x, feet - 3, 26, 6, 0.32)
    for dx, rgb, lean in ((-7, (188, 70, 64), -5), (6, (62, 98, 120), 6)):
        canvas.drawLine(x + dx, feet - 20, x + dx + lean, feet - 104, stroke(rgb, 10))
        canvas.drawLine(x + dx + lean, feet - 104, x + dx + lean * 1.2, feet - 126, stroke(WALNUT, 3.5))
        hook = skia.Path()
        hook.addArc(skia.Rect.MakeXYWH(x + dx + lean * 1.2 - 10, feet - 136, 10, 16), 180, 180)
        canvas.drawPath(hook, stroke(WALNUT, 3.5))
    body = polygon([(x - 20, feet - 62), (x + 20, feet - 62), (x + 16, feet - 2), (x - 16, feet - 2)])
    canvas.drawPath(body, gradient((x - 20, 0), (x + 20, 0), [mix(BRASS, WARM_WHITE, 0.3), BRASS, mix(BRASS, PLUM, 0.4)]))
    canvas.drawOval(skia.Rect.MakeLTRB(x - 20, feet - 66, x + 20, feet - 57), stroke(mix(BRASS, WALNUT, 0.5), 2.5))


def draw_sunlight(canvas):
    """The window's light on the floor, leaning to the left."""
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(0, FLOOR + 8, WIDTH, HEIGHT))
    for low, high in ((-7.0, -2.6), (-2.2, 2.2), (2.6, 7.0)):
        for start, end in ((0.06, 0.56), (0.62, 1.04)):
            top, bottom = deep(FLOOR + 8, 716, start), deep(FLOOR + 8, 716, end)
            lean_top, lean_bottom = -2.2 * start - 0.4, -2.2 * end - 0.4
            shape = polygon([on_floor(low + lean_top, top), on_floor(high + lean_top, top), on_floor(high + lean_bottom, bottom), on_floor(low + lean_bottom, bottom)])
            canvas.drawPath(shape, fill((255, 228, 150), 0.24, 3))
    canvas.restore()


def draw_rays(canvas):
    shape = polygon([(470, 90), (815, 90), (740, 660), (180, 660)])
    paint = gradient((640, 90), (560, 660), [(255, 232, 170), (255, 226, 160), (255, 226, 160)], 0.1, [0, 0.6, 1])
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 18))
    canvas.drawPath(shape, paint)


def draw_cat(canvas, seconds):
    """A cat on the sill that looks out of the window; only its tail and an ear move. The motion repeats every ten seconds."""
    x, sill = 556.0, 399.0
    fur, dark = (224, 142, 72), (176, 98, 52)
    swing = math.sin(2 * math.pi * seconds / 2.5) * (0.55 + 0.45 * math.sin(2 * math.pi * seconds / 10))
    tail = skia.Path()
    tail.moveTo(x + 16, sill - 6)
    tail.cubicTo(x + 34, sill + 6, x + 36 + 5 * swing, sill + 22, x + 28 + 10 * swing, sill + 40)
    canvas.drawPath(tail, stroke(fur, 8))
    tip = skia.Path()
    tip.moveTo(x + 31 + 8.5 * swing, sill + 33)
    tip.lineTo(x + 28 + 10 * swing, sill + 40)
    canvas.drawPath(tip, stroke((250, 230, 200), 8))
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
        canvas.drawPath(stripe, stroke(dark, 2.6, 0.6))
    turn = 2.2 * math.sin(2 * math.pi * seconds / 10 + 0.6)
    canvas.drawOval(skia.Rect.MakeLTRB(x - 17 + turn, sill - 72, x + 17 + turn, sill - 43), gradient((x - 17, 0), (x + 17, 0), [mix(fur, WARM_WHITE, 0.15), dark]))
    twitch = 2.5 if 3.0 < seconds % 10 < 3.25 else 0.0
    for side in (-1, 1):
        ear = polygon([(x + turn + side * 15.5, sill - 60), (x + turn + side * 14 + side * twitch, sill - 81), (x + turn + side * 3, sill - 69)])
        canvas.drawPath(ear, fill(fur if side < 0 else dark))
    for dx in (-5, 0, 5):
        canvas.drawLine(x + turn + dx, sill - 70, x + turn + dx * 0.8, sill - 62, stroke(dark, 2, 0.7))


def draw_clock_face(canvas):
    x, y, radius = CLOCK
    canvas.drawCircle(x + 3, y + 5, radius + 2, fill(PLUM, 0.28, 6))
    canvas.drawCircle(x, y, radius, fill(mix(WALNUT, BRASS, 0.2)))
    canvas.drawCircle(x, y, radius - 2.5, stroke(mix(BRASS, WARM_WHITE, 0.2), 2.5))
    canvas.drawCircle(x, y, radius - 7, fill((254, 248, 232)))
    for index in range(60):
        angle = 2 * math.pi * index / 60
        long = index % 5 == 0
        inner, outer = radius - (16 if long else 12.5), radius - 10
        sin, cos = math.sin(angle), math.cos(angle)
        canvas.drawLine(x + inner * sin, y - inner * cos, x + outer * sin, y - outer * cos, stroke((84, 60, 60), 2.6 if long else 0.9))


def draw_clock_hands(canvas, seconds):
    """Ten to four and the seconds of the film; a film of sixty seconds makes a loop without a jump of the seconds' hand."""
    x, y, radius = CLOCK
    tick = math.floor(seconds) + min(1.0, (seconds % 1) * 8) - 1  # the hand jumps, and rests
    minutes = 50.0
    for turn, length, width in ((3 / 12 + minutes / 720, 0.42, 5.0), (minutes / 60, 0.64, 3.6)):
        sin, cos = math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
        canvas.drawLine(x - 4 * sin, y + 4 * cos, x + radius * length * sin, y - radius * length * cos, stroke((72, 50, 54), width))
    sin, cos = math.sin(2 * math.pi * tick / 60), math.cos(2 * math.pi * tick / 60)
    canvas.drawLine(x - 9 * sin, y + 9 * cos, x + radius * 0.72 * sin, y - radius * 0.72 * cos, stroke((206, 70, 56), 2))
    canvas.drawCircle(x, y, 4, fill((206, 70, 56)))


def draw_foreground(canvas, rng):
    """A plant at the viewer's side; it stands in front of everybody's legs."""
    x, feet = 26.0, 760.0
    for index in range(13):
        angle = (index - 6) / 6 * 1.2 + rng.normal(0, 0.05)
        leaf(canvas, x + 8 * angle, feet - 62, angle, rng.uniform(135, 190) * (1 - 0.15 * abs(angle)), rng.uniform(15, 20), mix((78, 128, 84), (48, 92, 78), rng.random()))
    canvas.drawPath(polygon([(x - 60, feet - 80), (x + 60, feet - 80), (x + 48, feet), (x - 48, feet)]), gradient((x - 60, 0), (x + 60, 0), [(92, 128, 142), (54, 84, 104)]))
    canvas.drawPath(rounded(x - 66, feet - 90, x + 66, feet - 66, 7), gradient((x - 60, 0), (x + 60, 0), [(116, 152, 162), (62, 94, 112)]))


def surface():
    """An empty picture and the canvas that draws on it (RGBA, 8 bits)."""
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    return pixels, skia.Canvas(pixels, colorType=skia.kRGBA_8888_ColorType, alphaType=skia.kPremul_AlphaType)


class Room:
    """Three layers: what stands behind the lift's panels, the room with a hole there, and what stands before everybody."""

    def __init__(self, seed=7):
        self.back, self.front = self._back(seed), self._front(seed)

    def _back(self, seed):
        rng = np.random.default_rng(seed)
        pixels, canvas = surface()
        draw_floor(canvas, rng)
        draw_walls(canvas)
        draw_window(canvas, rng)
        draw_picture(canvas, 153, 250, 42, 58, vase)
        draw_picture(canvas, 905, 238, 44, 58, hills)
        draw_picture(canvas, 905, 338, 44, 58, sea)
        draw_door(canvas)
        draw_clock_face(canvas)
        draw_lamps(canvas)
        draw_bench(canvas)
        draw_stand(canvas)
        draw_rug(canvas)
        draw_sunlight(canvas)
        draw_rays(canvas)
        draw_plant(canvas, 420, 546, 66, rng)
        draw_plant(canvas, 862, 546, 66, rng, (226, 190, 130), (104, 152, 84))
        draw_plant(canvas, 1226, 606, 88, rng, (86, 124, 138), (84, 140, 96), 17)
        draw_plant(canvas, 110, 566, 74, rng, (214, 176, 116), (96, 150, 96))
        vignette = skia.GradientShader.MakeRadial(skia.Point(640, 330), 860, [colour(PLUM, 0), colour(PLUM, 0), colour(PLUM, 0.2)], [0, 0.55, 1])
        canvas.drawPaint(skia.Paint(Shader=vignette))
        return skia.Image.fromarray(pixels.copy(), colorType=skia.kRGBA_8888_ColorType)

    def _front(self, seed):
        pixels, canvas = surface()
        draw_foreground(canvas, np.random.default_rng(seed + 1))
        return skia.Image.fromarray(pixels.copy(), colorType=skia.kRGBA_8888_ColorType)

    def draw_back(self, canvas, seconds, lift=0.0, pointer=0.0, riders=lambda canvas: None):
        """Everything behind the people; `riders` draws those who are still inside the lift, behind its panels and frame."""
        canvas.drawImage(self.back, 0, 0)
        if lift > 0:
            canvas.save()
            canvas.clipRect(skia.Rect.MakeLTRB(*LIFT))
            draw_lift_inside(canvas)
            riders(canvas)
            canvas.restore()
        draw_lift_panels(canvas, lift)
        draw_lift_frame(canvas)
        draw_lift_pointer(canvas, pointer, lift > 0)
        draw_clock_hands(canvas, seconds)
        draw_cat(canvas, seconds)

    def draw_front(self, canvas):
        canvas.drawImage(self.front, 0, 0)


if __name__ == "__main__":
    import sys

    picture, view = surface()
    room = Room()
    room.draw_back(view, 12.0, lift=float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    room.draw_front(view)
    skia.Image.fromarray(picture, colorType=skia.kRGBA_8888_ColorType).save(sys.argv[1])
