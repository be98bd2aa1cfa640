"""What all hair styles share: the shape of a cap of hair, its paint, shadow, gloss and strands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import skia

from brush import Point, add_smooth, fill, lerp, light, line, luminance, shade, smooth
from characters import Identity
from head import Head

COVERING_HATS = ('cap', 'beanie', 'brim')
UNDER_HAT = {
    'quiff': 'undercut',
    'spiky': 'parted',
    'mohawk': 'buzz',
    'bun': 'swept',
    'ponytail': 'ponytail',
    'pixie': 'parted',
    'curly': 'curly',
    'afro': 'curly',
}


def style_of(identity: Identity) -> str:
    """The style as it shows: what does not fit under a hat is combed flat."""
    return UNDER_HAT.get(identity.hair, identity.hair) if hatted(identity) else identity.hair


def hatted(identity: Identity) -> bool:
    """Whether a hat covers the crown."""
    return identity.hat in COVERING_HATS


def volume(head: Head, height: float) -> float:
    """How far hair stands off the skull; little under a hat."""
    return 0.04 if hatted(head.identity) else height * head.identity.hair_volume


def outline(head: Head, heights: Sequence[float]) -> list[Point]:
    """Outer edge of the hair from left over the crown to right, with its height above the skull at even steps."""
    last = len(heights) - 1
    return [head.over(-1 + 2 * i / last, height) for i, height in enumerate(heights)]


def side_base(head: Head, side: int, grow: float, drop: float = 0.10) -> list[Point]:
    """From the outer edge to the sideburn of one side; behind the ear the hair reaches the nape when seen."""
    trail = head.trailing(side)
    y = lerp(0.02, 0.56, trail)
    x = side * head.width * (1.0 - 0.05 * trail) + (-0.08 if trail else -0.01) * head.sin_yaw
    ear = head.rotate(side * head.width * 0.97, y, -0.08)[0]
    burn = head.edge(side * 0.985 * head.width, drop)
    points = [(x + side * grow, y), (lerp(x, ear, 0.6), y + 0.06)] if trail > 0.1 else [(x + side * grow * 0.7, y)]
    return [*points, burn, head.edge(side * 0.90 * head.width, drop - 0.06)]


def cap(head: Head, heights: Sequence[float], hairline: Sequence[Point], drop: float = 0.10) -> skia.Path:
    """Closed shape of the hair on the skull.

    `hairline` goes from right to left in face coordinates, without the sideburns.
    """
    path = skia.Path()
    left, right = side_base(head, -1, heights[0], drop), side_base(head, 1, heights[-1], drop)
    add_smooth(path, [left[0], *outline(head, heights), right[0]], move=True)
    add_smooth(path, right)
    add_smooth(path, [right[-1], *(head.edge(u, v) for u, v in hairline), left[-1]])
    add_smooth(path, left[::-1])
    path.close()
    return path


def natural_line(head: Head, lower: float = 0.0, temples: float = 0.0) -> list[Point]:
    """Hairline from right to left; `temples` pulls it back there."""
    v = -head.identity.hairline + lower
    back = temples * 0.12
    half = [(0.84, -0.32), (0.74 - back * 0.3, v + 0.16 - back), (0.48, v + 0.03 - back), (0.20, v)]
    width = head.width
    right = [(u * width, y) for u, y in half]
    return [*right, (0.0, v - 0.01), *((-u, y) for u, y in right[::-1])]


def paint(head: Head, colour: tuple[float, float, float] | None = None, reach: float = 1.25) -> skia.Paint:
    """Paint of the hair, lit like the head."""
    base = head.hair if colour is None else colour
    return head.shaded(base, (0.0, -0.35), reach, 1.25)


def soft_shadow(canvas: skia.Canvas, head: Head, path: skia.Path, drop: float = 0.075) -> None:
    """Shadow of the hair on the face."""
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    canvas.translate(-0.04 * head.light[0], drop)
    canvas.drawPath(path, fill(shade(head.skin, 0.62), 0.30, 0.045))
    canvas.restore()


def dress(
    canvas: skia.Canvas,
    head: Head,
    path: skia.Path,
    roots: Sequence[Point],
    ends: Sequence[Point],
    bend: float = 0.12,
    gloss: float = 1.0,
) -> None:
    """Fills the path with hair: paint, strands from roots to ends (bent outwards), gloss along the crown."""
    canvas.drawPath(path, paint(head))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    bright = luminance(head.hair)
    rng = np.random.default_rng(head.identity.hair_texture)
    for i, (root, end) in enumerate(zip(roots, ends, strict=True)):
        middle = (lerp(root[0], end[0], 0.5) + bend * (end[0] - root[0]), lerp(root[1], end[1], 0.5) - abs(bend) * 0.8)
        dark = i % 2 == 0
        colour = (
            shade(head.hair, 0.42 if bright > 0.2 else 0.2)
            if dark
            else light(head.hair, 0.42 if bright > 0.2 else 0.26)
        )
        alpha = (0.30 if dark else 0.22) * (0.7 + 0.6 * float(rng.random()))
        canvas.drawPath(smooth([root, middle, end], False), line(colour, 0.022 + 0.02 * float(rng.random()), alpha))
    if gloss > 0:
        shift = 0.35 * head.light[0]
        band = head.skull(-0.20, -0.48 + shift, 0.30 + shift, 6)
        canvas.drawPath(smooth(band, False), line(light(head.hair, 0.62), 0.15, 0.26 * gloss, 0.055))
    canvas.drawPath(path, line(shade(head.hair, 0.5), 0.07, 0.25, 0.03))
    canvas.restore()


def fan(root: Point, heights_at: Sequence[Point]) -> tuple[list[Point], list[Point]]:
    """Strands from one root to all the points."""
    return [root] * len(heights_at), list(heights_at)
