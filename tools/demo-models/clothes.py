"""What characters wear on their shoulders; drawn on the unrolled canvas in head units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import skia

from brush import Point, circles, fill, light, line, linear, shade, smooth
from head import Head
from palette import CLOTH

KINDS = ('crew', 'collar', 'turtleneck', 'hoodie', 'jacket', 'vneck', 'scarf')
PATTERNS = ('plain', 'stripes', 'dots', 'band')


@dataclass(frozen=True)
class Clothes:
    """A garment: its kind and pattern, and two colours as indices into palette.CLOTH."""

    kind: str
    pattern: str
    colour: int
    accent: int


def random_clothes(rng: np.random.Generator) -> Clothes:
    """Clothes in two different colours."""
    colour = int(rng.integers(len(CLOTH)))
    accent = (colour + int(rng.integers(1, len(CLOTH)))) % len(CLOTH)
    kind = KINDS[int(rng.choice(len(KINDS), p=(0.26, 0.18, 0.12, 0.14, 0.12, 0.10, 0.08)))]
    pattern = PATTERNS[int(rng.choice(len(PATTERNS), p=(0.62, 0.16, 0.10, 0.12)))]
    return Clothes(kind, pattern, colour, accent)


def _torso(x: float, y: float) -> skia.Path:
    return smooth(
        [
            (x - 0.50, y - 0.14), (x - 1.05, y + 0.10), (x - 1.52, y + 0.42), (x - 1.72, y + 1.10), (x - 1.75, y + 2.4),
            (x + 1.75, y + 2.4), (x + 1.72, y + 1.10), (x + 1.52, y + 0.42), (x + 1.05, y + 0.10), (x + 0.50, y - 0.14),
            (x, y - 0.06),
        ], tension=0.9
    )  # fmt: skip


def draw_shoulders(canvas: skia.Canvas, clothes: Clothes, head: Head, foot: Point, behind: bool = False) -> None:
    """Shoulders and chest below the foot of the neck; they leave the picture at the bottom."""
    x, y = foot
    colour, accent = CLOTH[clothes.colour], CLOTH[clothes.accent]
    torso = _torso(x, y)
    canvas.drawPath(torso, head.shaded(colour, (x, y + 0.9), 1.7))
    canvas.save()
    canvas.clipPath(torso, doAntiAlias=True)
    if clothes.pattern == 'stripes':
        pen = line(accent, 0.10)
        for row in range(6):
            v = y + 0.42 + row * 0.30
            canvas.drawPath(smooth([(x - 1.9, v - 0.08), (x, v + 0.12), (x + 1.9, v - 0.08)], False), pen)
    elif clothes.pattern == 'dots':
        dots = [
            (x - 1.8 + 0.36 * column + 0.18 * (row % 2), y + 0.15 + 0.26 * row, 0.055)
            for row in range(9)
            for column in range(11)
        ]
        canvas.drawPath(circles(dots), fill(accent, 0.9))
    elif clothes.pattern == 'band':
        canvas.drawPath(smooth([(x - 1.9, y + 0.62), (x, y + 0.80), (x + 1.9, y + 0.62)], False), line(accent, 0.26))
    for side in (-1, 1):
        arm = smooth([(x + side * 1.22, y + 0.62), (x + side * 1.16, y + 1.1), (x + side * 1.14, y + 2.4)], False)
        canvas.drawPath(arm, line(shade(colour, 0.42), 0.035, 0.5))
    canvas.drawPath(torso, line(shade(colour, 0.4), 0.14, 0.20, 0.06))
    if clothes.kind == 'jacket' and not behind:
        inner = smooth(
            [(x - 0.46, y - 0.2), (x - 0.30, y + 2.4), (x + 0.30, y + 2.4), (x + 0.46, y - 0.2)], tension=0.2
        )
        canvas.drawPath(inner, linear((x, y), (x, y + 1.4), (accent, shade(accent, 0.18))))
    if clothes.kind == 'hoodie' and not behind:
        for side in (-1, 1):
            canvas.drawLine(x + side * 0.22, y + 0.30, x + side * 0.24, y + 0.85, line(light(colour, 0.5), 0.045))
    canvas.drawPath(smooth([(x - 0.7, y), (x, y + 0.35), (x + 0.7, y)], True), fill(shade(colour, 0.6), 0.25, 0.10))
    canvas.restore()


def draw_collar(canvas: skia.Canvas, clothes: Clothes, head: Head, foot: Point, behind: bool = False) -> None:
    """The part of the garment that lies over the neck."""
    x, y = foot
    colour, accent = CLOTH[clothes.colour], CLOTH[clothes.accent]
    match clothes.kind:
        case 'turtleneck':
            _draw_roll(canvas, head, x, y, colour, 0.50)
        case 'scarf':
            _draw_roll(canvas, head, x, y, accent, 0.62)
            if not behind:
                tail = smooth(
                    [(x + 0.18, y), (x + 0.52, y + 0.02), (x + 0.62, y + 1.0), (x + 0.26, y + 1.02)], tension=0.6
                )
                canvas.drawPath(tail, head.shaded(accent, (x + 0.4, y + 0.5), 0.7))
        case _ if behind:
            _draw_roll(canvas, head, x, y + 0.05, shade(colour, 0.06), 0.56)
        case 'collar' | 'jacket':
            base = light(accent, 0.3) if clothes.kind == 'collar' else colour
            _draw_lapels(canvas, head, x, y, base, 0.46 if clothes.kind == 'collar' else 0.95)
        case 'vneck':
            band = [
                (x - 0.57, y - 0.12),
                (x - 0.30, y + 0.42),
                (x, y + 0.74),
                (x + 0.30, y + 0.42),
                (x + 0.57, y - 0.12),
            ]
            skin = smooth(
                [(x - 0.53, y - 0.14), (x - 0.28, y + 0.36), (x, y + 0.72), (x + 0.28, y + 0.36), (x + 0.53, y - 0.14)],
                tension=0.3,
            )
            canvas.drawPath(skin, fill(shade(head.skin, 0.12)))
            canvas.drawPath(smooth(band, False, 0.3), line(light(colour, 0.16), 0.10))
        case 'hoodie':
            for side in (-1, 1):
                hood = smooth(
                    [
                        (x + side * 0.44, y - 0.34), (x + side * 0.86, y - 0.06), (x + side * 0.70, y + 0.30),
                        (x + side * 0.10, y + 0.46), (x + side * 0.44, y + 0.12),
                    ]
                )  # fmt: skip
                canvas.drawPath(hood, head.shaded(shade(colour, 0.06), (x + side * 0.5, y), 0.5))
                canvas.drawPath(hood, line(shade(colour, 0.4), 0.03, 0.4))
        case _:
            neck = [
                (x - 0.56, y - 0.10),
                (x - 0.36, y + 0.20),
                (x, y + 0.31),
                (x + 0.36, y + 0.20),
                (x + 0.56, y - 0.10),
            ]
            tint = accent if clothes.pattern != 'plain' else light(colour, 0.14)
            canvas.drawPath(smooth(neck, False), line(shade(colour, 0.45), 0.15, 0.35, 0.03))
            canvas.drawPath(smooth(neck, False), line(tint, 0.11))


def _draw_roll(
    canvas: skia.Canvas, head: Head, x: float, y: float, colour: tuple[float, float, float], half: float
) -> None:
    roll = smooth(
        [
            (x - half, y - 0.30), (x, y - 0.20), (x + half, y - 0.30), (x + half + 0.10, y - 0.02),
            (x + half * 0.7, y + 0.18), (x, y + 0.26), (x - half * 0.7, y + 0.18), (x - half - 0.10, y - 0.02),
        ]
    )  # fmt: skip
    canvas.drawPath(roll, head.shaded(colour, (x, y), 0.6))
    crease = smooth([(x - half - 0.02, y - 0.12), (x, y + 0.04), (x + half + 0.02, y - 0.12)], False)
    canvas.drawPath(crease, line(shade(colour, 0.42), 0.03, 0.5))


def _draw_lapels(
    canvas: skia.Canvas, head: Head, x: float, y: float, colour: tuple[float, float, float], depth: float
) -> None:
    for side in (-1, 1):
        flap = smooth(
            [
                (x + side * 0.50, y - 0.30), (x + side * 0.86, y + 0.06), (x + side * 0.62, y + 0.16 + depth * 0.5),
                (x + side * 0.40, y + 0.02 + depth * 0.86), (x + side * 0.03, y + 0.12 + depth * 0.20),
            ], tension=0.25
        )  # fmt: skip
        canvas.save()
        canvas.translate(0.02, 0.04)
        canvas.drawPath(flap, fill(shade(colour, 0.7), 0.25, 0.03))
        canvas.restore()
        canvas.drawPath(flap, head.shaded(colour, (x + side * 0.4, y + 0.2), 0.6))
