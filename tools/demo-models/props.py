"""What people carry: a newspaper, a watering can, bags, a balloon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import skia
from brush import Colour, Point, ellipse, fill, light, line, linear, shade, smooth
from characters import Pose
from head import Head

if TYPE_CHECKING:
    from body import Body

STEEL: Colour = (0.36, 0.55, 0.60)


def draw_prop_behind(canvas: skia.Canvas, body: Body, side: int, hand: Point) -> None:
    """What hangs on an arm at the far side of the body."""
    prop = body.person.outfit.prop
    if prop == 'briefcase' and side == -1:
        draw_briefcase(canvas, body, hand)
    if prop == 'balloon' and side == 1:
        draw_balloon(canvas, body, hand)
    if prop == 'can' and side == 1:
        draw_can(canvas, body, hand)


def draw_prop_before(canvas: skia.Canvas, body: Body, hands: dict[int, Point]) -> None:
    """What is carried before the body, or on an arm at its near side; `hands` are those drawn before the body."""
    prop = body.person.outfit.prop
    if prop == 'briefcase' and -1 in hands:
        draw_briefcase(canvas, body, hands[-1])
    if prop == 'balloon' and 1 in hands:
        draw_balloon(canvas, body, hands[1])
    if prop == 'can' and 1 in hands:
        draw_can(canvas, body, hands[1])
    if prop == 'newspaper':
        draw_newspaper(canvas, body)
    if prop == 'bag':
        draw_bag(canvas, body)


def draw_briefcase(canvas: skia.Canvas, body: Body, hand: Point) -> None:
    colour = body.person.outfit.prop_colour
    x, y = hand[0], hand[1] + 0.2
    half = 0.35 + 0.55 * abs(body.sin)
    canvas.drawPath(smooth([(x - 0.2, y + 0.16), (x - 0.2, y), (x + 0.2, y), (x + 0.2, y + 0.16)], False), line(shade(colour, 0.4), 0.1))
    case = skia.Path()
    case.addRoundRect(skia.Rect.MakeLTRB(x - half, y + 0.14, x + half, y + 1.06), 0.12, 0.12)
    canvas.drawPath(case, linear((x - half, y), (x + half, y + 1), (light(colour, 0.15), shade(colour, 0.15))))
    canvas.drawLine(x - half, y + 0.45, x + half, y + 0.45, line(shade(colour, 0.45), 0.05))
    canvas.drawPath(ellipse(x, y + 0.47, 0.09, 0.09), fill((0.86, 0.70, 0.36)))


def draw_balloon(canvas: skia.Canvas, body: Body, hand: Point) -> None:
    colour = body.person.outfit.prop_colour
    seconds = body.stance.seconds
    drift = 0.22 * math.sin(seconds * 1.9) - 0.35 * body.sin * body.stance.stride
    x, y = hand[0] + drift, hand[1] - 5.6 + 0.1 * math.sin(seconds * 2.7)
    string = skia.Path()
    string.moveTo(*hand)
    string.cubicTo(hand[0] + 0.25, hand[1] - 1.8, x - 0.25, y + 3.0, x, y + 1.35)
    canvas.drawPath(string, line((0.95, 0.92, 0.86), 0.05, 0.9))
    shape = smooth([(x, y - 1.25), (x + 0.78, y - 0.85), (x + 0.98, y - 0.05), (x + 0.55, y + 0.85), (x, y + 1.22), (x - 0.55, y + 0.85), (x - 0.98, y - 0.05), (x - 0.78, y - 0.85)])
    canvas.drawPath(shape, linear((x - 0.7, y - 1), (x + 0.6, y + 1), (light(colour, 0.3), colour, shade(colour, 0.25))))
    canvas.drawPath(smooth([(x - 0.12, y + 1.18), (x + 0.12, y + 1.18), (x + 0.17, y + 1.4), (x - 0.17, y + 1.4)], tension=0.2), fill(shade(colour, 0.2)))
    canvas.save()
    canvas.translate(x - 0.42, y - 0.55)
    canvas.rotate(35)
    canvas.drawPath(ellipse(0, 0, 0.13, 0.3), fill((1, 1, 1), 0.55))
    canvas.restore()


def draw_can(canvas: skia.Canvas, body: Body, hand: Point) -> None:
    """Watering can; it pours when the forearm is raised."""
    angles = body.stance.left
    pour = min(1.0, max(0.0, (angles.fore_ahead - 0.8) / 0.4))
    turn = 1 if body.sin >= 0 else -1
    x, y = hand
    canvas.save()
    canvas.translate(x, y + 0.1)
    canvas.scale(turn, 1)
    canvas.rotate(34 * pour)
    tank = smooth([(-0.45, 0.1), (0.45, 0.1), (0.52, 0.95), (-0.52, 0.95)], tension=0.15)
    spout = smooth([(0.42, 0.78), (1.15, 0.12), (1.25, 0.2), (0.5, 0.95)], tension=0.2)
    canvas.drawPath(spout, fill(shade(STEEL, 0.12)))
    canvas.drawPath(ellipse(1.22, 0.13, 0.13, 0.2), fill(light(STEEL, 0.2)))
    canvas.drawPath(smooth([(-0.35, 0.12), (-0.3, -0.25), (0.3, -0.25), (0.35, 0.12)], False), line(shade(STEEL, 0.2), 0.1))
    canvas.drawPath(tank, linear((-0.5, 0), (0.5, 1), (light(STEEL, 0.3), STEEL, shade(STEEL, 0.25))))
    canvas.drawLine(-0.48, 0.3, 0.48, 0.3, line(light(STEEL, 0.4), 0.05, 0.7))
    canvas.restore()
    if pour > 0.7:
        angle = math.radians(34 * pour)
        mouth = (x + turn * (1.22 * math.cos(angle) - 0.13 * math.sin(angle)), y + 0.1 + 1.22 * math.sin(angle) + 0.13 * math.cos(angle))
        for i in range(9):
            share = (i / 9 + body.stance.seconds * 2.2) % 1.0
            drop = (mouth[0] + turn * (0.06 + 0.5 * share + 0.05 * (i % 3)), mouth[1] + 0.1 * share + 1.5 * share * share)
            canvas.drawLine(*drop, drop[0] + turn * 0.03, drop[1] + 0.12, line((0.55, 0.78, 0.88), 0.05, 0.85 * (1 - share * 0.5)))


def draw_bag(canvas: skia.Canvas, body: Body) -> None:
    """A bag on the right hip, its strap over the left shoulder."""
    colour = body.person.outfit.prop_colour
    hip = body.at(-1.02, 0.1, 2.75 + body.bob)
    strap = [body.point(0.55, 0.4, 5.05 + body.bob), body.point(-0.2, 0.85, 3.9 + body.bob), (hip[0], hip[1])]
    if body.cos > -0.2:
        canvas.drawPath(smooth(strap, False), line(shade(colour, 0.3), 0.13))
    if hip[2] < -0.45:
        return
    x, y = hip[0], hip[1] + 0.35
    half = 0.36 + 0.3 * abs(body.sin)
    bag = smooth([(x - half * 0.9, y - 0.45), (x + half * 0.9, y - 0.45), (x + half, y + 0.4), (x, y + 0.5), (x - half, y + 0.4)], tension=0.35)
    canvas.drawPath(bag, linear((x - half, y), (x + half, y + 0.4), (light(colour, 0.15), shade(colour, 0.18))))
    flap = smooth([(x - half * 0.95, y - 0.47), (x + half * 0.95, y - 0.47), (x + half * 0.8, y - 0.02), (x, y + 0.1), (x - half * 0.8, y - 0.02)], tension=0.35)
    canvas.drawPath(flap, fill(shade(colour, 0.18)))
    canvas.drawPath(ellipse(x, y + 0.02, 0.07, 0.07), fill((0.86, 0.70, 0.36)))


def draw_newspaper(canvas: skia.Canvas, body: Body) -> None:
    """An open newspaper before the face, with fingers at both edges: nothing of the face is seen."""
    head = body.head
    x, y = head[0] + 0.80 * body.sin, head[1] + 0.42
    half, tall = 1.62, 1.30
    paper = (0.95, 0.925, 0.86)
    flutter = 0.04 * math.sin(body.stance.seconds * 5.3)
    canvas.drawPath(ellipse(x + 0.1, y + 0.25, half * 0.95, tall), fill((0.2, 0.08, 0.12), 0.16, 0.12))
    for side in (-1, 1):
        shape = skia.Path()
        shape.moveTo(x, y - tall)
        shape.cubicTo(x + side * half * 0.4, y - tall - 0.10, x + side * half * 0.8, y - tall + 0.02 + flutter, x + side * half, y - tall - 0.06)
        shape.lineTo(x + side * (half + flutter * side), y + tall - 0.04)
        shape.cubicTo(x + side * half * 0.7, y + tall + 0.10, x + side * half * 0.3, y + tall + 0.02, x, y + tall + 0.10)
        shape.close()
        dark = shade(paper, 0.12 if side > 0 else 0.02)
        canvas.drawPath(shape, linear((x, y), (x + side * half, y), (shade(dark, 0.16), dark, light(dark, 0.25))))
        canvas.save()
        canvas.clipPath(shape, doAntiAlias=True)
        ink = (0.33, 0.27, 0.30)
        low, high = sorted((x + side * 0.16, x + side * (half - 0.16)))
        canvas.drawLine(low, y - tall + 0.22, high, y - tall + 0.22, line(ink, 0.15, 0.8))
        if side < 0:
            canvas.drawRect(skia.Rect.MakeLTRB(low, y - tall + 0.46, high - 0.1, y - 0.30), fill((0.60, 0.66, 0.66)))
            canvas.drawPath(smooth([(low, y - 0.3), (low + 0.4, y - 0.75), (low + 0.75, y - 0.5), (high - 0.1, y - 0.3)], tension=0.2), fill((0.44, 0.50, 0.50)))
            rows = [y - 0.12 + 0.15 * i for i in range(9)]
        else:
            rows = [y - tall + 0.50 + 0.15 * i for i in range(14)]
        middle = (low + high) / 2
        for i, row in enumerate(rows):
            canvas.drawLine(low, row, middle - 0.08, row, line(ink, 0.045, 0.42))
            canvas.drawLine(middle + 0.08, row, high - 0.2 * ((i * 7) % 3 == 0), row, line(ink, 0.045, 0.42))
        canvas.restore()
    canvas.drawLine(x, y - tall, x, y + tall + 0.08, line(shade(paper, 0.45), 0.04, 0.6))
    skin = Head(body.person.identity, Pose()).skin
    for side in (-1, 1):
        for i in range(4):
            px, py = x + side * (half - 0.05), y + 0.30 + 0.15 * i
            canvas.drawLine(px + side * 0.05, py, px - side * 0.20, py - 0.02, line(shade(skin, 0.03 * i), 0.15))
