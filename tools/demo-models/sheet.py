"""Contact sheets of characters, to look at them."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import skia

from brush import argb, fill, light
from characters import BEARDS, GLASSES, HAIR_STYLES, HATS, NOSES, Identity, Pose, random_identity, random_pose, sibling
from clothes import random_clothes
from drawing import Face, draw_head
from palette import CLOTH

CACHE = Path(__file__).resolve().parents[2] / '.cache' / 'demo-models'
KINDS = ('people', 'cast', 'hair', 'hats', 'beards', 'glasses', 'noses', 'turns', 'behind', 'faces', 'siblings')


def variants(kind: str, rng: np.random.Generator, columns: int, rows: int) -> list[tuple[Identity, Pose, bool]]:
    """Identity, pose and whether seen from behind for every cell of the sheet, row by row."""
    cells: list[tuple[Identity, Pose, bool]] = []
    yaws = np.linspace(-0.65, 0.65, columns)
    for row in range(rows):
        person = random_identity(rng, cast=kind == 'cast')
        if kind in ('hair', 'behind'):
            person = replace(person, hair=HAIR_STYLES[row % len(HAIR_STYLES)], hat='none')
        if kind == 'hats':
            person = replace(person, hat=HATS[1 + row % (len(HATS) - 1)])
        if kind == 'beards':
            person = replace(person, beard=BEARDS[1 + row % (len(BEARDS) - 1)], hat='none')
        if kind == 'glasses':
            person = replace(person, glasses=GLASSES[1 + row % (len(GLASSES) - 1)], hat='none')
        if kind == 'noses':
            person = replace(person, nose=NOSES[row % len(NOSES)], hat='none', beard='none', glasses='none')
        for column in range(columns):
            pose = random_pose(rng)
            who = person
            if kind in ('people', 'cast', 'faces'):
                who = random_identity(rng, cast=kind == 'cast')
            elif kind == 'siblings':
                who = person if column % 2 == 0 else sibling(person, rng)
            if kind in ('turns', 'hair', 'hats', 'beards', 'glasses', 'noses', 'behind'):
                pose = replace(pose, yaw=float(yaws[column]), blink=0.0)
            cells.append((who, pose, kind == 'behind' and column % 2 == 1))
    return cells


def draw_sheet(
    kind: str, seed: int, columns: int, rows: int, size: int, unit: float, overlay: bool
) -> tuple[np.ndarray, float]:
    """The sheet as RGBA, and the mean seconds per head."""
    rng = np.random.default_rng(seed)
    image = np.zeros((rows * size, columns * size, 4), np.uint8)
    canvas = skia.Surface(image).getCanvas()
    spent = 0.0
    cells = variants(kind, rng, columns, rows)
    for i, (identity, pose, behind) in enumerate(cells):
        left, top = (i % columns) * size, (i // columns) * size
        canvas.save()
        canvas.clipRect(skia.Rect.MakeXYWH(left, top, size, size))
        canvas.clear(argb(light(CLOTH[int(rng.integers(len(CLOTH)))], 0.6)))
        clothes = random_clothes(rng)
        start = time.process_time()
        face = draw_head(canvas, identity, pose, left + size / 2, top + size * 0.47, unit, clothes, behind)
        spent += time.process_time() - start
        if overlay:
            draw_overlay(canvas, face)
        canvas.restore()
    return image, spent / len(cells)


def draw_overlay(canvas: skia.Canvas, face: Face) -> None:
    """Box and landmarks, for checking them by eye."""
    pen = skia.Paint(AntiAlias=True, Color=argb((0.1, 0.9, 0.2)), Style=skia.Paint.kStroke_Style, StrokeWidth=1)
    canvas.drawRect(skia.Rect.MakeLTRB(*face.box), pen)
    for x, y in face.landmarks:
        canvas.drawCircle(x, y, 1.6, fill((0.1, 0.3, 1.0)))


def main() -> None:
    """Writes one sheet as PNG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('kind', choices=KINDS, nargs='?', default='people')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--columns', type=int, default=10)
    parser.add_argument('--rows', type=int, default=6)
    parser.add_argument('--size', type=int, default=150, help='side of a cell in pixels')
    parser.add_argument('--unit', type=float, default=0.0, help='half the width of a face in pixels; 0.27 of size if 0')
    parser.add_argument('--overlay', action='store_true', help='draw boxes and landmarks')
    parser.add_argument('--out', type=Path, default=None)
    args = parser.parse_args()
    unit = args.unit or args.size * 0.27
    image, seconds = draw_sheet(args.kind, args.seed, args.columns, args.rows, args.size, unit, args.overlay)
    out = args.out or CACHE / f'sheet-{args.kind}.png'
    out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out), cv2.cvtColor(image, cv2.COLOR_RGBA2BGR))
    print(f'{out}: {1000 * seconds:.2f} ms per head')


if __name__ == '__main__':
    main()
