"""The joints of a whole person: three and a half heads tall, walking, standing, turning.

Lengths are in head units (half the width of a face = 1). A joint is (across, ahead, height): to the person's left,
forwards, above the floor. The body turns by `heading`: 0 looks at the viewer, pi / 2 walks to the right of the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from brush import Colour, Point, lerp
from characters import Identity, Pose
from clothes import Clothes
from palette import CLOTH

HEAD, NECK, SHOULDER, HIP, ANKLE = 6.62, 5.10, 4.66, 2.62, 0.24
SHOULDER_WIDTH, HIP_WIDTH = 0.97, 0.40
UPPER_ARM, FOREARM, THIGH, SHIN = 1.02, 0.98, 1.26, 1.22
#: Distance from one foot to the other in a full step; half a cycle of the gait.
STEP = 1.72
#: Slope of the floor towards the viewer near somebody of this size, and the height of the eyes (see room.py).
FLOOR_SLOPE, EYES = 0.30, 7.2


@dataclass(frozen=True)
class Arm:
    """Angles (rad) of an arm: upper arm forwards and outwards, forearm the same, 0 hanging down."""

    ahead: float = 0.06
    out: float = 0.13
    fore_ahead: float = 0.30
    fore_out: float = 0.05

    def toward(self, other: Arm, share: float) -> Arm:
        names = ('ahead', 'out', 'fore_ahead', 'fore_out')
        return Arm(*(lerp(getattr(self, name), getattr(other, name), share) for name in names))


@dataclass(frozen=True)
class Outfit:
    """What somebody wears below the collar. `kind`: jumper, shirt, coat, dress, skirt, dungarees, suit."""

    kind: str
    collar: Clothes
    bottom: Colour
    shoes: Colour
    sleeves: str = 'long'
    prop: str = 'none'
    prop_colour: Colour = (0.62, 0.24, 0.22)

    @property
    def top(self) -> Colour:
        return CLOTH[self.collar.colour]

    @property
    def accent(self) -> Colour:
        return CLOTH[self.collar.accent]


@dataclass(frozen=True)
class Person:
    """A member of the cast: face, clothes, and the size of the body against the others'."""

    name: str
    identity: Identity
    outfit: Outfit
    size: float = 1.0
    faceless: bool = False


@dataclass(frozen=True)
class Stance:
    """How the body is held in one picture. `stride` is 0 standing to 1 walking, `phase` the gait from 0 to 1; `travel` is
    where the feet go, which may differ from where the body looks by a turn to the viewer."""

    heading: float = 0.0
    travel: float = 0.0
    phase: float = 0.0
    stride: float = 0.0
    breath: float = 0.0
    left: Arm = field(default_factory=Arm)
    right: Arm = field(default_factory=Arm)
    pose: Pose = field(default_factory=Pose)
    seconds: float = 0.0


class Body:
    """The joints of a person in a stance, as points above the foot of the body (y down, so heights are negative)."""

    def __init__(self, person: Person, stance: Stance) -> None:
        self.person, self.stance = person, stance
        self.cos, self.sin = math.cos(stance.heading), math.sin(stance.heading)
        swing = 0.5 - 0.5 * math.cos(4 * math.pi * stance.phase)
        self.bob = stance.stride * (0.13 * swing - 0.10) + 0.02 * math.sin(stance.breath)
        self.sway = 0.05 * stance.stride * math.sin(2 * math.pi * stance.phase)
        self.lean = 0.10 * stance.stride
        head = self.at(self.sway * 0.5, self.lean * 1.3, HEAD + self.bob)
        self.head: Point = (head[0], head[1])

    def at(self, across: float, ahead: float, height: float) -> tuple[float, float, float]:
        """x, y and how far it is towards the viewer."""
        x = across * self.cos + ahead * self.sin
        near = ahead * self.cos - across * self.sin
        return x, -height + near * FLOOR_SLOPE * (1 - height / EYES), near

    def point(self, across: float, ahead: float, height: float) -> Point:
        x, y, _ = self.at(across, ahead, height)
        return x, y

    def wide(self, across: float, depth: float) -> float:
        """Half the width of an oval part of the body as it is seen."""
        return math.hypot(across * self.cos, depth * self.sin)

    def leg(self, side: int) -> tuple[list[tuple[float, float, float]], float]:
        """Hip, knee and ankle (across, ahead, height) of the left (1) or right (-1) leg, and the tilt of the foot."""
        stride = self.stance.stride
        phase = (self.stance.phase + (0.0 if side > 0 else 0.5)) % 1.0
        if phase < 0.5:
            ahead, lift = STEP * (0.25 - phase) * 2, 0.0
            tilt = 0.35 * max(0.0, 1 - phase / 0.09) - 0.65 * max(0.0, (phase - 0.37) / 0.13) ** 1.5
            lift = 0.16 * max(0.0, (phase - 0.37) / 0.13) ** 1.5
        else:
            share = (phase - 0.5) * 2
            eased = share - math.sin(2 * math.pi * share) / (2 * math.pi) * 0.6
            ahead = STEP * (eased - 0.5)
            lift = 0.46 * math.sin(math.pi * share) ** 1.3 + 0.16 * (1 - share) ** 3
            tilt = lerp(-0.65, 0.35, share)
        ahead, lift, tilt = ahead * stride, lift * stride, tilt * stride
        aside = self.stance.travel - self.stance.heading
        across = side * (HIP_WIDTH * 0.92 - 0.08 * stride) + ahead * math.sin(aside)
        ahead *= math.cos(aside)
        hip = (side * HIP_WIDTH + self.sway, self.lean * 0.4, HIP + self.bob)
        ankle = (across, ahead, ANKLE + lift)
        return [hip, knee(hip, ankle), ankle], tilt

    def arm(self, side: int, angles: Arm) -> list[tuple[float, float, float]]:
        """Shoulder, elbow and wrist."""
        swing = -side * math.sin(2 * math.pi * self.stance.phase + math.pi / 2) * self.stance.stride
        shoulder = (side * SHOULDER_WIDTH + self.sway, self.lean, SHOULDER + self.bob)
        ahead, fore = angles.ahead, angles.fore_ahead
        if fore < 0.8:
            ahead += 0.48 * swing
            fore += 0.42 * swing + 0.16 * self.stance.stride
        elbow = reach(shoulder, UPPER_ARM, ahead, angles.out * side)
        return [shoulder, elbow, reach(elbow, FOREARM, fore, angles.fore_out * side)]


def knee(hip: tuple[float, float, float], ankle: tuple[float, float, float]) -> tuple[float, float, float]:
    """The knee between hip and ankle, bent forwards."""
    ahead, down = ankle[1] - hip[1], hip[2] - ankle[2]
    distance = min(math.hypot(ahead, down), (THIGH + SHIN) * 0.999)
    along = (THIGH**2 - SHIN**2 + distance**2) / (2 * distance)
    bend = math.sqrt(max(0.0, THIGH**2 - along**2))
    unit_ahead, unit_down = ahead / math.hypot(ahead, down), down / math.hypot(ahead, down)
    return (
        lerp(hip[0], ankle[0], 0.5),
        hip[1] + unit_ahead * along + unit_down * bend,
        hip[2] - unit_down * along + unit_ahead * bend,
    )


def reach(start: tuple[float, float, float], length: float, ahead: float, out: float) -> tuple[float, float, float]:
    return (
        start[0] + length * math.sin(out),
        start[1] + length * math.sin(ahead) * math.cos(out),
        start[2] - length * math.cos(ahead) * math.cos(out),
    )
