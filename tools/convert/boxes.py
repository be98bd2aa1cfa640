"""From the outputs of a detector to boxes, in numpy, for the accuracy gate; and how well two sets of boxes agree.

Decoders follow docs/models.md and the papers named in src/models/; boxes stay in pixels of the input.
"""

from dataclasses import dataclass

import numpy as np
from heads import DFL_BINS, Head

DEFAULT_ANCHORS = {
    3: (12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401),
    4: (19, 27, 44, 40, 38, 94, 96, 68, 86, 152, 180, 137, 140, 301, 303, 264, 238, 542, 436, 615, 739, 380, 925, 792),
}


@dataclass(frozen=True)
class Boxes:
    corners: np.ndarray
    """[n, 4]: left, top, right, bottom."""
    scores: np.ndarray
    classes: np.ndarray
    points: np.ndarray | None = None
    """[n, 10]: x, y."""

    def take(self, index) -> "Boxes":
        return Boxes(self.corners[index], self.scores[index], self.classes[index], None if self.points is None else self.points[index])


def decode(head: Head, outputs: list[np.ndarray], size: tuple[int, int], least: float, anchors: tuple[float, ...] = ()) -> Boxes:
    """Boxes of picture 0 with scores of at least `least`, before suppression. `outputs` are in the order of `head.outputs`."""
    outputs = [np.asarray(output, np.float64) for output in outputs]
    found = _FORMS[head.form](outputs, size, anchors)
    return found.take(np.flatnonzero(found.scores >= least))


def suppress(found: Boxes, most: float, limit: int = 300) -> Boxes:
    """Greedy and class by class; `most` is the IoU above which the weaker of two goes, `limit` the most boxes."""
    kept: list[int] = []
    for index in np.argsort(-found.scores, kind="stable"):
        if len(kept) == limit:
            break
        others = [k for k in kept if found.classes[k] == found.classes[index]]
        if not others or ious(found.corners[index], found.corners[others]).max() <= most:
            kept.append(int(index))
    return found.take(kept)


def ious(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    near, far = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(0, far - near), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return shared / np.maximum(area, 1e-9)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _centred(boxes, scores, points=None):
    """`boxes` by centre and size, `scores` per class."""
    corners = np.hstack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])
    return Boxes(corners, scores.max(1), scores.argmax(1), points)


def _grid(rows, columns):
    """Column and row of each cell, row by row."""
    y, x = np.mgrid[0:rows, 0:columns]
    return np.stack([x.ravel(), y.ravel()], 1)


def _with_objectness(rows):
    """One class only is never trained: objectness is the score."""
    return rows[:, 4:5] if rows.shape[1] == 6 else rows[:, 4:5] * rows[:, 5:]


def _fixed(outputs, _size, _anchors):
    count, boxes, scores, classes = outputs
    valid = int(count.ravel()[0])
    return Boxes(boxes[0, :valid], scores[0, :valid], classes[0, :valid].astype(int))


def _listed(outputs, _size, _anchors):
    rows = outputs[0][outputs[0][:, 0] == 0]
    return Boxes(rows[:, 1:5], rows[:, 6], rows[:, 5].astype(int))


def _ranked(outputs, _size, _anchors):
    rows = outputs[0][0]
    return Boxes(rows[:, :4], rows[:, 4], rows[:, 5].astype(int))


def _scored(outputs, size, _anchors):
    table = outputs[0][0]
    table = table.T if table.shape[0] < table.shape[1] else table
    return _centred(table[:, :4], table[:, 4:])


def _table(outputs, _size, _anchors):
    rows = outputs[0][0]
    return _centred(rows[:, :4], _with_objectness(rows))


def _yolox(outputs, size, _anchors):
    rows = outputs[0][0]
    grid = np.concatenate([_grid(size[0] // s, size[1] // s) for s in (8, 16, 32)])
    step = np.concatenate([np.full((size[0] // s) * (size[1] // s), s) for s in (8, 16, 32)])[:, None]
    return _centred(np.hstack([(rows[:, :2] + grid) * step, np.exp(rows[:, 2:4]) * step]), _with_objectness(rows))


def _anchored(outputs, size, anchors):
    sizes = np.reshape(anchors or DEFAULT_ANCHORS[len(outputs)], (len(outputs), 3, 2))
    boxes, scores = [], []
    levels = [level if level.ndim == 5 else level.reshape(1, 3, -1, *level.shape[2:]).transpose(0, 1, 3, 4, 2) for level in outputs]
    for level, own in zip(sorted(levels, key=lambda level: -level.shape[2]), sizes, strict=True):
        _, _, rows, columns, values = level.shape
        stride = size[0] / rows
        y = _sigmoid(level[0].reshape(3, -1, values))
        centre = (2 * y[..., :2] - 0.5 + _grid(rows, columns)) * stride
        boxes.append(np.concatenate([centre, (2 * y[..., 2:4]) ** 2 * own[:, None]], -1).reshape(-1, 4))
        scores.append(_with_objectness(y.reshape(-1, values)))
    return _centred(np.concatenate(boxes), np.concatenate(scores))


def _distributions(outputs, size, _anchors):
    sides = 4 * DFL_BINS
    grids = sorted({output.shape[2:] for output in outputs}, reverse=True)
    boxes, scores = [], []
    for rows, columns in grids:
        # Bins first where a level has two outputs and as many classes as bins.
        level = np.concatenate([o[0] for o in sorted((o for o in outputs if o.shape[2:] == (rows, columns)), key=lambda o: o.shape[1] != sides)])
        bins = level[:sides].reshape(4, DFL_BINS, -1)
        weight = np.exp(bins - bins.max(1, keepdims=True))
        distance = (weight / weight.sum(1, keepdims=True) * np.arange(DFL_BINS)[None, :, None]).sum(1).T
        centre, stride = _grid(rows, columns) + 0.5, size[0] / rows
        near, far = (centre - distance[:, :2]) * stride, (centre + distance[:, 2:]) * stride
        boxes.append(np.hstack([(near + far) / 2, far - near]))
        scores.append(_sigmoid(level[sides:].reshape(level.shape[0] - sides, -1)).T)
    return _centred(np.concatenate(boxes), np.concatenate(scores))


def _centerface(outputs, size, _anchors):
    heat, scale, offset, points = (output[0].reshape(output.shape[1], -1).T for output in outputs)
    rows, columns = outputs[0].shape[2:]
    shape = 4 * np.exp(scale[:, ::-1])
    near = np.clip((_grid(rows, columns) + offset[:, ::-1] + 0.5) * 4 - shape / 2, 0, (size[1], size[0]))
    far = np.minimum(near + shape, (size[1], size[0]))
    landmarks = near[:, None] + points.reshape(-1, 5, 2)[..., ::-1] * shape[:, None]
    return Boxes(np.hstack([near, far]), heat[:, 0], np.zeros(len(heat), int), landmarks.reshape(-1, 10))


_FORMS = {
    "fixed": _fixed,
    "listed": _listed,
    "ranked": _ranked,
    "scored": _scored,
    "grid": _table,
    "yolox": _yolox,
    "anchors": _anchored,
    "distributions": _distributions,
    "centerface": _centerface,
}
