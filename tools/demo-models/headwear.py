"""Hats and hair bands."""

from __future__ import annotations

import skia

from brush import Colour, Point, add_smooth, fill, light, line, shade, smooth
from head import Head
from palette import CLOTH

EDGE = -0.60


def draw_hat(canvas: skia.Canvas, head: Head, behind: bool = False) -> None:
    """The hat of the identity, over the hair."""
    colour = CLOTH[head.identity.hat_colour]
    match head.identity.hat:
        case 'cap':
            _draw_cap(canvas, head, colour, behind)
        case 'beanie':
            _draw_beanie(canvas, head, colour)
        case 'brim':
            _draw_brim(canvas, head, colour)
        case 'band':
            _draw_band(canvas, head, colour)
        case _:
            return


def _edge(head: Head, v: float, turn: float, lift: float = 0.06) -> list[Point]:
    """Lower edge of a hat from right to left, around the forehead."""
    reach = 0.72 * head.width
    middle = head.along([(reach, v + 0.03), (reach / 2, v), (0.0, v - 0.01), (-reach / 2, v), (-reach, v + 0.03)], lift)
    return [head.over(turn, 0.075), *middle, head.over(-turn, 0.075)]


def _dome(head: Head, v: float, turn: float, heights: tuple[float, ...]) -> skia.Path:
    path = skia.Path()
    last = len(heights) - 1
    top = [head.over(-turn + 2 * turn * i / last, height) for i, height in enumerate(heights)]
    add_smooth(path, top, move=True)
    add_smooth(path, _edge(head, v, turn))
    path.close()
    return path


def _shadow(canvas: skia.Canvas, head: Head, path: skia.Path, drop: float = 0.09) -> None:
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    canvas.translate(-0.04 * head.light[0], drop)
    canvas.drawPath(path, fill(shade(head.skin, 0.65), 0.34, 0.05))
    canvas.restore()


def _fill_form(canvas: skia.Canvas, head: Head, path: skia.Path, colour: Colour, centre: Point, reach: float) -> None:
    canvas.drawPath(path, head.shaded(colour, centre, reach, 1.2))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    canvas.drawPath(path, line(shade(colour, 0.45), 0.10, 0.26, 0.045))
    canvas.restore()


def _draw_cap(canvas: skia.Canvas, head: Head, colour: Colour, behind: bool) -> None:
    dome = _dome(head, EDGE, 0.70, (0.075, 0.14, 0.17, 0.17, 0.17, 0.14, 0.075))
    if not behind:
        _shadow(canvas, head, dome)
    _fill_form(canvas, head, dome, colour, (0.0, -0.9), 0.8)
    top = head.over(-0.10 * head.sin_yaw, 0.17)
    for u in (-0.42, 0.0, 0.42):
        seam = [top, head.at(u * 0.8, -0.95, 0.10), head.at(u, EDGE, 0.06)]
        canvas.drawPath(smooth(seam, False), line(shade(colour, 0.4), 0.018, 0.4))
    canvas.drawCircle(*top, 0.055, fill(shade(colour, 0.18)))
    if behind:
        canvas.drawPath(smooth([(-0.24, -0.56), (0.0, -0.78), (0.24, -0.56)], False), line(shade(colour, 0.5), 0.06))
        return
    visor = smooth(
        [
            head.at(0.70, EDGE + 0.03, 0.06), head.at(0.66, EDGE + 0.12, 0.34), head.at(0.36, EDGE + 0.19, 0.52),
            head.at(0.0, EDGE + 0.21, 0.56), head.at(-0.36, EDGE + 0.19, 0.52), head.at(-0.66, EDGE + 0.12, 0.34),
            head.at(-0.70, EDGE + 0.03, 0.06), head.at(-0.35, EDGE - 0.05, 0.08), head.at(0.0, EDGE - 0.08, 0.08),
            head.at(0.35, EDGE - 0.05, 0.08),
        ]
    )  # fmt: skip
    _shadow(canvas, head, visor, 0.11)
    _fill_form(canvas, head, visor, shade(colour, 0.08), (0.0, EDGE), 0.4)


