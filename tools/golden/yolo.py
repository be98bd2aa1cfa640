"""YOLO heads to boxes in source pixels, in numpy, from the formulas of the papers and of the upstream exporters (docs/models.md names
them). Writes test/fixtures/golden/yolo.json; `write.py` calls it too."""

import json
from pathlib import Path

import numpy as np
from geometry import nms

OUT = Path(__file__).resolve().parents[2] / "test/fixtures/golden/yolo.json"
# Not square, so that rows and columns cannot change places unnoticed.
INPUT = WIDTH, HEIGHT = 64, 32
SOURCE = 100, 37
STRIDES = (8, 16, 32)
CLASSES, BINS = 3, 16
THRESHOLD, IOU = 0.25, 0.45
ANCHORS = np.array([[[4, 5], [8, 6], [6, 12]], [[10, 14], [18, 9], [14, 20]], [[24, 16], [30, 28], [50, 30]]], float)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def fit_centred(source, size) -> dict:
    """One gain, half of the rest on each side (YOLOv5 to v9)."""
    gain = min(size[0] / source[0], size[1] / source[1])
    content = [int(round(source[0] * gain)), int(round(source[1] * gain))]
    return {"gain": gain, "content": content, "shift": [(size[0] - content[0]) / 2, (size[1] - content[1]) / 2]}


def fit_top_left(source, size) -> dict:
    """One gain, all of the rest right and below, sizes cut (YOLOX)."""
    gain = min(size[0] / source[0], size[1] / source[1])
    return {"gain": gain, "content": [int(source[0] * gain), int(source[1] * gain)], "shift": [0, 0]}


def cells(stride: int) -> np.ndarray:
    """Column and row of each cell, [cells, 2]."""
    rows, columns = np.mgrid[0 : HEIGHT // stride, 0 : WIDTH // stride]
    return np.stack([columns.ravel(), rows.ravel()], 1)


def objects(boxes: np.ndarray, scores: np.ndarray, fit: dict, source=SOURCE, threshold=THRESHOLD, iou=IOU, checked=True) -> list[dict]:
    """`boxes` [n, 4] centre and size in the input, `scores` [n, classes]: best class, cut, suppression by class, source pixels."""
    label, score = scores.argmax(1), scores.max(1)
    assert not checked or np.abs(score - threshold).min() > 1e-5, "a score too near the cut to tell rounding from a mistake"
    corners = np.hstack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])
    kept = []
    for one in range(scores.shape[1]):
        mine = np.flatnonzero((label == one) & (score > threshold))
        kept += [int(mine[k]) for k in nms(corners[mine], score[mine], iou)]
        assert nms(corners[mine], score[mine], iou + 1e-4) == nms(corners[mine], score[mine], iou - 1e-4)
    suppressed = int((score > threshold).sum()) - len(kept)
    assert not checked or suppressed > 0, "nothing to suppress"
    found = []
    for k in sorted(kept, key=lambda k: -score[k]):
        near = np.clip((corners[k, :2] - fit["shift"]) / fit["gain"], 0, source)
        far = np.clip((corners[k, 2:] - fit["shift"]) / fit["gain"], 0, source)
        if (far > near).all():
            found.append({"box": [*near, *(far - near)], "score": score[k], "class": int(label[k])})
    return found


def yolox_boxes(output: np.ndarray, size=INPUT) -> tuple[np.ndarray, np.ndarray]:
    """`output` [cells, 5 + classes] of an input of `size`: centre and size in the input, score per class."""
    grid, step = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : size[1] // stride, 0 : size[0] // stride]
        grid.append(np.stack([columns.ravel(), rows.ravel()], 1))
        step.append(np.full((grid[-1].shape[0], 1), stride))
    grid, step = np.concatenate(grid), np.concatenate(step)
    return np.hstack([(output[:, :2] + grid) * step, np.exp(output[:, 2:4]) * step]), output[:, 4:5] * output[:, 5:]


def scored(random) -> dict:
    """YOLOv8 and v9 after their own decoding: [4 + classes, cells]."""
    total = sum(len(cells(s)) for s in STRIDES)
    centre = np.concatenate([(cells(s) + 0.5 + random.uniform(-0.4, 0.4, cells(s).shape)) * s for s in STRIDES])
    size = random.uniform(6, 40, (total, 2))
    scores = random.uniform(0, 0.2, (total, CLASSES))
    for k in random.permutation(total)[:16]:
        scores[k, random.integers(CLASSES)] = random.uniform(0.3, 0.95)
    # Nearly the same box three times: the second goes, the third is of another class and stays.
    centre[10:13], size[10:13], scores[10:13] = [[20, 14], [20.5, 14], [20, 14.5]], [18, 12], 0.05
    scores[10, 0], scores[11, 0], scores[12, 1] = 0.881, 0.832, 0.86
    table = np.round(np.hstack([centre, size, scores]), 3).astype(np.float32).astype(float)
    return {"values": table.T, "expected": objects(table[:, :4], table[:, 4:], fit_centred(SOURCE, INPUT))}


