"""Draws whole people: a body under a drawn head, its shadow, and what it carries."""

from __future__ import annotations

import math

import skia
from body import HEAD, HIP_WIDTH, NECK, Body, Person, Stance
from brush import Point, ellipse, fill
from clothes import draw_collar
from drawing import Face, draw_head
from garments import draw_arm, draw_leg, draw_torso
from head import Head
from props import draw_prop_before, draw_prop_behind
from skull import draw_neck


def draw_shadow(canvas: skia.Canvas) -> None:
    canvas.drawPath(ellipse(0.25, 0.02, 1.75, 0.36), fill((0.24, 0.11, 0.12), 0.22, 0.2))
    canvas.drawPath(ellipse(0.05, 0.02, 0.95, 0.2), fill((0.2, 0.09, 0.1), 0.3, 0.12))


def draw_person(canvas: skia.Canvas, person: Person, stance: Stance, x: float, feet: float, unit: float) -> Face:
    """Draws somebody whose body stands at (x, feet); `unit` is half the width of the face in pixels."""
    body = Body(person, stance)
    arms = {1: stance.left, -1: stance.right}
    order = sorted((-1, 1), key=lambda side: body.at(side, 0, 3)[2])
    behind = [side for side in order if body.at(side, 0, 3)[2] < -0.35]
    away = body.cos < -0.2

    canvas.save()
    canvas.translate(x, feet)
    canvas.scale(unit, unit)
    draw_shadow(canvas)
    for side in behind:
        hand = draw_arm(canvas, body, side, arms[side])
        draw_prop_behind(canvas, body, side, hand)
    legs = sorted((-1, 1), key=lambda side: body.at(side * HIP_WIDTH, body.leg(side)[0][2][1] * 0.5, 1)[2])
    for side in legs:
        draw_leg(canvas, body, side)
    canvas.restore()

    def trunk(view: skia.Canvas, head: Head, foot: Point, foot_in_head: Point) -> None:
        view.save()
        view.translate(-body.head[0], -body.head[1])
        draw_torso(view, body)
        view.restore()
        view.save()
        view.rotate(math.degrees(head.pose.roll))
        draw_neck(view, head, foot_in_head)
        view.restore()
        draw_collar(view, person.outfit.collar, head, foot, behind=away)

    hidden = person.faceless or away
    centre = (x + body.head[0] * unit, feet + body.head[1] * unit)
    if hidden:
        canvas.save()
        canvas.translate(*centre)
        canvas.scale(unit, unit)
        trunk(canvas, Head(person.identity, stance.pose), (0.0, HEAD - NECK), (0.0, HEAD - NECK))
        canvas.restore()
        face = draw_head(canvas, person.identity, stance.pose, *centre, unit, behind=True)
    else:
        face = draw_head(canvas, person.identity, stance.pose, *centre, unit, body=trunk)

    canvas.save()
    canvas.translate(x, feet)
    canvas.scale(unit, unit)
    hands = {}
    for side in order:
        if side not in behind:
            hands[side] = draw_arm(canvas, body, side, arms[side])
    draw_prop_before(canvas, body, hands)
    canvas.restore()
    return face


def body_box(person: Person, stance: Stance, x: float, feet: float, unit: float) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 around the body from the crown to the soles, hair and things carried not included."""
    body = Body(person, stance)
    xs = [body.head[0] - 1.05, body.head[0] + 1.05, -body.wide(1.2, 0.8), body.wide(1.2, 0.8)]
    ys = [body.head[1] - 1.3, 0.06]
    for side, angles in ((1, stance.left), (-1, stance.right)):
        spots = [body.point(*joint) for joint in (*body.arm(side, angles), *body.leg(side)[0])]
        xs += [spot[0] + grow for spot in spots for grow in (-0.3, 0.3)]
        ys += [spot[1] - 0.3 for spot in spots]
    return x + min(xs) * unit, feet + min(ys) * unit, x + max(xs) * unit, feet + max(ys) * unit
