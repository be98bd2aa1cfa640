"""Who comes into the lobby, when, and what they do there: data, and the stance of everybody at every moment.

A visit is a list of steps. `Go` walks to a point of the floor (x of the picture, height of the feet in it), `Stay` stands
there. Positions are on the floor of room.py: its depth and its width are in the same unit, so that everybody walks at the
same pace wherever they go, and no foot slides.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from body import STEP, Arm, Stance
from characters import Pose
from perspective import CENTRE, HORIZON, NEAR_FEET, NEAR_SCALE, scale

SECONDS, FPS = 60, 25
#: Depth of the floor in units is FOCAL divided by the scale there.
FOCAL = 1100.0
#: Samples a second of the path before it is smoothed, and the deviation of the smoothing in seconds.
RATE, EASE = 100, 0.20
#: How far a walking body and its head turn from the viewer at most (rad): faces stay in the range that they are drawn for.
BODY_TURN, HEAD_TURN = 1.18, 0.56

LEFT, RIGHT = -150.0, 1430.0


@dataclass(frozen=True)
class Go:
    x: float
    feet: float
    speed: float = 3.5


@dataclass(frozen=True)
class Stay:
    """`act`: stand, talk, listen, wave, pour. `face` is where the body turns (0 the viewer, positive to the right)."""

    seconds: float
    act: str = 'talk'
    face: float = 0.0
    smile: float = 0.7


@dataclass(frozen=True)
class Visit:
    name: str
    start: float
    at: tuple[float, float]
    steps: tuple[Go | Stay, ...]
    carry: str = 'none'
    turn: float = BODY_TURN


#: When the lift's panels begin to open, and when they begin to close; each takes LIFT_TAKES seconds.
LIFT_OPEN: tuple[tuple[float, float], ...] = ((11.6, 15.4),)
LIFT_TAKES, LIFT_TRAVEL = 0.9, 4.0
IN_LIFT = (272.0, 509.0)

VISITS: tuple[Visit, ...] = (
    Visit('ada', 0.6, (LEFT, 668), (Go(600, 672), Stay(1.3, 'wave'), Stay(1.9, 'talk', 0.05), Go(RIGHT, 664))),
    Visit('otto', 5.2, (RIGHT, 632), (
        Go(1105, 630, 3.2), Stay(2.6, 'pour', 0.95, 0.4), Stay(2.4, 'stand', 0.0, 0.8), Go(760, 590, 3.2),
        Stay(2.4, 'pour', 0.9, 0.4), Go(820, 604, 3.2), Go(RIGHT, 622, 3.2),
    ), carry='can'),
    Visit('bruno', 11.2, IN_LIFT, (
        Stay(1.5, 'stand', 0.0, 0.3), Go(300, 545), Go(545, 676), Stay(1.7, 'talk', 0.08), Stay(1.3, 'wave', 0.0, 0.9), Go(LEFT, 684),
    )),
    Visit('sid', 16.5, (RIGHT, 622), (Go(LEFT, 616, 3.0),), carry='newspaper', turn=0.5),
    Visit('mei', 24.6, (LEFT, 700), (Go(RIGHT, 694, 3.7),)),
    Visit('ada', 27.2, (RIGHT, 652), (Go(720, 660), Stay(2.6, 'talk', -0.05), Go(LEFT, 652))),
    Visit('kofi', 34.6, (LEFT, 612), (Go(858, 612, 3.4), Stay(2.9, 'talk', 0.72), Stay(3.4, 'listen', 0.66), Go(RIGHT, 604, 3.2)), carry='briefcase'),
    Visit('nora', 36.2, (LEFT, 674), (Go(560, 676), Stay(1.2, 'wave'), Stay(1.8, 'talk', 0.04), Go(RIGHT, 684))),
    Visit('lena', 38.6, (RIGHT, 616), (Go(1006, 616, 3.3), Stay(0.9, 'wave', -0.7), Stay(3.4, 'listen', -0.68), Stay(2.5, 'talk', -0.7), Go(RIGHT, 622, 3.2))),
    Visit('pip', 47.0, (LEFT, 690), (Go(500, 694, 3.4), Stay(1.2, 'wave', 0.0, 1.0), Stay(1.0, 'stand', 0.0, 0.9), Go(LEFT, 694, 3.6)), carry='balloon'),
)  # fmt: skip


def to_floor(x: float, feet: float) -> tuple[float, float]:
    """Across and depth in units."""
    size = scale(feet)
    return (x - CENTRE) / size, FOCAL / size


def to_picture(across: float, depth: float) -> tuple[float, float]:
    """x of the picture and height of the feet in it."""
    size = FOCAL / depth
    return CENTRE + across * size, HORIZON + size * (NEAR_FEET - HORIZON) / NEAR_SCALE


def smoothed(values: np.ndarray, seconds: float) -> np.ndarray:
    """Gaussian over time along the first axis; the ends are held."""
    reach = int(4 * seconds * RATE)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (seconds * RATE)) ** 2)
    padded = np.pad(values, [(reach, reach)] + [(0, 0)] * (values.ndim - 1), mode='edge')
    return np.apply_along_axis(lambda row: np.convolve(row, kernel / kernel.sum(), 'valid'), 0, padded)


class Walk:
    """One visit, worked out: where the person is and how they hold themselves at each of their frames."""

    def __init__(self, visit: Visit, size: float) -> None:
        self.visit, self.size = visit, size
        self._lay_out()
        self._gait()

    def _lay_out(self) -> None:
        """Samples of the path and of what is done on it."""
        place = np.array(to_floor(*self.visit.at))
        positions, acts = [place], [None]
        faces = [math.nan]
        for step in self.visit.steps:
            if isinstance(step, Stay):
                count = round(step.seconds * RATE)
                positions += [place] * count
                acts += [step] * count
                faces += [step.face] * count
            else:
                goal = np.array(to_floor(step.x, step.feet))
                count = max(1, round(float(np.linalg.norm(goal - place)) / step.speed * RATE))
                positions += [place + (goal - place) * (i + 1) / count for i in range(count)]
                acts += [None] * count
                faces += [math.nan] * count
                place = goal
        self.acts = acts
        self.path = smoothed(np.array(positions), EASE)
        self.frames = len(acts) * FPS // RATE
        velocity = np.gradient(self.path, 1 / RATE, axis=0)
        self.speed = np.linalg.norm(velocity, axis=1)
        direction = np.arctan2(velocity[:, 0], -velocity[:, 1])
        moving = self.speed > 0.5
        steps = np.flatnonzero(moving)
        self.travel = smoothed(np.interp(np.arange(len(direction)), steps, direction[steps]), 0.05)
        faces = np.array(faces)
        wanted = np.where(np.isnan(faces), np.clip(direction, -self.visit.turn, self.visit.turn), np.nan_to_num(faces))
        wanted = np.where(~moving & np.isnan(faces), np.nan, wanted)
        known = ~np.isnan(wanted)
        wanted = np.interp(np.arange(len(wanted)), np.flatnonzero(known), wanted[known])
        self.heading = smoothed(wanted, 0.17)
        self.ahead = np.roll(smoothed(wanted, 0.11), -8)
        self.ahead[-8:] = self.ahead[-9]

    def _gait(self) -> None:
        self.phase = np.cumsum(self.speed) / RATE / (2 * STEP * self.size)
        self.stride = smoothed(np.clip(self.speed / 2.2, 0, 1), 0.06)
        doing = {act: np.array([1.0 if item is not None and item.act == act else 0.0 for item in self.acts]) for act in ('talk', 'listen', 'wave', 'pour', 'stand')}
        self.doing = {act: smoothed(values, 0.13) for act, values in doing.items()}
        self.smile = smoothed(np.array([0.25 if item is None else item.smile for item in self.acts]), 0.2)
        self.standing = sum(self.doing.values())

    def at(self, frame: int) -> tuple[Stance, float, float, float]:
        """Stance, x, feet and unit at the frame of the visit."""
        i = min(len(self.acts) - 1, round(frame * RATE / FPS))
        x, feet = to_picture(*self.path[i])
        return self._stance(i), x, feet, scale(feet) * self.size

    def _stance(self, i: int) -> Stance:
        seed = zlib.crc32(f'{self.visit.name} {self.visit.start}'.encode()) % 1000
        t = i / RATE + seed * 0.37
        doing = {act: float(values[i]) for act, values in self.doing.items()}
        heading, standing = float(self.heading[i]), float(self.standing[i])
        left, right = self._arms(t, doing)
        return Stance(
            heading=heading,
            travel=float(self.travel[i]),
            phase=float(self.phase[i]) % 1.0,
            stride=float(self.stride[i]),
            breath=t * 2.1,
            left=left,
            right=right,
            pose=self._pose(i, t, doing, standing),
            seconds=t,
        )

    def _pose(self, i: int, t: float, doing: dict[str, float], standing: float) -> Pose:
        walking = 1 - standing
        turn = float(np.clip(self.ahead[i], -1.0, 1.0)) * HEAD_TURN
        glance = max(0.0, math.sin(t * 1.25)) ** 0.7 * walking
        yaw = turn * (1 - 0.62 * glance) + 0.06 * math.sin(t * 0.9) * standing
        pitch = 0.02 + 0.03 * math.sin(t * 1.7) + 0.16 * doing['pour']
        nod = 0.05 * max(0.0, math.sin(t * 4.6)) * doing['listen'] + 0.03 * math.sin(t * 5.2) * doing['talk']
        beat = (t * 1.0) % 3.7
        blink = max(0.0, 1 - abs(beat - 0.12) / 0.11)
        talk = abs(math.sin(t * 9.3)) * (0.55 + 0.45 * math.sin(t * 2.9)) * doing['talk']
        wave = 0.35 * doing['wave'] * (0.6 + 0.4 * math.sin(t * 3.0))
        return Pose(
            yaw=yaw,
            pitch=pitch + nod,
            roll=0.035 * math.sin(t * 1.1) + 0.03 * math.sin(2 * math.pi * self.phase[i]) * self.stride[i] + 0.07 * doing['wave'],
            smile=float(self.smile[i]) - 0.2 * talk,
            mouth_open=float(np.clip(0.75 * talk + wave, 0, 0.9)),
            blink=blink,
            gaze_x=float(np.clip(-yaw * 0.9 * (standing * 0.8 + glance * 0.6), -0.5, 0.5)),
            gaze_y=0.3 * doing['pour'],
            brow=0.25 * doing['wave'] + 0.2 * talk,
            light=-0.55,
            light_strength=0.5,
        )

    def _arms(self, t: float, doing: dict[str, float]) -> tuple[Arm, Arm]:
        left, right = Arm(), Arm()
        beat, other = math.sin(t * 5.1), math.sin(t * 3.3 + 1)
        if self.visit.carry == 'newspaper':
            held = Arm(1.45, 0.42, 2.95, 0.12)
            return held, held
        right = right.toward(Arm(0.25, 0.62 + 0.05 * beat, 0.5, 2.72 + 0.26 * math.sin(t * 9.0)), doing['wave'])
        if self.visit.carry != 'briefcase':
            right = right.toward(Arm(0.22 + 0.08 * other, 0.26, 1.55 + 0.24 * beat, 0.02 + 0.22 * other), doing['talk'])
        if self.visit.carry == 'can':
            left = left.toward(Arm(0.55, 0.25, 1.45, 0.1), doing['pour'])
        elif self.visit.carry == 'balloon':
            left = Arm(0.30, 0.22, 1.75, 0.10)
        else:
            left = left.toward(Arm(0.20 + 0.08 * beat, 0.24, 1.45 + 0.22 * other, 0.05), doing['talk'] * 0.85)
            left = left.toward(Arm(0.25, 0.16, 1.35, -0.45), doing['listen'] * 0.8)
        return left, right


def lift_at(seconds: float) -> tuple[float, float]:
    """How far the panels stand open (0 to 1), and the floor that the pointer shows."""
    opening, floor = 0.0, 4.0
    for opens, closes in LIFT_OPEN:
        opening = max(opening, eased((seconds - opens) / LIFT_TAKES) * (1 - eased((seconds - closes) / LIFT_TAKES)))
        near = min(eased((seconds - opens + LIFT_TRAVEL) / LIFT_TRAVEL), 1 - eased((seconds - closes - LIFT_TAKES) / LIFT_TRAVEL))
        floor = min(floor, 4.0 * (1 - near))
    return opening, floor


def eased(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)
