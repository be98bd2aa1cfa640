"""Renders the film of the lobby and its ground truth: demo/lobby.mp4 and demo/lobby.gt.json.

    python film.py                        the film
    python film.py --sheet OUT.png 4 6.5  pictures of these seconds side by side, to look at
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import skia
from body import Stance
from cast import CAST, DEMO, listed, people
from drawing import Face
from perspective import FLOOR, HEIGHT, LIFT, WIDTH
from room import Room, surface
from story import FPS, SECONDS, VISITS, Walk, lift_at
from walkers import body_box, draw_person

Box = tuple[float, float, float, float]
FRAMES = SECONDS * FPS


@dataclass(frozen=True)
class Present:
    """Somebody who is in the room in one frame."""

    name: str
    stance: Stance
    x: float
    feet: float
    unit: float

    @property
    def in_lift(self) -> bool:
        return self.feet < FLOOR + 1


class Film:
    """Every frame of the film, with what is to be seen in it."""

    def __init__(self) -> None:
        self.people = people()
        self.room = Room()
        self.walks = [(round(visit.start * FPS), Walk(visit, self.people[visit.name].size)) for visit in VISITS]
        self.pixels, self.canvas = surface()

    def present(self, frame: int) -> list[Present]:
        """Who is there, the farthest first."""
        found = []
        for start, walk in self.walks:
            if start <= frame < start + walk.frames:
                found.append(Present(walk.visit.name, *walk.at(frame - start)))
        return sorted(found, key=lambda item: item.feet)

    def draw(self, frame: int) -> tuple[np.ndarray, dict]:
        """The picture (height, width, RGB) and its ground truth."""
        seconds = frame / FPS
        here = self.present(frame)
        opening, floor = lift_at(seconds)
        faces: dict[int, Face] = {}

        def place(canvas: skia.Canvas, index: int) -> None:
            item = here[index]
            faces[index] = draw_person(canvas, self.people[item.name], item.stance, item.x, item.feet, item.unit)

        def riders(canvas: skia.Canvas) -> None:
            for index, item in enumerate(here):
                if item.in_lift:
                    place(canvas, index)

        self.room.draw_back(self.canvas, seconds, opening, floor, riders)
        for index, item in enumerate(here):
            if not item.in_lift:
                place(self.canvas, index)
        self.room.draw_front(self.canvas)
        return self.pixels[:, :, :3], self._truth(frame, here, faces, opening)

    def _truth(self, frame: int, here: list[Present], faces: dict[int, Face], opening: float) -> dict:
        rows: list[dict] = []
        persons: list[dict] = []
        for index, item in enumerate(here):
            within = doorway(opening) if item.in_lift else (0.0, 0.0, float(WIDTH), float(HEIGHT))
            body = body_box(self.people[item.name], item.stance, item.x, item.feet, item.unit)
            if inside(body, within) > 0 and (opening > 0 or not item.in_lift):
                persons.append({'id': item.name, 'box': row(body), 'visible': round(inside(body, within), 3)})
            face = faces.get(index)
            if face is None or not face.visible:
                continue
            seen = inside(face.box, within) * self._uncovered(face.box, here[index + 1 :])
            if seen > 0.001:
                points = [[round(x, 1), round(y, 1)] for x, y in face.landmarks]
                rows.append({'id': item.name, 'box': row(face.box), 'visible': round(seen, 3), 'kps': points})
        return {'i': frame, 'faces': rows, 'persons': persons}

    def _uncovered(self, box: Box, nearer: list[Present]) -> float:
        """The share of a face that nobody nearer hides: they are drawn again, on nothing."""
        nearer = [item for item in nearer if overlap(box, body_box(self.people[item.name], item.stance, item.x, item.feet, item.unit))]
        if not nearer:
            return 1.0
        width, height = max(1, round(box[2] - box[0])), max(1, round(box[3] - box[1]))
        pixels = np.zeros((height, width, 4), np.uint8)
        canvas = skia.Canvas(pixels, colorType=skia.kRGBA_8888_ColorType, alphaType=skia.kPremul_AlphaType)
        canvas.translate(-box[0], -box[1])
        for item in nearer:
            draw_person(canvas, self.people[item.name], item.stance, item.x, item.feet, item.unit)
        return float(np.mean(pixels[:, :, 3] < 128))


def row(box: Box) -> list[float]:
    """x, y, width, height."""
    return [round(box[0], 1), round(box[1], 1), round(box[2] - box[0], 1), round(box[3] - box[1], 1)]


def doorway(opening: float) -> Box:
    """What the panels of the lift leave open."""
    middle, half = (LIFT[0] + LIFT[2]) / 2, (LIFT[2] - LIFT[0]) / 2 * opening
    return middle - half, LIFT[1], middle + half, LIFT[3]


def inside(box: Box, within: Box) -> float:
    """The share of the box that lies within another."""
    width = min(box[2], within[2]) - max(box[0], within[0])
    height = min(box[3], within[3]) - max(box[1], within[1])
    return max(0.0, width) * max(0.0, height) / ((box[2] - box[0]) * (box[3] - box[1]))


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def intervals(frames: list[dict], key: str, least: float) -> list[dict]:
    """One for each visit: from the first to the last frame in which that much of the person shows."""
    found: list[dict] = []
    for visit, (start, end) in zip(VISITS, spans(), strict=True):
        shown = [
            frame['i'] for frame in frames[start:end] for item in frame[key] if item['id'] == visit.name and item['visible'] >= least
        ]
        if shown:
            found.append({'id': visit.name, 'from': shown[0], 'to': shown[-1]})
    return sorted(found, key=lambda item: (item['from'], item['id']))


def spans() -> list[tuple[int, int]]:
    """First frame of each visit and the one after its last."""
    starts = [round(visit.start * FPS) for visit in VISITS]
    cast = people()
    return [(start, start + Walk(visit, cast[visit.name].size).frames) for start, visit in zip(starts, VISITS, strict=True)]


def write_truth(frames: list[dict], path: Path) -> None:
    shown = {item['id'] for frame in frames for item in frame['faces']}
    truth = {
        'clip': 'lobby.mp4',
        'width': WIDTH,
        'height': HEIGHT,
        'fps': FPS,
        'frame_count': len(frames),
        'codec': 'h264',
        'kind': 'drawn',
        'source': 'tools/demo-models/film.py',
        'gt_method': 'Exact by construction. "visible" is the share of the box inside the picture (in the lift: inside its doorway) that '
        'nobody nearer hides. Intervals: face at least 0.9 visible, half of the body inside the picture; one for each visit, from the first such frame to the last.',
        'watchlist': listed(),
        'ignored': [member.person.name for member in CAST if member.role == 'ignored'],
        'unknown': sorted(shown - set(listed()) - {member.person.name for member in CAST if member.role == 'ignored'}),
        'face_intervals': intervals(frames, 'faces', 0.9),
        'person_intervals': intervals(frames, 'persons', 0.5),
    }
    lines = ',\n'.join(f'  {json.dumps(frame, separators=(",", ":"))}' for frame in frames)
    path.write_text(json.dumps(truth, indent=1)[:-2] + ',\n "frames": [\n' + lines + '\n ]\n}\n')


def encode(pictures: Iterator[np.ndarray], path: Path, crf: float) -> None:
    """H.264 without B-frames, a key frame every two seconds. One thread: the same bytes from the same encoder."""
    options = {
        'preset': 'slow', 'tune': 'animation', 'crf': str(crf), 'profile': 'high',
        'x264-params': 'bframes=0:keyint=50:min-keyint=50:scenecut=0:threads=1:colorprim=bt709:transfer=bt709:colormatrix=bt709',
    }  # fmt: skip
    with av.open(str(path), 'w', options={'movflags': '+faststart', 'fflags': '+bitexact'}) as container:
        stream = container.add_stream('libx264', rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format='rgb24')
            frame = frame.reformat(format='yuv420p', src_colorspace='ITU709', dst_colorspace='ITU709', dst_color_range='MPEG')
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def render(crf: float) -> None:
    film, truths = Film(), []

    def pictures() -> Iterator[np.ndarray]:
        for frame in range(FRAMES):
            picture, truth = film.draw(frame)
            truths.append(truth)
            yield picture

    DEMO.mkdir(parents=True, exist_ok=True)
    encode(pictures(), DEMO / 'lobby.mp4', crf)
    write_truth(truths, DEMO / 'lobby.gt.json')
    print(f'{(DEMO / "lobby.mp4").stat().st_size} bytes')


def sheet(path: Path, seconds: list[float], columns: int, boxes: bool, crop: list[int] | None) -> None:
    """Pictures of these seconds in one, half size (or a part of them in full)."""
    film, tiles = Film(), []
    for at in seconds:
        picture, truth = film.draw(round(at * FPS))
        picture = np.ascontiguousarray(np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)]))
        if boxes:
            canvas = skia.Canvas(picture, colorType=skia.kRGBA_8888_ColorType)
            for kind, tint in (('persons', skia.ColorBLUE), ('faces', skia.ColorRED)):
                for item in truth[kind]:
                    x, y, w, h = item['box']
                    canvas.drawRect(skia.Rect.MakeXYWH(x, y, w, h), skia.Paint(Color=tint, Style=skia.Paint.kStroke_Style, StrokeWidth=2))
                    for px, py in item.get('kps', []):
                        canvas.drawCircle(px, py, 2.5, skia.Paint(Color=tint))
        tile = picture[::2, ::2] if crop is None else picture[crop[1] : crop[3], crop[0] : crop[2]]
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    skia.Image.fromarray(np.ascontiguousarray(np.vstack(rows)), colorType=skia.kRGBA_8888_ColorType).save(str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description='Renders the film of the lobby.')
    parser.add_argument('--crf', type=float, default=28.3)
    parser.add_argument('--sheet', type=Path)
    parser.add_argument('--columns', type=int, default=3)
    parser.add_argument('--boxes', action='store_true')
    parser.add_argument('--crop', type=int, nargs=4)
    parser.add_argument('seconds', type=float, nargs='*')
    options = parser.parse_args()
    if options.sheet is not None:
        sheet(options.sheet, options.seconds, options.columns, options.boxes, options.crop)
    else:
        render(options.crf)


if __name__ == '__main__':
    main()
