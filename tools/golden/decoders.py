"""Detector outputs to boxes, from each network's published formula, vectorised in numpy."""

import numpy as np
from geometry import nms


def centerface(heat, scale, offset, points, threshold, iou=0.3):
    """Maps without their batch axis; boxes, scores and points in input pixels, after suppression."""
    rows, columns = heat.shape[-2:]
    r, c = np.where(heat[0] > threshold)
    h, w = np.exp(scale[0, r, c]) * 4, np.exp(scale[1, r, c]) * 4
    x1 = np.clip((c + offset[1, r, c] + 0.5) * 4 - w / 2, 0, columns * 4)
    y1 = np.clip((r + offset[0, r, c] + 0.5) * 4 - h / 2, 0, rows * 4)
    boxes = np.stack([x1, y1, np.minimum(x1 + w, columns * 4), np.minimum(y1 + h, rows * 4)], 1)
    marks = np.stack([points[1::2, r, c] * w + x1, points[0::2, r, c] * h + y1], -1).transpose(1, 0, 2)
    scores = heat[0, r, c]
    keep = nms(boxes, scores, iou, extra=1.0)
    return boxes[keep], scores[keep], marks[keep]


def yunet(levels, width, threshold, iou=0.3):
    """`levels`: stride -> (cls [A], obj [A], bbox [A,4], kps [A,10])."""
    boxes, scores, marks = [], [], []
    for stride, (cls, obj, bbox, kps) in levels.items():
        cell = np.arange(len(cls))
        corner = np.stack([cell % (width // stride), cell // (width // stride)], 1)
        centre = (corner + bbox[:, :2]) * stride
        size = np.exp(bbox[:, 2:]) * stride
        boxes.append(np.hstack([centre - size / 2, centre + size / 2]))
        marks.append((corner[:, None, :] + kps.reshape(-1, 5, 2)) * stride)
        scores.append(np.sqrt(cls * obj))
    boxes, scores, marks = np.concatenate(boxes), np.concatenate(scores), np.concatenate(marks)
    over = scores > threshold
    boxes, scores, marks = boxes[over], scores[over], marks[over]
    keep = nms(boxes, scores, iou)
    return boxes[keep], scores[keep], marks[keep]
