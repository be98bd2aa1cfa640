"""Hair that lies behind head and neck when the face is seen, and all of it when the head is seen from behind."""

from __future__ import annotations

import math

import skia

from brush import Point, add_smooth, circles, fill, lerp, light, line, mix, shade, smooth
from hairkit import hatted, paint, style_of, volume
from hairlong import COVERING, length_of, strand_edge
from head import Head


def draw_hair_behind_head(canvas: skia.Canvas, head: Head) -> None:
    """Back hair, buns and tails; moves against the turn of the face."""
    match style_of(head.identity):
        case 'bob' | 'long' | 'wavy' | 'curtains':
            canvas.drawPath(_curtain(head), paint(head, shade(head.hair, 0.34)))
        case 'bun':
            _draw_bun(canvas, head, head.over(-0.22 * head.sin_yaw, 0.20))
        case 'ponytail':
            _draw_tail(canvas, head)
        case 'pigtails':
            for side in (-1, 1):
                _draw_pigtail(canvas, head, side)
        case 'afro' | 'curly':
            _draw_round_back(canvas, head)
        case _:
            return


def _curtain(head: Head) -> skia.Path:
    bottom = length_of(head)
    left, right = strand_edge(head, -1, False, bottom), strand_edge(head, 1, False, bottom)
    shift = -0.10 * head.sin_yaw
    ring = [
        (shift, -0.9),
        *((x * 0.98 + shift, y) for x, y in right),
        (shift + 0.62, bottom + 0.02),
        (shift, bottom + 0.05),
        (shift - 0.62, bottom + 0.02),
        *((x * 0.98 + shift, y) for x, y in left[::-1]),
    ]
    return smooth(ring, tension=0.9)


def _draw_bun(canvas: skia.Canvas, head: Head, at: Point) -> None:
    x, y = at
    size = 0.30 + 0.08 * head.identity.hair_volume
    canvas.drawCircle(x, y - size * 0.35, size, head.shaded(head.hair, (x, y - size * 0.35), size))
    for i in range(3):
        reach = size * (0.75 - 0.22 * i)
        ring = skia.Path()
        box = skia.Rect.MakeLTRB(x - reach, y - size * 0.35 - reach, x + reach, y - size * 0.35 + reach)
        ring.addArc(box, 200 + 30 * i, 190)
        colour = light(head.hair, 0.4) if i % 2 else shade(head.hair, 0.45)
        canvas.drawPath(ring, line(colour, 0.03, 0.4))
    canvas.drawCircle(x, y - size * 0.35, size * 0.97, line(shade(head.hair, 0.5), 0.05, 0.2, 0.02))


def _draw_tail(canvas: skia.Canvas, head: Head) -> None:
    """A tail from the back of the head: it hangs to the side that the face turns away from."""
    away = -1.0 if head.sin_yaw > 0 else 1.0
    if abs(head.sin_yaw) < 0.12:
        away = 1.0 if head.identity.hair_part >= 0 else -1.0
    turn = abs(head.sin_yaw)
    root_x = away * lerp(0.40, 0.88, min(1.0, turn * 1.6))
    root_y = lerp(-0.85, -0.62, min(1.0, turn * 1.6))
    long = lerp(0.85, 1.6, head.identity.hair_length)
    tail = smooth(
        [
            (root_x - away * 0.10, root_y + 0.06), (root_x + away * 0.18, root_y - 0.24),
            (root_x + away * 0.66, root_y - 0.02), (away * 1.42, root_y + long * 0.45), (away * 1.26, root_y + long),
            (away * 1.12, root_y + long * 1.02), (away * 1.04, root_y + long * 0.55),
            (root_x + away * 0.26, root_y + 0.26),
        ]
    )  # fmt: skip
    canvas.drawPath(tail, head.shaded(head.hair, (away * 1.1, root_y + 0.4), 0.8))
    for i in range(3):
        inset = 0.10 + 0.10 * i
        strand = [
            (root_x + away * 0.10, root_y), (root_x + away * (0.66 - inset), root_y + inset),
            (away * (1.42 - inset), root_y + long * 0.5), (away * 1.19, root_y + long * 0.95),
        ]  # fmt: skip
        canvas.drawPath(smooth(strand, False), line(light(head.hair, 0.4), 0.026, 0.28))
    knot = (root_x + away * 0.08, root_y - 0.02)
    canvas.drawCircle(*knot, 0.15, fill((0.80, 0.26, 0.30)))


