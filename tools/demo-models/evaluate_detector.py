"""What the exported detector does on characters that it never saw: accuracy, time, channel order, and real footage.

Everything is measured with onnxruntime on the file that is shipped, decoded as CenterFace is. `evaluate` returns plain numbers for the
model card; `limits` says which of them must hold.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import cv2
import figures as card
import numpy as np
from detector import MODEL
from networks import session
from scenes import CACHE, CLEAN, HARSH, clip, scene_set, wanted

THRESHOLD = 0.5
"""The score from which the shipped model reports a face; `score_threshold` of its config.pbtxt."""

HEIGHT, WIDTH = 384, 640
SEED_OF_EVALUATION = 90_001
"""Far from every training seed, so that no character and no scene is shared."""

BANDS = {'all': (0, 1e9), '16 to 32': (0, 32), '32 to 64': (32, 64), 'over 64': (64, 1e9), '32 and more': (32, 1e9)}
"""Widths of faces in pixels."""


def decode(outputs, threshold: float, nms: float = 0.3):
    """Boxes [M, 4], scores [M] and points [M, 5, 2] (x, y) of one picture's maps (without batch axis), best first, as CenterFace's
    reference decoder finds them: corners held inside the picture, points counted from the held corner."""
    heat, size, offset, points = outputs
    rows, columns = heat.shape[-2:]
    r, c = np.where(heat[0] > threshold)
    h, w = 4 * np.exp(size[0, r, c]), 4 * np.exp(size[1, r, c])
    x0 = np.clip((c + offset[1, r, c] + 0.5) * 4 - w / 2, 0, columns * 4)
    y0 = np.clip((r + offset[0, r, c] + 0.5) * 4 - h / 2, 0, rows * 4)
    boxes = np.stack([x0, y0, np.minimum(x0 + w, columns * 4), np.minimum(y0 + h, rows * 4)], 1)
    marks = np.stack([points[1::2, r, c] * w + x0, points[0::2, r, c] * h + y0], -1).transpose(1, 0, 2)
    scores, kept = heat[0, r, c], []
    order = np.argsort(-scores)
    while len(order):
        kept.append(order[0])
        order = order[1:][overlaps(boxes[order[0]], boxes[order[1:]], extra=1.0) < nms]
    return boxes[kept], scores[kept], marks[kept]


def overlaps(box: np.ndarray, others: np.ndarray, extra: float = 0.0) -> np.ndarray:
    """Intersection over union of one box with many; `extra` is added to all widths and heights."""
    wide = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0]) + extra
    high = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1]) + extra
    both = np.maximum(wide, 0) * np.maximum(high, 0)
    area = (box[2] - box[0] + extra) * (box[3] - box[1] + extra)
    areas = (others[:, 2] - others[:, 0] + extra) * (others[:, 3] - others[:, 1] + extra)
    return both / (area + areas - both)


def detect(running, picture: np.ndarray, threshold: float):
    """`decode` of one RGB picture [H, W, 3] whose sides are multiples of 32."""
    x = np.ascontiguousarray(picture.transpose(2, 0, 1)[None]).astype(np.float32)
    outputs = running.run(['537', '538', '539', '540'], {'input.1': x})
    return decode([output[0] for output in outputs], threshold)


def judge(found: list, faces: np.ndarray, height: int, width: int, low: float, high: float) -> dict:
    """Average precision at IoU 0.5 over faces from `low` to `high` pixels wide; faces of other sizes, cut or hidden ones may be found
    but need not be. Recall, precision, IoU and errors of landmarks are those at THRESHOLD."""
    scored, asked, errors, ious, hits, false_alarms = [], 0, [], [], 0, 0
    for (boxes, scores, marks), rows in zip(found, faces, strict=True):
        rows = rows[~np.isnan(rows[:, 0])]
        cut, inside = clip(rows[:, :4], height, width)
        count = wanted(inside, rows[:, 14])
        wide = rows[:, 2] - rows[:, 0]
        of_band = (wide >= low) & (wide < high)
        asked += int(((count == 1) & of_band).sum())
        free = np.ones(len(rows), bool)
        for box, score, mark in zip(boxes, scores, marks, strict=True):
            iou = overlaps(box, cut) * (count >= 0) if len(rows) else np.zeros(0)
            best = int(np.argmax(iou * free)) if len(rows) else -1
            if best < 0 or iou[best] * free[best] < 0.5:
                # Unmatched: wrong, unless it lies on a face that may be found, or is itself of another size.
                near = len(rows) > 0 and bool((iou[count == 0] > 0.3).any())
                if not near and low <= box[2] - box[0] < high:
                    scored.append((score, False))
                    false_alarms += score >= THRESHOLD
                continue
            free[best] = False
            if count[best] == 0 or not of_band[best]:
                continue
            scored.append((score, True))
            if score >= THRESHOLD:
                hits += 1
                ious.append(iou[best])
                if inside[best] > 0.999:
                    distance = np.linalg.norm(mark - rows[best, 4:14].reshape(5, 2), axis=1) / wide[best]
                    errors.append(distance.mean())
    return {
        'faces': asked,
        'ap': average_precision(scored, asked),
        'recall': hits / max(asked, 1),
        'false_alarms_per_picture': false_alarms / len(found),
        'iou': float(np.mean(ious)) if ious else 0.0,
        'landmark_error': float(np.mean(errors)) if errors else 1.0,
        'landmark_error_median': float(np.median(errors)) if errors else 1.0,
        'landmark_error_95': float(np.quantile(errors, 0.95)) if errors else 1.0,
    }


def average_precision(scored: list[tuple[float, bool]], asked: int) -> float:
    """Area under precision over recall, precision made monotonic (as PASCAL VOC from 2010 on)."""
    if not scored or not asked:
        return 0.0
    right = np.array([hit for _, hit in sorted(scored, key=lambda pair: -pair[0])])
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    recall = hits / asked
    return float(np.sum(np.diff(np.concatenate([[0], recall])) * precision))


def accuracy(running, folder: Path, name: str, count: int, conditions, seed: int) -> dict:
    """`judge` for all bands on `count` scenes of the shipped model's usual size."""
    pictures, faces = scene_set(folder, name, count, HEIGHT, WIDTH, conditions, seed)
    found = [detect(running, picture, 0.05) for picture in pictures]
    return {band: judge(found, faces, HEIGHT, WIDTH, *limits) for band, limits in BANDS.items()}


