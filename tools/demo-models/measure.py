"""What the shipped detector and embedder make of the film: who is found, and how alike everybody is to those on the list.

    python measure.py                 the table for the film in demo/
    python measure.py --choose 50     candidates for Ada's double, the fittest first: alike, but not too much
    python measure.py --picture OUT   a frame of the film as the models see it

Sightings are compared as the program does it: detector at 640 x 384, five points, crop from the full frame, the best of the
enrolled portraits. A sighting belongs to the character whose box in the ground truth it overlaps most.
"""

from __future__ import annotations

import argparse
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import skia
from cast import CAST, DEMO, double, listed
from crops import align
from evaluate_detector import decode, overlaps
from evaluate_embedder import Embedder
from film import Film
from networks import session

MODELS = DEMO.parent / 'model_repository'
WIDTH, HEIGHT = 640, 384
SCORE = 0.5
"""Of the detector; `score_threshold` of its config.pbtxt."""
TARGET = 0.36
"""Median similarity to Ada that her double should have: more than any stranger's, and well under the threshold."""


class Eyes:
    """Detector and embedder, as shipped."""

    def __init__(self, detector: Path = MODELS / 'demo_face/1/model.onnx', embedder: Path = MODELS / 'demo_embed/1/model.onnx') -> None:
        self.detector = session(detector)
        self.embed = Embedder(embedder)

    def find(self, picture: np.ndarray, score: float = SCORE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (x0, y0, x1, y1), scores and five points of an RGB picture, in its pixels."""
        height, width = picture.shape[:2]
        fitted = max(32, round(WIDTH * height / width / 32 + 0.49) * 32)
        small = cv2.resize(picture, (WIDTH, fitted), interpolation=cv2.INTER_AREA if width > WIDTH else cv2.INTER_LINEAR)
        x = np.ascontiguousarray(small.transpose(2, 0, 1)[None]).astype(np.float32)
        maps = self.detector.run(['537', '538', '539', '540'], {'input.1': x})
        boxes, scores, points = decode([item[0] for item in maps], score)
        gain = np.array([width / WIDTH, height / fitted])
        return boxes * np.tile(gain, 2), scores, points * gain

    def vectors(self, picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Unit vectors of the faces with these landmarks."""
        if len(points) == 0:
            return np.zeros((0, 512), np.float32)
        return self.embed(np.stack([align(picture, item) for item in points]))

    def enrol(self, name: str, photos: Path = DEMO / 'photos') -> np.ndarray:
        """Unit vectors of the portraits of somebody, one for each photo."""
        found = []
        for path in sorted((photos / name).glob('*.jpg')):
            picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            boxes, _, points = self.find(picture)
            if len(boxes) != 1:
                raise SystemExit(f'{path}: {len(boxes)} faces found, one is wanted')
            found.append(self.vectors(picture, points)[0])
        return np.stack(found)


def pictures(path: Path, every: int) -> Iterator[tuple[int, np.ndarray]]:
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0:
                yield index, frame.to_ndarray(format='rgb24')


def sightings(eyes: Eyes, every: int) -> tuple[list[dict], list[dict]]:
    """All detections of the film with their vectors and whose they are, and the rows of the ground truth of the frames looked at."""
    truth = json.loads((DEMO / 'lobby.gt.json').read_text())['frames']
    found, rows = [], []
    for index, picture in pictures(DEMO / 'lobby.mp4', every):
        boxes, scores, points = eyes.find(picture)
        vectors = eyes.vectors(picture, points)
        faces = truth[index]['faces']
        rows.append(truth[index])
        real = np.array([[x, y, x + w, y + h] for x, y, w, h in (face['box'] for face in faces)]).reshape(-1, 4)
        for box, score, vector in zip(boxes, scores, vectors, strict=True):
            share = overlaps(box, real) if len(real) else np.zeros(0)
            best = int(np.argmax(share)) if len(share) else -1
            owner = faces[best]['id'] if best >= 0 and share[best] > 0.3 else 'nobody'
            visible = faces[best]['visible'] if owner != 'nobody' else 0.0
            found.append({'frame': index, 'owner': owner, 'visible': visible, 'score': float(score), 'box': box, 'vector': vector})
    return found, rows


def table(every: int) -> dict:
    """Rows by character: sightings, and similarity (5 %, median, maximum) to everybody on the list and on the ignore list."""
    eyes = Eyes()
    known = [member.person.name for member in CAST if member.role in ('listed', 'ignored')]
    enrolled = {name: eyes.enrol(name) for name in known}
    found, rows = sightings(eyes, every)
    report = {}
    for name in [*(member.person.name for member in CAST), 'nobody']:
        own = [item for item in found if item['owner'] == name]
        clear = sum(face['id'] == name and face['visible'] >= 0.9 for row in rows for face in row['faces'])
        line: dict = {'clear': clear, 'found': sum(item['visible'] >= 0.9 for item in own), 'all': len(own)}
        for other, vectors in enrolled.items():
            if own:
                values = np.array([float((vectors @ item['vector']).max()) for item in own])
                line[other] = [round(float(value), 3) for value in (*np.quantile(values, [0.05, 0.5]), values.max())]
                at = own[int(values.argmax())]
                line[f'{other}_at'] = [at['frame'], round(at['visible'], 2), round(float(at['box'][2] - at['box'][0]))]
        report[name] = line
    report['portraits'] = {
        a: {b: round(float((enrolled[a] @ enrolled[b].T).max()), 3) for b in known if b != a} for a in known
    }
    report['portraits_of_one'] = {a: round(float((enrolled[a] @ enrolled[a].T).min()), 3) for a in known}
    return report


def choose(count: int, every: int) -> list[tuple[float, float, float, int]]:
    """Candidates for Ada's double, played in the double's own visit: 95 %, median and maximum of the similarity, and the seed.

    All are measured on a few frames, then the twelve nearest to TARGET on all of every `every`.
    """
    eyes, film = Eyes(), Film()
    portraits = eyes.enrol('ada')
    start, walk = next((start, walk) for start, walk in film.walks if walk.visit.name == 'nora')
    person = film.people['nora']

    def scores(seed: int, frames: range) -> np.ndarray:
        film.people = {**film.people, 'nora': replace(person, identity=double(seed))}
        values = []
        for frame in frames:
            picture, truth = film.draw(frame)
            picture = np.ascontiguousarray(picture)
            mine = [[x, y, x + w, y + h] for x, y, w, h in (face['box'] for face in truth['faces'] if face['id'] == 'nora')]
            boxes, _, points = eyes.find(picture)
            for box, vector in zip(boxes, eyes.vectors(picture, points), strict=True):
                if mine and overlaps(box, np.array(mine))[0] > 0.3:
                    values.append(float((portraits @ vector).max()))
        return np.array(values or [1.0])

    def judged(seed: int, frames: range) -> tuple[float, float, float, int]:
        values = scores(seed, frames)
        return float(np.quantile(values, 0.95)), float(np.median(values)), float(values.max()), seed

    few, all_ = range(start + 40, start + walk.frames - 30, 24), range(start, start + walk.frames, every)
    first = sorted((judged(seed, few) for seed in range(count)), key=lambda row: abs(row[1] - TARGET) + max(0.0, row[0] - TARGET - 0.12))
    return sorted((judged(row[3], all_) for row in first[:12]), key=lambda row: abs(row[1] - TARGET) + max(0.0, row[2] - TARGET - 0.14))


def draw_seen(path: Path, frame: int, threshold: float) -> None:
    """A frame of the film with what the models find in it: boxes, names and scores."""
    eyes = Eyes()
    known = {member.person.name: member.role for member in CAST if member.role in ('listed', 'ignored')}
    enrolled = {name: eyes.enrol(name) for name in known}
    picture = next(item for index, item in pictures(DEMO / 'lobby.mp4', 1) if index == frame)
    boxes, _, points = eyes.find(picture)
    pixels = np.ascontiguousarray(np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)]))
    canvas = skia.Canvas(pixels, colorType=skia.kRGBA_8888_ColorType, alphaType=skia.kPremul_AlphaType)
    font = skia.Font(skia.Typeface('DejaVu Sans', skia.FontStyle.Bold()), 21)
    for box, vector in zip(boxes, eyes.vectors(picture, points), strict=True):
        best, score = max(((name, float((vectors @ vector).max())) for name, vectors in enrolled.items()), key=lambda pair: pair[1])
        role = known[best] if score >= threshold else 'unknown'
        text, tint = {
            'listed': (f'{best.capitalize()}  {score:.2f}', (214, 52, 52)),
            'ignored': (f'{best.capitalize()}, ignored  {score:.2f}', (38, 120, 132)),
        }.get(role, (f'unknown  {score:.2f}', (84, 84, 96)))
        label(canvas, box, text, tint, font)
    write_png(path, np.ascontiguousarray(pixels[:, :, :3]))