def _draw_pigtail(canvas: skia.Canvas, head: Head, side: int) -> None:
    x, y = side * 1.0 - 0.12 * head.sin_yaw, -0.10
    long = lerp(0.55, 1.0, head.identity.hair_length)
    tail = smooth(
        [
            (x - side * 0.08, y - 0.08), (x + side * 0.28, y - 0.22), (x + side * 0.58, y + 0.16),
            (x + side * 0.50, y + long), (x + side * 0.34, y + long * 1.12), (x + side * 0.18, y + long * 0.7),
            (x, y + 0.20),
        ]
    )  # fmt: skip
    canvas.drawPath(tail, head.shaded(head.hair, (x + side * 0.3, y + 0.3), 0.6))
    for inset in (0.12, 0.26):
        strand = [
            (x + side * 0.06, y),
            (x + side * (0.52 - inset), y + 0.2),
            (x + side * (0.46 - inset * 0.6), y + long),
        ]
        canvas.drawPath(smooth(strand, False), line(light(head.hair, 0.4), 0.026, 0.28))
    canvas.drawCircle(x + side * 0.04, y - 0.02, 0.14, fill((0.86, 0.62, 0.24)))


def _draw_round_back(canvas: skia.Canvas, head: Head) -> None:
    afro = style_of(head.identity) == 'afro'
    height = 0.40 * head.identity.hair_volume + 0.06 if afro else volume(head, 0.16)
    low = 0.45 if afro else 0.30
    spots = []
    for i in range(9):
        angle = math.pi * i / 8
        x, y = math.cos(angle) * (0.95 + height * 0.85), low - 0.10 + math.sin(angle) * (0.25 if afro else 0.2)
        spots.append((x - 0.14 * head.sin_yaw, y, 0.17))
    canvas.drawPath(circles(spots), paint(head, shade(head.hair, 0.30)))
    body = skia.Path()
    add_smooth(
        body,
        [*head.skull(height * 0.9), (0.8, low + 0.1), (0.0, low + 0.15), (-0.8, low + 0.1)],
        closed=True,
        move=True,
    )
    canvas.drawPath(body, paint(head, shade(head.hair, 0.30)))


def _strands_down(canvas: skia.Canvas, head: Head, path: skia.Path, crown: Point, bottom: float) -> None:
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    for i in range(9):
        turn = -0.96 + 0.24 * i
        x = turn * 0.95
        tint = light(head.hair, 0.4) if i % 2 else shade(head.hair, 0.45)
        knee = head.over(turn * 0.8, -0.12)
        points = [
            crown,
            ((crown[0] + knee[0]) / 2, (crown[1] + knee[1]) / 2 - 0.03),
            (x * 0.92, -0.1),
            (x * 0.86, bottom),
        ]
        canvas.drawPath(smooth(points, False), line(tint, 0.030, 0.28))
    shift = 0.35 * head.light[0]
    band = head.skull(-0.20, -0.5 + shift, 0.3 + shift, 6)
    canvas.drawPath(smooth(band, False), line(light(head.hair, 0.6), 0.15, 0.26, 0.055))
    canvas.drawPath(path, line(shade(head.hair, 0.5), 0.09, 0.28, 0.035))
    canvas.restore()