def swapped_recall(running, folder: Path, count: int = 100) -> dict:
    """Recall at THRESHOLD on clean scenes in the right order of channels and with red and blue exchanged."""
    pictures, faces = scene_set(folder, 'evaluation-clean', count, HEIGHT, WIDTH, CLEAN, SEED_OF_EVALUATION + 1)
    orders = {'rgb': slice(None), 'bgr': slice(None, None, -1)}
    return {
        name: judge([detect(running, picture[..., order], 0.05) for picture in pictures], faces, HEIGHT, WIDTH, 0, 1e9)['recall']
        for name, order in orders.items()
    }


def milliseconds(sessions: dict, rounds: int = 15) -> dict[str, float]:
    """Median processor time of one 640x384 picture on one thread, the networks taking turns. Not the time on the clock: what else the
    machine does would be in it."""
    x = np.random.default_rng(0).uniform(0, 255, (1, 3, HEIGHT, WIDTH)).astype(np.float32)
    times = {name: [] for name in sessions}
    for _ in range(rounds + 3):
        for name, running in sessions.items():
            begun = time.thread_time()
            running.run(None, {'input.1': x})
            times[name].append(1000 * (time.thread_time() - begun))
    return {name: round(float(np.median(values[3:])), 2) for name, values in times.items()}


def with_float_weights(path: Path) -> bytes:
    """The same network with its 8-bit weights widened once. As it is stored, onnxruntime widens them again for every picture, which is
    not part of what the network itself costs."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type != 'DequantizeLinear' or any(name and name not in stored for name in node.input):
            kept.append(node)
            continue
        values, scale, *zero = (stored[name].astype(np.float32) for name in node.input if name)
        shape = [1] * values.ndim
        if scale.ndim:
            shape[next((attribute.i for attribute in node.attribute if attribute.name == 'axis'), 1)] = -1
        wide = (values - (zero[0].reshape(shape) if zero else 0)) * scale.reshape(shape)
        model.graph.initializer.append(numpy_helper.from_array(wide.astype(np.float32), node.output[0]))
    if len(kept) == len(model.graph.node):
        raise ValueError(f'{path.name} has no weights to widen')
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model.SerializeToString()


def footage(running, data: Path, every: int = 5) -> dict:
    """For each clip of real people: frames looked at, frames with a detection at THRESHOLD, highest score. Of the car park, where
    nobody is, every frame is looked at."""
    import av

    results = {}
    for path in sorted((data / 'clips').glob('*.mp4')):
        frames = fired = boxes = 0
        highest = 0.0
        with av.open(str(path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index % every and not path.stem.startswith('neg_'):
                    continue
                picture = cv2.resize(frame.to_ndarray(format='rgb24'), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
                _, scores, _ = detect(running, picture, 0.01)
                frames += 1
                fired += bool((scores > THRESHOLD).any())
                boxes += int((scores > THRESHOLD).sum())
                highest = max(highest, float(scores.max()) if len(scores) else 0.0)
        results[path.stem] = {'frames': frames, 'fired': fired, 'boxes': boxes, 'highest_score': round(highest, 3)}
    return results


def photos(running, data: Path) -> dict:
    """How many of the photos of real faces it fires on, longer side 480."""
    paths = sorted((data / 'photos').glob('*/*.jpg'))
    fired = 0
    for path in paths:
        picture = cv2.imread(str(path))[..., ::-1]
        scale = 480 / max(picture.shape[:2])
        sides = [max(32, 32 * round(side * scale / 32)) for side in picture.shape[:2]]
        _, scores, _ = detect(running, cv2.resize(np.ascontiguousarray(picture), (sides[1], sides[0]), interpolation=cv2.INTER_AREA), THRESHOLD)
        fired += len(scores) > 0
    return {'photos': len(paths), 'fired': fired}


def data_folder() -> Path | None:
    """The project's test data, where there are any (as `test/support/data.ts` finds them)."""
    folder = Path(os.environ.get('SIGHTLINE_DATA', Path(__file__).resolve().parents[3] / 'shared' / 'data'))
    return folder if (folder / 'manifest.json').exists() else None


