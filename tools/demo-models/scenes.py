"""Pictures with drawn people in them, and where their faces are: what the detector is trained and measured on.

Each scene has its own random generator, seeded by (seed, index), so that a scene does not depend on how the work was divided.
"""

from __future__ import annotations

import json
import math
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import skia
from backgrounds import any_colour, draw_background, draw_distractor
from brush import fill, line, shade
from characters import random_identity, random_pose
from clothes import random_clothes
from degrade import degrade
from drawing import draw_head
from sources import digest

CACHE = Path(__file__).resolve().parents[2] / '.cache' / 'demo-models'
"""Where bulky products go; never committed."""

MAX_FACES = 8
"""Most faces that a scene holds."""

HIDDEN = 0.25
"""A face of which more than this share is hidden is neither asked for nor counted as false."""

INSIDE = 0.6
"""A face of which less than this share lies inside the picture is neither asked for nor counted as false."""

ABSENT = 0.85
"""A face of which more than this share is hidden is no face."""


@dataclass(frozen=True)
class Faces:
    """The faces of one scene, all in pixels: `boxes` [K, 4] (left, top, right, bottom; may reach out of the picture), `points` [K, 5, 2]
    (x, y) and `hidden` [K], the share of the box that something nearer covers."""

    boxes: np.ndarray
    points: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True)
class Conditions:
    """What scenes look like. `narrowest` and `widest` are widths of faces in pixels; `strength` is that of the degradation."""

    narrowest: float = 16
    widest: float = 240
    people: tuple[float, ...] = (0.10, 0.30, 0.30, 0.20, 0.10)
    """Probability of 0, 1, 2 ... people."""
    behind: float = 0.12
    """Share of people seen from behind."""
    strength: float = 1.0


HARSH, CLEAN = Conditions(), Conditions(strength=0.0)


def scene(height: int, width: int, conditions: Conditions, rng: np.random.Generator) -> tuple[np.ndarray, Faces]:
    """One picture, RGB uint8 [height, width, 3], and its faces; nearer (larger) people stand before farther ones."""
    pixels = np.zeros((height, width, 4), np.uint8)
    draw_background(skia.Surface(pixels).getCanvas(), width, height, rng)
    picture = pixels[..., :3].astype(np.float32)
    count = int(rng.choice(len(conditions.people), p=conditions.people))
    widths = np.sort(np.exp(rng.uniform(np.log(conditions.narrowest), np.log(conditions.widest), count)))
    boxes, points, hidden = [], [], []
    for face_width in widths:
        unit = float(face_width) / 2
        layer = np.zeros((height, width, 4), np.uint8)
        canvas = skia.Surface(layer).getCanvas()
        face = _person(canvas, height, width, unit, conditions, rng)
        _cover(picture, layer, hidden)
        if face is not None:
            boxes.append(np.array(face.box, np.float32))
            points.append(np.array(face.landmarks, np.float32))
            hidden.append(np.zeros((height, width), bool))
            if rng.random() < 0.12:
                layer = np.zeros((height, width, 4), np.uint8)
                _hide(skia.Surface(layer).getCanvas(), face.box, rng)
                _cover(picture, layer, hidden)
    if rng.random() < 0.25:
        layer = np.zeros((height, width, 4), np.uint8)
        draw_distractor(skia.Surface(layer).getCanvas(), rng, rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.05, 0.4) * width)
        _cover(picture, layer, hidden)
    strength = conditions.strength * (0.3 if rng.random() < 0.25 else 1.0)
    picture = degrade((picture + 0.5).clip(0, 255).astype(np.uint8), rng, strength)
    shares = [_share(mask, box) for mask, box in zip(hidden, boxes, strict=True)]
    return picture, Faces(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(points, np.float32).reshape(-1, 5, 2), np.array(shares, np.float32).reshape(-1)
    )


def _person(canvas: skia.Canvas, height: int, width: int, unit: float, conditions: Conditions, rng: np.random.Generator):
    """Draws somebody; returns the face, or nothing for one seen from behind."""
    behind = bool(rng.random() < conditions.behind)
    identity, pose = random_identity(rng, cast=bool(rng.random() < 0.3)), random_pose(rng, spread=float(rng.choice([1.0, 1.4])))
    x = rng.uniform(-0.2 * unit, width + 0.2 * unit)
    y = rng.uniform(-0.2 * unit, height + 0.2 * unit)
    if rng.random() < 0.75:
        # Mostly well inside, as people are where a camera was put for them.
        x = rng.uniform(min(unit, width / 2), max(width - unit, width / 2))
        y = rng.uniform(min(1.3 * unit, height / 2), max(height - 1.2 * unit, height / 2))
    dressed = rng.random() < 0.9
    if dressed and rng.random() < 0.5:
        _body(canvas, x, y, unit, rng)
    clothes = random_clothes(rng) if dressed else None
    face = draw_head(canvas, identity, pose, float(x), float(y), unit, clothes=clothes, behind=behind)
    return None if behind else face


def _body(canvas: skia.Canvas, x: float, y: float, unit: float, rng: np.random.Generator) -> None:
    """A simple body below the shoulders, so that people do not end there."""
    cloth, trousers = any_colour(rng), any_colour(rng)
    wide = rng.uniform(1.0, 1.4)
    for side in (-1, 1):
        step = rng.uniform(-0.5, 0.5)
        canvas.drawLine(x + side * 0.5 * unit, y + 4.2 * unit, x + (side * 0.5 + step) * unit, y + 6.6 * unit, line(trousers, 0.75 * unit))
        swing = rng.uniform(-0.5, 0.5)
        canvas.drawLine(
            x + side * wide * unit, y + 2.2 * unit, x + (side * (wide + 0.15) + swing) * unit, y + 4.0 * unit, line(shade(cloth, 0.15), 0.55 * unit)
        )
    canvas.drawRoundRect(
        skia.Rect.MakeLTRB(x - wide * unit, y + 1.7 * unit, x + wide * unit, y + 4.5 * unit), 0.6 * unit, 0.6 * unit, fill(cloth)
    )