def draw_hair_from_behind(canvas: skia.Canvas, head: Head) -> None:
    """The back of the head; no face is seen."""
    style = style_of(head.identity)
    if style == 'bald':
        return
    short = style in ('buzz', 'undercut', 'mohawk', 'receding')
    colour = mix(head.skin, head.hair, 0.8 if style == 'buzz' else 0.5) if short and style != 'receding' else head.hair
    height = {'afro': 0.40 * head.identity.hair_volume + 0.06, 'curly': volume(head, 0.22)}.get(
        style, volume(head, 0.12)
    )
    if short:
        height = 0.03
    bottom = length_of(head) if style in COVERING else 0.72
    top_turn = 0.72 if style == 'receding' else 1.0
    path = skia.Path()
    if style in COVERING:
        left, right = strand_edge(head, -1, False, bottom), strand_edge(head, 1, False, bottom)
        ring = [
            *head.skull(height)[1:-1],
            *right,
            (0.7, bottom + 0.02),
            (0.0, bottom + 0.05),
            (-0.7, bottom + 0.02),
            *left[::-1],
        ]
    elif top_turn < 1.0:
        low = [(0.90, 0.30), (0.52, 0.66), (0.0, 0.74), (-0.52, 0.66), (-0.90, 0.30)]
        ring = [
            head.over(0.72, 0.08),
            head.over(1.0, 0.08),
            *low,
            head.over(-1.0, 0.08),
            head.over(-0.72, 0.08),
            (0.0, -0.42),
        ]
    else:
        wide = 1 + height * 0.6 if style in ('afro', 'curly') else 0.99
        low = [(0.97 * wide, 0.30), (0.70, 0.66), (0.0, 0.76), (-0.70, 0.66), (-0.97 * wide, 0.30)]
        ring = [*head.skull(height), *low]
    add_smooth(path, ring, closed=True, move=True)
    canvas.drawPath(path, head.shaded(colour, (0.0, -0.2), 1.3, 1.2))
    if style in ('afro', 'curly'):
        spots = [
            (*head.over(-1.1 + 2.2 * i / 16, height - 0.07), 0.15)
            for i in range(17)
            if not hatted(head.identity) or i < 3 or i > 13
        ]
        reach = 0.95 + height * 0.8
        spots += [
            (math.cos(math.pi * i / 12) * reach, 0.12 + math.sin(math.pi * i / 12) * 0.60, 0.16) for i in range(13)
        ]
        canvas.drawPath(circles(spots), head.shaded(colour, (0.0, -0.2), 1.3, 1.2))
    elif not short:
        _strands_down(canvas, head, path, head.over(0.0, -0.15), bottom)
    _draw_extras_from_behind(canvas, head, style)


def _draw_extras_from_behind(canvas: skia.Canvas, head: Head, style: str) -> None:
    match style:
        case 'bun':
            _draw_bun(canvas, head, (0.0, -0.85))
        case 'ponytail':
            long = lerp(0.9, 1.7, head.identity.hair_length)
            tail = smooth(
                [
                    (-0.12, -0.45),
                    (0.12, -0.45),
                    (0.32, 0.1),
                    (0.26, long - 0.5),
                    (0.0, long - 0.2),
                    (-0.26, long - 0.5),
                    (-0.32, 0.1),
                ]
            )
            canvas.drawPath(tail, line(shade(head.hair, 0.6), 0.10, 0.45, 0.03))
            canvas.drawPath(tail, head.shaded(head.hair, (0, 0.2), 0.8))
            canvas.drawCircle(0.0, -0.5, 0.16, fill((0.80, 0.26, 0.30)))
        case 'pigtails':
            for side in (-1, 1):
                _draw_pigtail(canvas, head, side)
        case 'mohawk' | 'undercut':
            wide = 0.16 if style == 'mohawk' else 0.60
            rise = 0.44 * head.identity.hair_volume if style == 'mohawk' else volume(head, 0.2)
            low = 0.45 if style == 'mohawk' else -0.15
            top = [head.over(wide * (-1 + i / 3), rise * (0.4 + 0.6 * min(1, i, 6 - i))) for i in range(7)]
            strip = smooth([*top, (wide * 0.9, low - 0.15), (0.0, low), (-wide * 0.9, low - 0.15)])
            canvas.drawPath(strip, paint(head))
        case _:
            return
