"""Hair on the head, in front of the face and from behind: short styles here, the others in hairlong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import skia

from brush import Point, add_smooth, circles, fill, lerp, light, line, mix, ribbon, shade, smooth
from characters import Identity
from hairkit import cap, dress, fan, hatted, natural_line, outline, paint, side_base, soft_shadow, style_of, volume
from hairlong import COVERING, draw_bob, draw_braids, draw_curtains, draw_long, draw_swept
from head import Head

Drawer = Callable[[skia.Canvas, Head], None]


def ears_covered(identity: Identity) -> bool:
    """Whether the hair hides the ears."""
    return identity.hair in COVERING or (identity.hair == 'afro' and not hatted(identity))


def draw_hair(canvas: skia.Canvas, head: Head) -> None:
    """The hair before and on the head."""
    STYLES[style_of(head.identity)](canvas, head)


def _side(head: Head) -> int:
    return 1 if head.identity.hair_part >= 0 else -1


def _draw_none(canvas: skia.Canvas, head: Head) -> None:
    """A bald head shines."""
    shine = head.at(head.light[0] * 0.4 - 0.1, -0.86)
    canvas.save()
    canvas.clipPath(head.contour, doAntiAlias=True)
    canvas.translate(*shine)
    canvas.rotate(-12)
    canvas.drawOval(skia.Rect.MakeLTRB(-0.30, -0.08, 0.30, 0.08), fill(light(head.skin, 0.7), 0.42, 0.05))
    canvas.restore()


def _draw_stubble_cap(canvas: skia.Canvas, head: Head, strength: float, temples: float = 0.6) -> None:
    colour = mix(head.skin, head.hair, strength)
    path = cap(head, [0.0, 0.025, 0.03, 0.03, 0.03, 0.025, 0.0], natural_line(head, 0.0, temples), 0.14)
    canvas.drawPath(path, fill(colour, 0.5, 0.03))
    canvas.drawPath(path, head.shaded(colour, (0.0, -0.35), 1.2))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    band = head.skull(-0.20, -0.48 + 0.35 * head.light[0], 0.30 + 0.35 * head.light[0], 6)
    canvas.drawPath(smooth(band, False), line(light(colour, 0.5), 0.15, 0.22, 0.06))
    canvas.restore()


def _draw_buzz(canvas: skia.Canvas, head: Head) -> None:
    _draw_stubble_cap(canvas, head, 0.82)


def _draw_receding(canvas: skia.Canvas, head: Head) -> None:
    v = -head.identity.hairline
    heights = [volume(head, h) for h in (0.10, 0.11, 0.05, 0.02, 0.05, 0.11, 0.10)]
    deep = min(-0.86, v - 0.16)
    right = [(0.88, -0.30), (0.80, v + 0.10), (0.60, deep + 0.10), (0.40, deep - 0.04), (0.16, deep + 0.14)]
    hairline = [*right, (0.0, deep + 0.17), *((-u, y) for u, y in right[::-1])]
    path = cap(head, heights, hairline, 0.16)
    soft_shadow(canvas, head, path, 0.04)
    ends = head.along([(0.9, -0.1), (0.8, -0.4), (0.4, deep), (-0.4, deep), (-0.8, -0.4), (-0.9, -0.1)])
    dress(canvas, head, path, *fan(head.over(0.0, 0.0), ends), gloss=0.5)


def _draw_parted(canvas: skia.Canvas, head: Head) -> None:
    side = _side(head)
    v = -head.identity.hairline
    part = side * 0.36
    heights = [volume(head, h) for h in (0.05, 0.09, 0.13, 0.15, 0.16, 0.12, 0.06)]
    sweep = [
        (0.86, -0.30), (0.72, v + 0.10), (0.52, v + 0.00), (0.38, v - 0.05),
        (0.10, v + 0.03), (-0.30, v + 0.14), (-0.62, v + 0.26), (-0.84, -0.24),
    ]  # fmt: skip
    hairline = sweep if side > 0 else [(-u, y) for u, y in sweep[::-1]]
    if side < 0:
        heights = heights[::-1]
    path = cap(head, heights, hairline)
    soft_shadow(canvas, head, path)
    root = head.at(part, v - 0.06)
    far = outline(head, [0.02] * 11)
    ends = far[1:8] if side > 0 else far[3:10]
    front = head.along([(-side * 0.1, v + 0.04), (-side * 0.45, v + 0.18), (-side * 0.75, -0.30), (side * 0.85, -0.2)])
    dress(canvas, head, path, *fan(root, [*ends, *front]), bend=0.10)
    crown = head.over(part * 0.9, -0.12)
    canvas.drawPath(ribbon([root, crown], [0.018, 0.004]), fill(shade(head.hair, 0.5), 0.5))


def _draw_quiff(canvas: skia.Canvas, head: Head) -> None:
    side = _side(head)
    v = -head.identity.hairline
    tall = head.identity.hair_volume
    heights = [0.03, 0.06, 0.16 * tall, 0.34 * tall, 0.42 * tall, 0.26 * tall, 0.05]
    if side < 0:
        heights = heights[::-1]
    path = cap(head, heights, natural_line(head, -0.01, 0.8))
    soft_shadow(canvas, head, path, 0.05)
    us = (-0.60, -0.42, -0.22, -0.02, 0.18, 0.38, 0.56)
    roots = [head.at(u, v - 0.02) for u in us]
    ends = [head.over(u * 0.75 + side * 0.22, 0.26 * tall) for u in us]
    dress(canvas, head, path, roots, ends, bend=-0.35 * side)
    roll = [head.at(-side * 0.55, v - 0.04), head.at(-side * 0.2, v - 0.20), head.over(side * 0.30, 0.12 * tall)]
    canvas.drawPath(smooth(roll, False), line(light(head.hair, 0.5), 0.09, 0.22, 0.03))


def _draw_undercut(canvas: skia.Canvas, head: Head) -> None:
    _draw_stubble_cap(canvas, head, 0.55, 0.2)
    side = _side(head)
    v = -head.identity.hairline
    top = [volume(head, h) for h in (0.02, 0.14, 0.22, 0.26, 0.20, 0.02)]
    turns = (-0.52, -0.36, -0.12, 0.14, 0.38, 0.56)
    if side < 0:
        top = top[::-1]
        turns = tuple(-t for t in turns[::-1])
    path = skia.Path()
    add_smooth(path, [head.over(turn, height) for turn, height in zip(turns, top, strict=True)], move=True)
    front = [(0.74, v + 0.02), (0.45, v - 0.02), (0.10, v + 0.02), (-0.30, v + 0.13), (-0.66, v + 0.12)]
    if side < 0:
        front = [(-u, y) for u, y in front[::-1]]
    add_smooth(path, head.along(front))
    path.close()
    soft_shadow(canvas, head, path, 0.06)
    root = head.over(side * 0.50, 0.0)
    ends = head.along([(-side * u, y) for u, y in ((0.0, v), (0.3, v + 0.1), (0.6, v + 0.1))])
    dress(canvas, head, path, *fan(root, [*ends, *(head.over(-side * t, 0.1) for t in (0.1, 0.3, 0.5))]), bend=0.05)


def _draw_fringe(canvas: skia.Canvas, head: Head) -> None:
    draw_fringe_cap(canvas, head, [0.07, 0.12, 0.14, 0.15, 0.14, 0.12, 0.07], 0.16)


def draw_fringe_cap(canvas: skia.Canvas, head: Head, heights: list[float], drop: float) -> None:
    """Cap with a fringe over the forehead whose ends are a little uneven."""
    identity = head.identity
    v = identity.eye_y - identity.brow_raise - 0.04 + 0.10 * (identity.hair_length - 0.4)
    rng = np.random.default_rng(identity.hair_texture)
    us = np.linspace(0.80, -0.80, 12)
    hairline = [(float(u) * head.width, v + 0.10 * abs(float(u)) ** 2 + float(rng.uniform(-0.028, 0.028))) for u in us]
    path = cap(head, [volume(head, h) for h in heights], hairline, drop)
    soft_shadow(canvas, head, path)
    crown = head.over(0.12 * identity.hair_part, -0.10)
    ends = head.along([(u, y + 0.02) for u, y in hairline])
    dress(canvas, head, path, *fan(crown, [*ends, head.over(-0.9, 0.02), head.over(0.9, 0.02)]), bend=0.16)


def _draw_pixie(canvas: skia.Canvas, head: Head) -> None:
    side = _side(head)
    identity = head.identity
    v = -identity.hairline
    low = identity.eye_y - identity.brow_raise + 0.02
    heights = [volume(head, h) for h in (0.06, 0.12, 0.16, 0.19, 0.19, 0.14, 0.07)]
    if side < 0:
        heights = heights[::-1]
    sweep = [
        (0.86, -0.20), (0.70, v + 0.16), (0.50, v + 0.04), (0.30, v + 0.14), (0.16, v + 0.14), (-0.06, v + 0.26),
        (-0.16, v + 0.24), (-0.40, low - 0.06), (-0.48, low - 0.08), (-0.72, low + 0.06), (-0.84, -0.05),
    ]  # fmt: skip
    hairline = sweep if side > 0 else [(-u, y) for u, y in sweep[::-1]]
    path = cap(head, heights, hairline, 0.20)
    soft_shadow(canvas, head, path)
    root = head.over(side * 0.34, -0.02)
    ends = head.along([(u if side > 0 else -u, y) for u, y in sweep[1:]])
    dress(canvas, head, path, *fan(root, ends), bend=0.14)


def _draw_spiky(canvas: skia.Canvas, head: Head) -> None:
    identity = head.identity
    rng = np.random.default_rng(identity.hair_texture)
    tall = 0.24 * identity.hair_volume
    path = skia.Path()
    left, right = side_base(head, -1, 0.03), side_base(head, 1, 0.03)
    path.moveTo(*left[0])
    count = 13
    for i in range(count):
        turn = -0.92 + 1.84 * i / (count - 1)
        height = tall * (1.15 - 0.6 * abs(turn)) * float(rng.uniform(0.8, 1.2))
        path.lineTo(*head.over(turn - 0.05, 0.03))
        path.lineTo(*head.over(turn * 0.96 + float(rng.uniform(-0.04, 0.06)), 0.05 + height))
    path.lineTo(*head.over(0.97, 0.03))
    add_smooth(path, right, tension=0.5)
    v = -identity.hairline
    for i in range(11):
        u = (0.80 - 0.16 * i) * head.width
        path.lineTo(*head.at(u, v + 0.22 * abs(u) ** 2 + (0.13 if i % 2 else -0.01)))
    add_smooth(path, left[::-1], tension=0.5)
    path.close()
    soft_shadow(canvas, head, path, 0.05)
    turns = (-0.7, -0.5, -0.3, -0.1, 0.1, 0.3, 0.5, 0.7)
    roots = [head.at(turn * 0.9, v + 0.05) for turn in turns]
    dress(canvas, head, path, roots, [head.over(turn, tall * 0.8) for turn in turns], bend=0.0, gloss=0.7)


def _draw_mohawk(canvas: skia.Canvas, head: Head) -> None:
    _draw_stubble_cap(canvas, head, 0.35)
    v = -head.identity.hairline
    tall = 0.44 * head.identity.hair_volume
    rear = -0.16 * head.sin_yaw
    half = 0.17 + 0.16 * abs(head.sin_yaw)
    top = head.over(rear, tall)
    path = smooth(
        [
            head.at(-0.14, v + 0.05), head.over(rear - half, 0.02), head.over(rear - half * 1.05, tall * 0.75), top,
            head.over(rear + half * 1.05, tall * 0.75), head.over(rear + half, 0.02), head.at(0.14, v + 0.05),
        ]
    )  # fmt: skip
    soft_shadow(canvas, head, path, 0.05)
    us = (-0.11, -0.06, 0.0, 0.06, 0.11)
    ends = [head.over(rear + u * 2.0, tall) for u in us]
    dress(canvas, head, path, [head.at(u, v) for u in us], ends, bend=0.0, gloss=0.4)


def _curls(head: Head, height: float, radius: float, hairline: list[Point], seed: int) -> skia.Path:
    """Round curls along the outer edge and along the hairline."""
    rng = np.random.default_rng(seed)
    spots: list[tuple[float, float, float]] = []
    count = 17
    for i in range(count):
        turn = -1.08 + 2.16 * i / (count - 1)
        if hatted(head.identity) and abs(turn) < 0.72:
            continue
        size = radius * float(rng.uniform(0.85, 1.2))
        spots.append((*head.over(turn, height - size * 0.45), size))
    for x, y in (head.edge(u, v) for u, v in hairline):
        spots.append((x, y, radius * float(rng.uniform(0.55, 0.8))))
    return circles(spots)


def _draw_curl_lines(canvas: skia.Canvas, head: Head, path: skia.Path, height: float, radius: float) -> None:
    rng = np.random.default_rng(head.identity.hair_texture + 1)
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    for i in range(30):
        turn = float(rng.uniform(-1.0, 1.0))
        deep = float(rng.uniform(-0.30, height - radius * 0.4))
        x, y = head.over(turn, deep)
        size = radius * float(rng.uniform(0.55, 0.85))
        start = float(rng.uniform(150, 260))
        curl = skia.Path()
        curl.addArc(skia.Rect.MakeLTRB(x - size, y - size, x + size, y + size), start, 170)
        colour = light(head.hair, 0.40) if i % 2 else shade(head.hair, 0.5)
        canvas.drawPath(curl, line(colour, 0.028, 0.34))
    canvas.restore()


def _draw_round(canvas: skia.Canvas, head: Head, height: float, radius: float, lower: float) -> None:
    hairline = natural_line(head, lower)
    path = cap(head, [height * 0.8, height, height, height, height, height, height * 0.8], hairline, 0.16)
    curls = _curls(head, height, radius, [(0.90, -0.12), *hairline, (-0.90, -0.12)], head.identity.hair_texture)
    soft_shadow(canvas, head, path)
    soft_shadow(canvas, head, curls)
    canvas.drawPath(curls, paint(head))
    canvas.drawPath(path, paint(head))
    both = skia.Path()
    both.addPath(path)
    both.addPath(curls)
    _draw_curl_lines(canvas, head, both, height, radius)
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    shift = 0.35 * head.light[0]
    band = head.skull(height * 0.5 - 0.1, -0.5 + shift, 0.3 + shift, 6)
    canvas.drawPath(smooth(band, False), line(light(head.hair, 0.6), 0.22, 0.20, 0.08))
    canvas.restore()


def _draw_curly(canvas: skia.Canvas, head: Head) -> None:
    height = volume(head, 0.22)
    _draw_round(canvas, head, height, 0.15, lerp(0.02, 0.18, head.identity.hair_length))


def _draw_afro(canvas: skia.Canvas, head: Head) -> None:
    _draw_round(canvas, head, 0.40 * head.identity.hair_volume + 0.06, 0.15, 0.02)


def _draw_bob(canvas: skia.Canvas, head: Head) -> None:
    if head.identity.hair_texture % 3:
        draw_bob(canvas, head)
        draw_fringe_cap(canvas, head, [0.15, 0.16, 0.16, 0.16, 0.16, 0.16, 0.15], 0.20)
    else:
        draw_curtains(canvas, head)


STYLES: dict[str, Drawer] = {
    'bald': _draw_none,
    'buzz': _draw_buzz,
    'parted': _draw_parted,
    'quiff': _draw_quiff,
    'fringe': _draw_fringe,
    'bob': _draw_bob,
    'long': draw_long,
    'wavy': draw_long,
    'bun': draw_swept,
    'swept': draw_swept,
    'afro': _draw_afro,
    'curly': _draw_curly,
    'ponytail': draw_swept,
    'spiky': _draw_spiky,
    'receding': _draw_receding,
    'mohawk': _draw_mohawk,
    'pigtails': draw_braids,
    'curtains': draw_curtains,
    'pixie': _draw_pixie,
    'undercut': _draw_undercut,
    'braids': draw_braids,
}