def _hide(canvas: skia.Canvas, box: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    """Holds something before a part of a face, sometimes before all of it: a paper, an umbrella, a hand's width of scarf."""
    x0, y0, x1, y1 = box
    wide, high = x1 - x0, y1 - y0
    kind, colour = rng.random(), any_colour(rng)
    if kind < 0.4:
        cx, cy = rng.uniform(x0, x1), rng.uniform(y0 + 0.2 * high, y1 + 0.3 * high)
        half_w, half_h = wide * rng.uniform(0.3, 0.9), high * rng.uniform(0.2, 0.7)
        canvas.drawRect(skia.Rect.MakeLTRB(cx - half_w, cy - half_h, cx + half_w, cy + half_h), fill(colour))
        for at in np.arange(cy - half_h * 0.8, cy + half_h * 0.8, max(2.0, half_h / 5)):
            canvas.drawLine(cx - half_w * 0.8, at, cx + half_w * rng.uniform(0.2, 0.8), at, line(shade(colour, 0.4), max(0.7, half_h / 15)))
    elif kind < 0.7:
        canvas.drawCircle((x0 + x1) / 2 + rng.normal(0, 0.3) * wide, y0 + rng.uniform(-0.2, 0.6) * high, rng.uniform(0.5, 1.1) * wide, fill(colour))
    else:
        draw_distractor(canvas, rng, rng.uniform(x0, x1), rng.uniform(y0, y1), wide * rng.uniform(0.3, 1.4))


def _cover(picture: np.ndarray, layer: np.ndarray, hidden: list) -> None:
    """Lays `layer` (RGBA, colours not multiplied) over the picture and notes which faces it covers."""
    picture += (layer[..., :3] - picture) * (layer[..., 3:].astype(np.float32) / 255)
    for mask in hidden:
        mask |= layer[..., 3] > 127


def _share(mask: np.ndarray, box: np.ndarray) -> float:
    """The share of the visible part of a box that the mask covers."""
    height, width = mask.shape
    x0, y0 = (max(0, math.floor(v)) for v in box[:2])
    x1, y1 = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    part = mask[y0:y1, x0:x1]
    return float(part.mean()) if part.size else 0.0


def clip(boxes: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes cut at the border of a picture, and the share of each that is inside. The decoder of the network cuts in the same way."""
    cut = np.stack([boxes[:, 0].clip(0, width), boxes[:, 1].clip(0, height), boxes[:, 2].clip(0, width), boxes[:, 3].clip(0, height)], 1)
    inside = (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1]) / ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return cut, inside


def wanted(inside: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """For each face 1 (must be found), 0 (may be found) or -1 (is none)."""
    clear = (inside >= INSIDE) & (hidden <= HIDDEN)
    return np.where(clear, 1, np.where((hidden > ABSENT) | (inside <= 0.05), -1, 0))


def scene_set(folder: Path, name: str, count: int, height: int, width: int, conditions: Conditions, seed: int, processes: int = 2):
    """`count` scenes in `folder`, drawn where they are not there yet for the same numbers from the same code. Returns the pictures, uint8
    [count, height, width, 3] mapped from the disk, and the faces, float32 [count, MAX_FACES, 15] (box, points, hidden; NaN where there
    is none)."""
    folder.mkdir(parents=True, exist_ok=True)
    note, pictures, faces = folder / f'{name}.json', folder / f'{name}.npy', folder / f'{name}-faces.npy'
    asked = {'count': count, 'size': [height, width], 'seed': seed, 'conditions': repr(conditions), 'code': digest('scenes')}
    if not note.exists() or json.loads(note.read_text()) != asked:
        note.unlink(missing_ok=True)
        np.lib.format.open_memmap(pictures, 'w+', np.uint8, (count, height, width, 3)).flush()
        step = 50
        parts = [(pictures, conditions, seed, start, min(start + step, count)) for start in range(0, count, step)]
        found = np.full((count, MAX_FACES, 15), np.nan, np.float32)
        with multiprocessing.get_context('spawn').Pool(processes) as pool:
            for part, rows in zip(parts, pool.imap(_draw_part, parts), strict=True):
                found[part[3] : part[4]] = rows
                if part[4] % 500 == 0:
                    print(f'{part[4]} of {count} scenes', flush=True)
        np.save(faces, found)
        note.write_text(json.dumps(asked))
    return np.load(pictures, mmap_mode='r'), np.load(faces)


def _draw_part(part: tuple[Path, Conditions, int, int, int]) -> np.ndarray:
    path, conditions, seed, start, stop = part
    cv2.setNumThreads(1)
    stored = np.load(path, mmap_mode='r+')
    rows = np.full((stop - start, MAX_FACES, 15), np.nan, np.float32)
    for index in range(start, stop):
        picture, faces = scene(stored.shape[1], stored.shape[2], conditions, np.random.default_rng([seed, index]))
        stored[index] = picture
        count = len(faces.boxes)
        rows[index - start, :count] = np.hstack([faces.boxes, faces.points.reshape(count, 10), faces.hidden[:, None]])
    stored.flush()
    return rows

