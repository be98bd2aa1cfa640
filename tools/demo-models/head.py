"""The geometry of a posed head: a face on an ellipsoid, and the contour around it.

Everything is in head units (half the width of an average face = 1), origin in the middle of the head, x to the
right, y down, z towards the viewer, before the roll: the roll turns the canvas. A feature at (u, v) on the face as
seen from the front lies on the ellipsoid; yaw and pitch turn it, and the derivative of its projection is the frame
it is drawn in, so that features shift and foreshorten by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import skia

from brush import Colour, Point, add_smooth, clamp, lerp, light, linear, mix, shade
from characters import Identity, Pose
from palette import HAIR, SKIN

DEPTH = 0.9
HEIGHT = 1.38
STEP = 0.02
# Contour from the crown to the chin: x, y as a share of crown or chin, then how far the point moves with the sine
# of the yaw on the side that the face turns to, on the other side, and with the sine of the pitch.
CONTOUR_TOP = (
    (0.00, -1.000, -0.10, -0.10, 0.00),
    (0.42, -0.935, -0.09, -0.13, 0.00),
    (0.76, -0.700, -0.07, -0.14, 0.02),
    (0.945, -0.350, -0.05, -0.13, 0.04),
)


class Head:
    """A character in a pose, ready to be drawn in head units."""

    def __init__(self, identity: Identity, pose: Pose) -> None:
        self.identity = identity
        self.pose = pose
        self.cos_yaw, self.sin_yaw = math.cos(pose.yaw), math.sin(pose.yaw)
        self.cos_pitch, self.sin_pitch = math.cos(pose.pitch), math.sin(pose.pitch)
        self.width = identity.head_width
        self.skin: Colour = mix(SKIN[identity.skin], SKIN[identity.skin_other], identity.skin_mix)
        self.skin_shade: Colour = shade(self.skin, 0.22)
        self.skin_line: Colour = shade(self.skin, 0.58)
        self.hair: Colour = tone(HAIR[identity.hair_colour], identity.hair_tone)
        angle = pose.light - pose.roll
        self.light: Point = (math.sin(angle), -math.cos(angle))
        self.contour_points = self._contour_points()
        self.contour = skia.Path()
        add_smooth(self.contour, self.contour_points, closed=True, move=True)

    def rotate(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """A point of the resting head after yaw and pitch."""
        turned_x = x * self.cos_yaw + z * self.sin_yaw
        turned_z = z * self.cos_yaw - x * self.sin_yaw
        return (
            turned_x,
            y * self.cos_pitch + turned_z * self.sin_pitch,
            turned_z * self.cos_pitch - y * self.sin_pitch,
        )

    def at(self, u: float, v: float, lift: float = 0.0) -> Point:
        """Where the face point (u, v) appears; `lift` raises it above the surface."""
        rest = 1 - (u / (1.02 * self.width)) ** 2 - (v / HEIGHT) ** 2
        z = DEPTH * math.sqrt(max(0.0, rest)) + lift
        x, y, _ = self.rotate(u, v, z)
        return (x, y)

    def along(self, points: list[Point], lift: float = 0.0) -> list[Point]:
        """Several face points, see `at`."""
        return [self.at(u, v, lift) for u, v in points]

    def edge(self, u: float, v: float) -> Point:
        """Like `at`, for the edge of the hair: what has turned away behind the head stays on its contour."""
        rest = max(0.0, 1 - (u / (1.02 * self.width)) ** 2 - (v / HEIGHT) ** 2)
        x, y, z = self.rotate(u, v, DEPTH * math.sqrt(rest))
        hidden = clamp(-z / 0.35, 0.0, 1.0)
        if hidden > 0:
            side = 1 if u > 0 else -1
            reach = math.sqrt(max(0.0, 1 - (y / self.identity.crown) ** 2)) if y < 0 else 1 - 0.09 * y
            rim = reach * self.width - 0.05 * side * self.sin_yaw
            x = side * lerp(side * x, max(side * x, rim), hidden)
        return (x, y)

    def matrix(self, u: float, v: float, lift: float = 0.0) -> tuple[float, float, float, float, float, float]:
        """Frame of the surface at (u, v): dx/du, dx/dv, x, dy/du, dy/dv, y."""
        x, y = self.at(u, v, lift)
        left, right = self.at(u - STEP, v, lift), self.at(u + STEP, v, lift)
        above, below = self.at(u, v - STEP, lift), self.at(u, v + STEP, lift)
        scale = 0.5 / STEP
        return (
            (right[0] - left[0]) * scale, (below[0] - above[0]) * scale, x,
            (right[1] - left[1]) * scale, (below[1] - above[1]) * scale, y,
        )  # fmt: skip

    @contextmanager
    def tangent(self, canvas: skia.Canvas, u: float, v: float, lift: float = 0.0) -> Iterator[None]:
        """Draws in the frame of the surface at (u, v), origin there."""
        canvas.save()
        canvas.concat(skia.Matrix.MakeAll(*self.matrix(u, v, lift), 0, 0, 1))
        yield
        canvas.restore()

    def trailing(self, side: int) -> float:
        """0 to 1: how much of the head behind the ear of this side (-1 left, 1 right) is seen."""
        return clamp(-side * self.sin_yaw / 0.45, 0.0, 1.0)

    def shaded(self, colour: Colour, centre: Point = (0.0, 0.0), reach: float = 1.2, amount: float = 1.0) -> skia.Paint:
        """Paint of one form of that colour, lit from the light of the pose."""
        strength = self.pose.light_strength * amount
        dx, dy = self.light[0] * reach, self.light[1] * reach
        return linear(
            (centre[0] + dx, centre[1] + dy),
            (centre[0] - dx, centre[1] - dy),
            (light(colour, 0.16 * strength), colour, shade(colour, 0.08 + 0.24 * strength)),
        )

    def skull(self, grow: float, start: float = -1.0, stop: float = 1.0, count: int = 11) -> list[Point]:
        """Points around the crown, `grow` outside of the contour.

        `start` and `stop` run from -1 (left, level with the eyes) over 0 (top) to 1 (right).
        """
        return [self.over(start + (stop - start) * i / (count - 1), grow) for i in range(count)]

    def over(self, turn: float, grow: float) -> Point:
        """One point of `skull`."""
        side = 1 if turn >= 0 else -1
        angle = abs(turn) * math.pi / 2
        x, y = math.sin(angle) ** 0.94 * self.width, -math.cos(angle) * self.identity.crown
        lead = side * self.sin_yaw > 0
        x = side * x + (-0.07 if lead else -0.13) * self.sin_yaw
        y = y * self.cos_pitch + 0.03 * abs(turn) * self.sin_pitch
        length = math.hypot(x, y) or 1.0
        return (x + x / length * grow, y + y / length * grow)

    def _contour_points(self) -> list[Point]:
        identity, jaw = self.identity, self.identity.jaw
        chin = identity.chin + 0.05 * self.pose.mouth_open
        corner = 0.735 + 0.115 * jaw
        rows = [(x, y * identity.crown, a, b, p) for x, y, a, b, p in CONTOUR_TOP]
        rows += [
            (1.0, 0.04, -0.01, -0.08, 0.02),
            (0.965 + 0.02 * identity.cheeks, 0.40, 0.08, 0.0, 0.06),
            (corner, 0.70 * chin, 0.22, 0.10, 0.12),
            (min(identity.chin_width + 0.10, corner - 0.12), 0.945 * chin, 0.32, 0.22, 0.20),
            (0.0, chin, 0.34, 0.34, 0.24),
        ]
        right = [self._contour_point(1, row) for row in rows]
        left = [self._contour_point(-1, row) for row in rows[1:-1]]
        return right + left[::-1]

    def _contour_point(self, side: int, row: tuple[float, float, float, float, float]) -> Point:
        x, y, leading, trailing, tilt = row
        shift = leading if side * self.sin_yaw > 0 else trailing
        return (side * x * self.width + shift * self.sin_yaw, y * self.cos_pitch + tilt * self.sin_pitch)


def tone(colour: Colour, amount: float) -> Colour:
    """Lighter for positive amounts, darker for negative ones."""
    return light(colour, amount) if amount > 0 else shade(colour, -amount)
