"""Hair on the head, in front of the face and from behind."""

from __future__ import annotations

import skia
from brush import add_smooth
from characters import Identity
from head import Head


def ears_covered(identity: Identity) -> bool:
    """Whether the hair hides the ears."""
    return identity.hair in ('bob', 'long', 'wavy', 'curtains')


def draw_hair(canvas: skia.Canvas, head: Head) -> None:
    """The cap of hair."""
    if head.identity.hair == 'bald':
        return
    v = -head.identity.hairline
    path = skia.Path()
    add_smooth(path, head.skull(0.08 * head.identity.hair_volume), move=True)
    add_smooth(path, head.along([(0.98, 0.0), (0.9, -0.4), (0.5, v), (0.0, v), (-0.5, v), (-0.9, -0.4), (-0.98, 0.0)]))
    path.close()
    canvas.drawPath(path, head.shaded(head.hair, (0.0, -0.6), 0.9))


def draw_hair_from_behind(canvas: skia.Canvas, head: Head) -> None:
    """The back of the head full of hair."""
    if head.identity.hair == 'bald':
        return
    path = skia.Path()
    add_smooth(path, [*head.skull(0.08 * head.identity.hair_volume), (0.7, 0.7), (0.0, 0.8), (-0.7, 0.7)], closed=True, move=True)
    canvas.drawPath(path, head.shaded(head.hair, (0.0, -0.3), 1.1))
