"""Draws a character's head and shoulders on a Skia canvas and says where the face is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import skia

from beard import draw_beard, draw_moustache
from brush import Point
from characters import Identity, Pose
from clothes import Clothes, draw_collar, draw_shoulders
from eyes import draw_brows, draw_eyes
from glasses import draw_glasses, draw_temples
from hair import draw_hair, ears_covered
from hairback import draw_hair_behind_head, draw_hair_from_behind
from head import Head
from headwear import draw_hat
from mouth import corners, draw_mouth
from nose import LIFT, draw_nose
from skull import box_points, draw_back_of_head, draw_ear, draw_marks, draw_neck, draw_skin, ear_in_front, rolled

# Where the head turns on the neck, and where the neck meets the shoulders when the head is straight (head units).
PIVOT = 0.85
NECK_FOOT = 1.62
# Draws a body in place of clothes; see draw_head.
Body = Callable[[skia.Canvas, Head, Point, Point], None]


@dataclass(frozen=True)
class Face:
    """Where a face is, in pixels of the canvas.

    box: x0, y0, x1, y1 from hairline to chin and ear root to ear root, hair not included.
    landmarks: left eye (as seen in the image), right eye, nose tip, left and right corner of the mouth.
    visible: False for a head seen from behind, which has no face; box then says where the skull is.
    """

    box: tuple[float, float, float, float]
    landmarks: tuple[Point, Point, Point, Point, Point]
    visible: bool = True


def face_of(identity: Identity, pose: Pose, x: float, y: float, unit: float) -> Face:
    """Box and landmarks without drawing; arguments as for draw_head."""
    return _face(Head(identity, pose), x, y, unit, visible=True)


def draw_head(
    canvas: skia.Canvas,
    identity: Identity,
    pose: Pose,
    x: float,
    y: float,
    unit: float,
    clothes: Clothes | None = None,
    behind: bool = False,
    body: Body | None = None,
) -> Face:
    """Draws a head with its middle at (x, y); `unit` is half the width of a face in pixels.

    With `clothes` neck and shoulders are drawn too. With `behind` the head is seen from its back. A `body` is called
    when what it draws lies over the hair behind the head and under the face: in head units, with the foot of the neck
    on that canvas and in the frame of the rolled head.
    """
    head = Head(identity, pose)
    canvas.save()
    canvas.translate(x, y)
    canvas.scale(unit, unit)
    degrees = math.degrees(pose.roll)
    if behind:
        _draw_from_behind(canvas, head, degrees, clothes)
    else:
        _draw_from_front(canvas, head, degrees, clothes, body)
    canvas.restore()
    return _face(head, x, y, unit, visible=not behind)


def _face(head: Head, x: float, y: float, unit: float, visible: bool) -> Face:
    identity, roll = head.identity, head.pose.roll
    points = [rolled(point, roll, x, y, unit) for point in box_points(head)]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    marks = (
        head.at(-identity.eye_spacing, identity.eye_y),
        head.at(identity.eye_spacing, identity.eye_y),
        head.at(0.0, identity.nose_y, LIFT),
        *corners(head),
    )
    a, b, c, d, e = (rolled(mark, roll, x, y, unit) for mark in marks)
    return Face((min(xs), min(ys), max(xs), max(ys)), (a, b, c, d, e), visible)


def _foot(head: Head) -> tuple[Point, Point]:
    """Foot of the neck on the unrolled canvas, and the same point in the frame of the rolled head."""
    roll = head.pose.roll
    x, y = -math.sin(roll) * PIVOT * 0.9, NECK_FOOT - 0.10 * abs(math.sin(roll))
    cos, sin = math.cos(roll), math.sin(roll)
    return (x, y), (cos * x + sin * y, cos * y - sin * x)


def _draw_from_front(
    canvas: skia.Canvas, head: Head, degrees: float, clothes: Clothes | None, body: Body | None
) -> None:
    foot, foot_in_head = _foot(head)
    canvas.save()
    canvas.rotate(degrees)
    draw_hair_behind_head(canvas, head)
    canvas.restore()
    if body is not None:
        body(canvas, head, foot, foot_in_head)
    if clothes is not None:
        draw_shoulders(canvas, clothes, head, foot)
        canvas.save()
        canvas.rotate(degrees)
        draw_neck(canvas, head, foot_in_head)
        canvas.restore()
        draw_collar(canvas, clothes, head, foot)
    canvas.save()
    canvas.rotate(degrees)
    front = [side for side in (-1, 1) if ear_in_front(head, side)]
    for side in (-1, 1):
        if side not in front and not ears_covered(head.identity):
            draw_ear(canvas, head, side)
    draw_skin(canvas, head)
    draw_marks(canvas, head)
    draw_beard(canvas, head)
    draw_mouth(canvas, head)
    draw_moustache(canvas, head)
    draw_eyes(canvas, head)
    draw_brows(canvas, head)
    draw_nose(canvas, head)
    draw_temples(canvas, head)
    draw_hair(canvas, head)
    if not ears_covered(head.identity):
        for side in front:
            draw_ear(canvas, head, side)
    draw_glasses(canvas, head)
    draw_hat(canvas, head)
    canvas.restore()


def _draw_from_behind(canvas: skia.Canvas, head: Head, degrees: float, clothes: Clothes | None) -> None:
    foot, foot_in_head = _foot(head)
    if clothes is not None:
        draw_shoulders(canvas, clothes, head, foot, behind=True)
        canvas.save()
        canvas.rotate(degrees)
        draw_neck(canvas, head, foot_in_head)
        canvas.restore()
        draw_collar(canvas, clothes, head, foot, behind=True)
    canvas.save()
    canvas.rotate(degrees)
    if not ears_covered(head.identity):
        for side in (-1, 1):
            draw_ear(canvas, head, side)
    draw_back_of_head(canvas, head)
    draw_hair_from_behind(canvas, head)
    draw_hat(canvas, head, behind=True)
    canvas.restore()
