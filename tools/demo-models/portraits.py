"""Writes the enrolment portraits demo/photos/<name>/{front,left,right}.jpg of everybody in the cast who shows a face.

Plain pale background, other clothes and other light than in the film: what is compared is the face.
"""

from __future__ import annotations

import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import skia
from brush import light, radial
from cast import CAST, DEMO
from characters import Identity, Pose
from clothes import Clothes, random_clothes
from drawing import draw_head
from palette import CLOTH

SIZE, UNIT = 512, 76.0
POSES = {
    'front': Pose(yaw=0.0, smile=0.45, light=-0.4, light_strength=0.45),
    'left': Pose(yaw=-0.22, pitch=0.03, roll=-0.02, smile=0.35, light=0.4, light_strength=0.5),
    'right': Pose(yaw=0.22, pitch=-0.02, roll=0.02, smile=0.6, light=-0.6, light_strength=0.5),
}


def portrait(identity: Identity, pose: Pose, clothes: Clothes, backdrop: int) -> np.ndarray:
    """512 x 512 picture, RGBA."""
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    canvas = skia.Canvas(pixels, colorType=skia.kRGBA_8888_ColorType, alphaType=skia.kPremul_AlphaType)
    tint = light(CLOTH[backdrop], 0.72)
    canvas.clear(skia.Color4f(*tint, 1.0))
    canvas.drawCircle(230, 210, 360, radial((230, 210), 360, light(tint, 0.7), 0.7))
    draw_head(canvas, identity, pose, SIZE / 2, SIZE * 0.47, UNIT, clothes)
    return pixels


def write(directory: Path = DEMO / 'photos') -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for member in CAST:
        person = member.person
        if person.faceless:
            continue
        rng = np.random.default_rng(zlib.crc32(person.name.encode()))
        folder = directory / person.name
        folder.mkdir(parents=True)
        for name, pose in POSES.items():
            clothes = random_clothes(rng)
            while clothes.colour == person.outfit.collar.colour:
                clothes = replace(clothes, colour=int(rng.integers(len(CLOTH))))
            picture = portrait(person.identity, pose, clothes, int(rng.integers(len(CLOTH))))
            cv2.imwrite(str(folder / f'{name}.jpg'), cv2.cvtColor(picture, cv2.COLOR_RGBA2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == '__main__':
    write()