def evaluate(model: Path, folder: Path, count: int = 300) -> dict:
    """All figures. Those that need the real CenterFace or real footage are missing where there are none on this machine."""
    running = session(model)
    figures = {
        'harsh': accuracy(running, folder, 'evaluation-harsh', count, HARSH, SEED_OF_EVALUATION),
        'clean': accuracy(running, folder, 'evaluation-clean', 100, CLEAN, SEED_OF_EVALUATION + 1),
        'recall_by_channel_order': swapped_recall(running, folder),
    }
    data = data_folder()
    sessions = {'demo_face': running}
    if data is not None:
        figures['footage'] = footage(running, data)
        figures['photos'] = photos(running, data)
        real = data / 'models' / 'centerface_int8w.onnx'
        sessions |= {'centerface': session(real), 'centerface with float weights': session(with_float_weights(real))}
    figures['milliseconds'] = milliseconds(sessions)
    return figures


def shares_of_time(times: dict[str, float]) -> dict[str, float]:
    """The time of the demo's detector as a share of each other network's."""
    return {name: times['demo_face'] / other for name, other in times.items() if name != 'demo_face'}


def limits(figures: dict) -> list[str]:
    """What is not as good as the demo needs it, in words; empty when all is well."""
    harsh, swapped = figures['harsh']['32 and more'], figures['recall_by_channel_order']
    checks = [
        (harsh['ap'] >= 0.97, f'AP {harsh["ap"]:.3f} of faces from 32 pixels, at least 0.97 is wanted'),
        (harsh['landmark_error'] <= 0.07, f'landmark error {harsh["landmark_error"]:.3f} of the width, at most 0.07 is wanted'),
        (swapped['bgr'] <= swapped['rgb'] - 0.15, 'exchanged channels go unnoticed: recall falls by less than 0.15'),
    ]
    if 'footage' in figures:
        park = figures['footage']['neg_carpark']
        checks.append((park['fired'] == 0, f'{park["fired"]} of {park["frames"]} frames of the empty car park fire, none is wanted'))
        ratio = shares_of_time(figures['milliseconds'])['centerface']
        checks.append((ratio <= 0.3, f'{ratio:.2f} of the time of the real CenterFace as it is stored, at most 0.3 is wanted'))
    return [words for holds, words in checks if not holds]


def summary(figures: dict) -> str:
    """The figures as the tables of the model card."""
    lines = ['| scenes | faces | AP at IoU 0.5 | recall | false alarms per picture | IoU | landmark error: mean, median, 95 % |', '|---|---|---|---|---|---|---|']
    for name in ('harsh', 'clean'):
        for band, row in figures[name].items():
            error = ', '.join(f'{100 * row[key]:.1f} %' for key in ('landmark_error', 'landmark_error_median', 'landmark_error_95'))
            lines.append(
                f'| {name}, {band} px | {row["faces"]} | {row["ap"]:.3f} | {row["recall"]:.3f} | {row["false_alarms_per_picture"]:.3f} | {row["iou"]:.3f} | {error} |'
            )
    if 'footage' in figures:
        lines += ['', '| real footage | frames looked at | with a detection | highest score |', '|---|---|---|---|']
        lines += [f'| {name} | {row["frames"]} | {row["fired"]} | {row["highest_score"]:.2f} |' for name, row in figures['footage'].items()]
        lines.append(f'| photos of faces | {figures["photos"]["photos"]} | {figures["photos"]["fired"]} | |')
    lines.append('')
    lines += [f'{share:.2f} of the time of {name}' for name, share in shares_of_time(figures['milliseconds']).items()]
    return '\n'.join([*lines, json.dumps({key: figures[key] for key in ('recall_by_channel_order', 'milliseconds')})])


def main() -> None:
    parser = argparse.ArgumentParser(description='measures the demo detector on characters that it never saw')
    parser.add_argument('--model', type=Path, default=MODEL)
    parser.add_argument('--scenes', type=int, default=300)
    parser.add_argument('--figures', type=Path, help='where figures go; those of the shipped file go beside its card')
    asked = parser.parse_args()
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    figures = evaluate(asked.model, CACHE / 'scenes', asked.scenes)
    card.write(figures, asked.model, MODEL, asked.figures)
    print(summary(figures))
    missed = limits(figures)
    for words in missed:
        print('NOT REACHED:', words)
    if missed:
        raise SystemExit(1)


if __name__ == '__main__':
    main()