def write_png(path: Path, picture: np.ndarray, colours: int = 255) -> None:
    """A PNG with a palette (k-means of the picture's colours): a third of the size of one with all of them."""
    height, width = picture.shape[:2]
    flat = picture.reshape(-1, 3).astype(np.float32)
    cv2.setRNGSeed(1)
    sample = flat[np.random.default_rng(1).choice(len(flat), 40_000, replace=False)]
    stop = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 20, 0.5)
    _, _, palette = cv2.kmeans(sample, colours, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    palette = np.rint(palette)
    nearest = np.concatenate([((part[:, None] - palette[None]) ** 2).sum(2).argmin(1) for part in np.array_split(flat, 60)])
    rows = np.hstack([np.zeros((height, 1), np.uint8), nearest.reshape(height, width).astype(np.uint8)])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = struct.pack('>IIBBBBB', width, height, 8, 3, 0, 0, 0)
    data = chunk(b'PLTE', palette.astype(np.uint8).tobytes()) + chunk(b'IDAT', zlib.compress(rows.tobytes(), 9))
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + data + chunk(b'IEND', b''))


def label(canvas: skia.Canvas, box: np.ndarray, text: str, tint: tuple[int, int, int], font: skia.Font) -> None:
    x0, y0, x1, y1 = (float(value) for value in box)
    colour = skia.Color(*tint)
    outline = skia.Paint(AntiAlias=True, Color=colour, Style=skia.Paint.kStroke_Style, StrokeWidth=4)
    canvas.drawRoundRect(skia.Rect.MakeLTRB(x0, y0, x1, y1), 8, 8, outline)
    width = font.measureText(text) + 20
    left = min(max(4.0, (x0 + x1 - width) / 2), 1276.0 - width)
    canvas.drawRoundRect(skia.Rect.MakeXYWH(left, y1 + 8, width, 32), 8, 8, skia.Paint(AntiAlias=True, Color=colour))
    canvas.drawString(text, left + 10, y1 + 31, font, skia.Paint(AntiAlias=True, Color=skia.ColorWHITE))


def main() -> None:
    parser = argparse.ArgumentParser(description='Measures the film with the shipped models.')
    parser.add_argument('--every', type=int, default=5)
    parser.add_argument('--choose', type=int, metavar='COUNT')
    parser.add_argument('--picture', type=Path, metavar='OUT')
    parser.add_argument('--frame', type=int, default=0)
    parser.add_argument('--threshold', type=float, default=0.50)
    options = parser.parse_args()
    if options.choose is not None:
        for high, median, most, seed in choose(options.choose, options.every):
            print(f'seed {seed:4}: 95 % {high:.3f}, median {median:.3f}, maximum {most:.3f}')
        return
    if options.picture is not None:
        draw_seen(options.picture, options.frame, options.threshold)
        return
    report = table(options.every)
    width = max(len(name) for name in report)
    for name, line in report.items():
        print(name.ljust(width), json.dumps(line))
    print('listed:', ', '.join(listed()))


if __name__ == '__main__':
    main()
