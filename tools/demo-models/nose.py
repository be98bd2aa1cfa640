"""Noses: six kinds, lit from the light of the pose."""

from __future__ import annotations

import skia

from brush import fill, light, line, linear, mix, radial, shade, smooth
from head import Head

LIFT = 0.16
ROSE = (0.84, 0.30, 0.26)
# Outline of the tip for half width 1 and height 1 around the tip: right side from the bridge down to the middle.
OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    'button': ((0.34, -0.85), (0.62, -0.52), (0.92, 0.05), (0.70, 0.55), (0.0, 0.62)),
    'round': ((0.40, -1.00), (0.86, -0.60), (1.18, 0.10), (0.82, 0.78), (0.0, 0.92)),
    'straight': ((0.34, -1.60), (0.46, -0.70), (0.98, 0.20), (0.72, 0.58), (0.0, 0.72)),
    'pointed': ((0.26, -1.50), (0.40, -0.60), (0.84, 0.22), (0.50, 0.44), (0.0, 0.86)),
    'wide': ((0.44, -1.00), (0.66, -0.45), (1.38, 0.18), (1.10, 0.62), (0.0, 0.66)),
    'long': ((0.30, -2.00), (0.52, -1.00), (0.94, 0.10), (0.74, 0.70), (0.0, 1.06)),
}
BRIDGE = {'button': 0.22, 'round': 0.35, 'straight': 0.85, 'pointed': 0.75, 'wide': 0.40, 'long': 1.0}


def draw_nose(canvas: skia.Canvas, head: Head) -> None:
    """The nose with bridge, wings, nostrils and its shadow on the lip."""
    identity = head.identity
    width = identity.nose_width
    outline = OUTLINES[identity.nose]
    tint = mix(head.skin, ROSE, 0.10 + 0.14 * identity.nose_tint)
    side = -1.0 if head.light[0] > 0 else 1.0
    _draw_bridge(canvas, head, side)
    with head.tangent(canvas, 0.0, identity.nose_y, LIFT):
        canvas.drawPath(
            smooth([(-width, 0.05), (0.0, 0.0), (width, 0.05), (width * 0.6, 0.16), (0, 0.19), (-width * 0.6, 0.16)]),
            fill(shade(head.skin, 0.5), 0.22, 0.035),
        )
        right = [(x * width, y * 0.125) for x, y in outline]
        shape = smooth([*right, *((-x, y) for x, y in right[-2::-1])])
        lower = shade(tint, 0.15)
        canvas.drawPath(shape, linear((0, -0.16), (0, 0.12), (tint, tint, tint, lower)))
        pen = line(shade(tint, 0.52), 0.026, 0.62)
        wing = outline[2:4]
        for sign in (-1, 1):
            edge = [
                (sign * wing[0][0] * width * 0.96, wing[0][1] * 0.125 - 0.05),
                (sign * wing[0][0] * width * 1.03, wing[0][1] * 0.125 + 0.02),
                (sign * wing[1][0] * width * 0.98, wing[1][1] * 0.125 + 0.004),
            ]
            canvas.drawPath(smooth(edge, False), pen)
            x, y = sign * wing[1][0] * width * 0.62, outline[3][1] * 0.125 + 0.004
            canvas.drawOval(
                skia.Rect.MakeLTRB(x - 0.036, y - 0.020, x + 0.036, y + 0.018), fill(shade(tint, 0.72), 0.62)
            )
        x = -side * width * 0.20
        canvas.drawCircle(x, -0.02, width * 0.62, radial((x, -0.02), width * 0.62, light(tint, 0.75), 0.55))


def _draw_bridge(canvas: skia.Canvas, head: Head, side: float) -> None:
    identity = head.identity
    strength = BRIDGE[identity.nose]
    top = identity.eye_y - 0.10
    tip = identity.nose_y - 0.04
    points = [
        head.at(side * 0.155, top, 0.0),
        head.at(side * 0.085, top + (tip - top) * 0.35, 0.05),
        head.at(side * identity.nose_width * 0.62, tip, LIFT * 0.8),
        head.at(side * identity.nose_width * 0.12, tip, LIFT),
        head.at(side * 0.030, top + (tip - top) * 0.35, 0.09),
    ]
    canvas.drawPath(smooth(points), fill(shade(head.skin, 0.46), 0.14 + 0.24 * strength, 0.022))
    ridge = [head.at(-side * 0.015, top + 0.08, 0.08), head.at(-side * 0.015, tip - 0.04, LIFT)]
    canvas.drawPath(smooth(ridge, False), line(light(head.skin, 0.5), 0.05, 0.30 * strength, 0.018))