def _draw_beanie(canvas: skia.Canvas, head: Head, colour: Colour) -> None:
    if head.identity.hair_texture % 2:
        x, y = head.over(-0.06 * head.sin_yaw, 0.30)
        canvas.drawCircle(x, y, 0.20, head.shaded(light(colour, 0.55), (x, y), 0.2))
        canvas.drawCircle(x, y, 0.19, line(shade(colour, 0.3), 0.05, 0.2, 0.02))
    dome = _dome(head, EDGE - 0.12, 0.68, (0.08, 0.13, 0.17, 0.19, 0.17, 0.13, 0.08))
    _fill_form(canvas, head, dome, colour, (0.0, -0.9), 0.8)
    cuff = skia.Path()
    add_smooth(
        cuff,
        [
            head.over(-0.72, 0.13),
            head.over(-0.60, 0.15),
            *_edge(head, EDGE - 0.24, 0.60, 0.10)[1:-1][::-1],
            head.over(0.60, 0.15),
            head.over(0.72, 0.13),
        ],
        move=True,
    )
    add_smooth(cuff, _edge(head, EDGE, 0.72, 0.08))
    cuff.close()
    _shadow(canvas, head, cuff)
    _fill_form(canvas, head, cuff, light(colour, 0.16), (0.0, -0.7), 0.6)
    for i in range(13):
        u = (-0.84 + 0.14 * i) * head.width
        rib = [head.at(u, EDGE - 0.22, 0.08), head.at(u, EDGE - 0.03, 0.08)]
        canvas.drawLine(*rib[0], *rib[1], line(shade(colour, 0.4), 0.022, 0.35))


def _draw_brim(canvas: skia.Canvas, head: Head, colour: Colour) -> None:
    """A hat with a brim all around, seen from a little below."""
    x, y = head.at(0.0, EDGE - 0.08, -0.5)
    tip = 0.14 + 0.30 * head.sin_pitch
    brim = skia.Path()
    brim.addOval(skia.Rect.MakeLTRB(x - 1.55, y - 0.16 - abs(tip) * 0.5, x + 1.55, y + 0.16 + abs(tip) * 0.5))
    dome = _dome(head, EDGE - 0.12, 0.64, (0.12, 0.24, 0.30, 0.24, 0.30, 0.24, 0.12))
    _shadow(canvas, head, brim, 0.13)
    _fill_form(canvas, head, brim, shade(colour, 0.10), (x, y), 0.8)
    _fill_form(canvas, head, dome, colour, (0.0, -1.0), 0.8)
    canvas.save()
    canvas.clipPath(dome, doAntiAlias=True)
    ribbon = [(px, py - 0.07) for px, py in _edge(head, EDGE - 0.12, 0.64)]
    canvas.drawPath(smooth(ribbon, False), line(shade(colour, 0.55), 0.17))
    canvas.restore()


def _draw_band(canvas: skia.Canvas, head: Head, colour: Colour) -> None:
    hair = 0.05 if head.identity.hair in ('bald', 'buzz') else 0.10
    v = -head.identity.hairline
    ring = [
        head.over(0.70, hair - 0.05),
        *head.along([(0.62, v - 0.02), (0.32, v - 0.10), (0.0, v - 0.12), (-0.32, v - 0.10), (-0.62, v - 0.02)], 0.06),
        head.over(-0.70, hair - 0.05),
    ]
    canvas.drawPath(smooth([(x, y + 0.03) for x, y in ring], False), line(shade(head.hair, 0.5), 0.15, 0.35, 0.02))
    canvas.drawPath(smooth(ring, False), line(colour, 0.15))
    canvas.drawPath(smooth([(x, y - 0.02) for x, y in ring], False), line(light(colour, 0.5), 0.035, 0.4))
