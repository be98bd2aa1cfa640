"""The lobby of the film: drawn once, with the few things in it that move (clock, lift, cat)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import skia
from brush import argb
from furniture import draw_bench, draw_cat, draw_foreground, draw_lamps, draw_plant, draw_stand
from perspective import DUSK, HEIGHT, LIFT, WIDTH
from shell import draw_floor, draw_rays, draw_rug, draw_sunlight, draw_walls
from wall import (
    draw_clock_face, draw_clock_hands, draw_door, draw_lift_frame, draw_lift_inside, draw_lift_panels, draw_lift_pointer, draw_picture,
    draw_window, hills, sea, vase,
)  # fmt: skip


def surface() -> tuple[np.ndarray, skia.Canvas]:
    """An empty picture and the canvas that draws on it (RGBA, 8 bits)."""
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    return pixels, skia.Canvas(pixels, colorType=skia.kRGBA_8888_ColorType, alphaType=skia.kPremul_AlphaType)


class Room:
    """Three layers: what stands behind the lift's panels, the room with a hole there, and what stands before everybody."""

    def __init__(self, seed: int = 7) -> None:
        self.back, self.front = self._back(seed), self._front(seed)

    def _back(self, seed: int) -> skia.Image:
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
        draw_plant(canvas, 862, 546, 66, rng, (0.886, 0.745, 0.510), (0.408, 0.596, 0.329))
        draw_plant(canvas, 1226, 606, 88, rng, (0.337, 0.486, 0.541), (0.329, 0.549, 0.376), 17)
        draw_plant(canvas, 110, 566, 74, rng, (0.839, 0.690, 0.455), (0.376, 0.588, 0.376))
        vignette = skia.GradientShader.MakeRadial(skia.Point(640, 330), 860, [argb(DUSK, 0), argb(DUSK, 0), argb(DUSK, 0.2)], [0, 0.55, 1])
        canvas.drawPaint(skia.Paint(Shader=vignette))
        return skia.Image.fromarray(pixels.copy(), colorType=skia.kRGBA_8888_ColorType)

    def _front(self, seed: int) -> skia.Image:
        pixels, canvas = surface()
        draw_foreground(canvas, np.random.default_rng(seed + 1))
        return skia.Image.fromarray(pixels.copy(), colorType=skia.kRGBA_8888_ColorType)

    def draw_back(
        self, canvas: skia.Canvas, seconds: float, lift: float = 0.0, pointer: float = 0.0,
        riders: Callable[[skia.Canvas], None] = lambda canvas: None,
    ) -> None:  # fmt: skip
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

    def draw_front(self, canvas: skia.Canvas) -> None:
        canvas.drawImage(self.front, 0, 0)


if __name__ == '__main__':
    import sys

    picture, view = surface()
    room = Room()
    room.draw_back(view, 12.0, lift=float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    room.draw_front(view)
    skia.Image.fromarray(picture, colorType=skia.kRGBA_8888_ColorType).save(sys.argv[1])