def distributions(random) -> dict:
    """YOLOv8 and v9 before it: bins and logits, [channels, rows, columns] per level."""
    levels, boxes, scores = [], [], []
    for stride in STRIDES:
        cell = cells(stride)
        bins = np.round(random.normal(0, 1.5, (4, BINS, len(cell))), 1)
        # Sides of some cells' length, so that boxes are not all alike.
        peak = random.integers(1, 6, (4, len(cell)))
        for side in range(4):
            bins[side, peak[side], np.arange(len(cell))] += 5
        logits = np.round(random.normal(-3.5, 1, (CLASSES, len(cell))), 2)
        for k in random.permutation(len(cell))[: max(1, len(cell) * 2 // 3)]:
            logits[random.integers(CLASSES), k] = round(random.uniform(-0.5, 3), 2)
        weight = np.exp(bins) / np.exp(bins).sum(1, keepdims=True)
        left, top, right, bottom = (weight * np.arange(BINS)[None, :, None]).sum(1)
        centre = cell + 0.5
        near, far = (centre - np.stack([left, top], 1)) * stride, (centre + np.stack([right, bottom], 1)) * stride
        boxes.append(np.hstack([(near + far) / 2, far - near]))
        scores.append(sigmoid(logits).T)
        levels.append({"stride": stride, "sides": bins.reshape(4 * BINS, -1), "scores": logits})
    return {"levels": levels, "expected": objects(np.concatenate(boxes), np.concatenate(scores), fit_centred(SOURCE, INPUT))}


def anchored(random) -> dict:
    """YOLOv7: three maps [anchors, rows, columns, 5 + classes] before decoding, and the same as one grid after it."""
    heads, grid = [], []
    for level, stride in enumerate(STRIDES):
        cell = cells(stride)
        raw = random.normal(0, 0.8, (3, len(cell), 5 + CLASSES))
        raw[..., 4] = random.normal(-3, 0.8, raw.shape[:2])
        for a, k in zip(random.integers(3, size=8), random.integers(len(cell), size=8)):
            raw[a, k, 4], raw[a, k, 5 + random.integers(CLASSES)] = random.uniform(0.5, 3), random.uniform(1, 3)
        if stride == 16:  # Two neighbours that see the same thing.
            raw[0, 1:3] = [[1.73, 0.4, 0.5, 0.6, 2.5, 3, -2, -2], [-0.62, 0.4, 0.5, 0.6, 2.0, 3, -2, -2]]
        raw = np.round(raw, 2)
        y = sigmoid(raw)
        y[..., :2] = (2 * y[..., :2] - 0.5 + cell[None]) * stride
        y[..., 2:4] = (2 * y[..., 2:4]) ** 2 * ANCHORS[level][:, None]
        grid.append(y.reshape(-1, 5 + CLASSES))
        heads.append({"stride": stride, "values": raw.reshape(3, HEIGHT // stride, WIDTH // stride, 5 + CLASSES).ravel()})
    rows = np.concatenate(grid)
    fit = fit_centred(SOURCE, INPUT)
    alone = rows[:, :6]
    return {
        "anchors": ANCHORS.ravel().tolist(),
        "heads": heads,
        "grid": rows,
        "expected": objects(rows[:, :4], rows[:, 4:5] * rows[:, 5:], fit),
        # One class only: upstream never trains it, so objectness is the score.
        "single": objects(alone[:, :4], alone[:, 4:5], fit),
    }


def yolox(random) -> dict:
    total = sum(len(cells(s)) for s in STRIDES)
    output = np.hstack([random.uniform(-0.5, 1.5, (total, 2)), random.uniform(-0.3, 1.2, (total, 2)), random.uniform(0, 0.3, (total, 1 + CLASSES))])
    for k in random.permutation(total)[:16]:
        output[k, 4], output[k, 5 + random.integers(CLASSES)] = random.uniform(0.6, 0.99), random.uniform(0.6, 0.99)
    output = np.round(output, 3)
    boxes, scores = yolox_boxes(output)
    fit = fit_top_left(SOURCE, INPUT)
    return {"values": output, "content": fit["content"], "expected": objects(boxes, scores, fit)}


def ranked(random) -> dict:
    """YOLOv10: corners, score, class; by falling score, then zeros."""
    rows = np.zeros((8, 6))
    near = random.uniform(-4, 40, (5, 2))
    rows[:5] = np.round(np.hstack([near, near + random.uniform(5, 30, (5, 2)), np.array([[0.91], [0.7], [0.4], [0.3], [0.1]]), random.integers(0, CLASSES, (5, 1))]), 3)
    fit, found = fit_centred(SOURCE, INPUT), []
    for left, top, right, bottom, score, label in rows:
        a = np.clip((np.array([left, top]) - fit["shift"]) / fit["gain"], 0, SOURCE)
        b = np.clip((np.array([right, bottom]) - fit["shift"]) / fit["gain"], 0, SOURCE)
        if score > THRESHOLD and (b > a).all():
            found.append({"box": [*a, *(b - a)], "score": score, "class": int(label)})
    return {"values": rows, "expected": found}


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.ravel().tolist())
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6)
    return value


def write_yolo() -> None:
    sources = [(1920, 1080), (1280, 720), (640, 480), (480, 640), (1000, 333), (333, 1000), (17, 13), (3, 640), (641, 639), SOURCE]
    fits = [{"source": source, "side": side, **fit_top_left(source, (side, side))} for source in sources for side in (416, 640)]
    content = {
        "origin": f"tools/golden/yolo.py with numpy {np.__version__}",
        "input": INPUT,
        "source": SOURCE,
        "content": fit_centred(SOURCE, INPUT)["content"],
        "classes": CLASSES,
        "bins": BINS,
        "topLeft": fits,
        "yolov8": scored(np.random.default_rng(21)),
        "distributions": distributions(np.random.default_rng(22)),
        "yolov7": anchored(np.random.default_rng(23)),
        "yolox": yolox(np.random.default_rng(24)),
        "ranked": ranked(np.random.default_rng(25)),
    }
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(plain(value))}" for key, value in content.items())
    OUT.write_text(f"{{\n{lines}\n}}\n")
    for name in ("yolov8", "distributions", "yolov7", "yolox", "ranked"):
        print(name, len(content[name]["expected"]), "boxes")


if __name__ == "__main__":
    write_yolo()
