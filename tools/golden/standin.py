"""Writes test/fixtures/golden/standin-input.json: what the stand-in of nvinferserver must make of a frame, by OpenCV and numpy.

    VENV/bin/python tools/golden/standin.py        (VENV: see write.py; nothing else is needed)

Bilinear resizing of the planes is cv2.resize on float64, colours are the formula of ITU-R BT.601 in the limited range in floating
point, suppression is cv2.dnn.NMSBoxes, half precision is numpy's. The frame is made by formula, in the test too.
"""

import json
from pathlib import Path

import cv2
import numpy as np

OUT = Path(__file__).resolve().parents[2] / "test/fixtures/golden/standin-input.json"
WIDTH, HEIGHT = 96, 54
NETWORK = (64, 64)


def frame():
    """Two planes, as a decoder gives them: slopes and edges, all values within what video has."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    luma = 16 + (x * 5 + y * 3 + ((x // 8 + y // 8) % 2) * 60) % 220
    y, x = np.mgrid[0 : HEIGHT // 2, 0 : WIDTH // 2]
    return luma.astype(float), (16 + (x * 3 + y * 2) % 224).astype(float), (16 + (x * 2 + y * 5) % 224).astype(float)


def rgb(luma, u, v):
    c, d, e = luma - 16, u - 128, v - 128
    channels = [1.164383 * c + 1.596027 * e, 1.164383 * c - 0.391762 * d - 0.812968 * e, 1.164383 * c + 2.017232 * d]
    return np.clip(np.stack(channels), 0, 255)


def place(symmetric):
    """Both sizes even, no part of the picture lost: the sizes by hand from the SDK's description."""
    scale = min(NETWORK[0] / WIDTH, NETWORK[1] / HEIGHT)
    width, height = int(WIDTH * scale) // 2 * 2, int(HEIGHT * scale) // 2 * 2
    left, top = ((NETWORK[0] - width) // 2, (NETWORK[1] - height) // 2) if symmetric else (0, 0)
    return {"left": left, "top": top, "width": width, "height": height, "scaleX": width / WIDTH, "scaleY": height / HEIGHT}


def network_input(symmetric):
    where = place(symmetric)
    size = (where["width"], where["height"])
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in frame()]
    canvas = np.zeros((3, NETWORK[1], NETWORK[0]))
    top, left = where["top"], where["left"]
    canvas[:, top : top + size[1], left : left + size[0]] = rgb(*planes)
    return where, canvas


def suppression():
    random = np.random.default_rng(7)
    boxes = np.concatenate([random.uniform(0, 60, (40, 2)), random.uniform(10, 50, (40, 2))], axis=1).astype(np.float32)
    scores = random.uniform(0.1, 1, 40).astype(np.float32)
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.25, 0.5)
    return {"boxes": boxes.tolist(), "scores": scores.tolist(), "threshold": 0.25, "iou": 0.5, "kept": [int(i) for i in kept]}


def halves():
    values = [0, -0.0, 1, -1, 0.1, 1 / 255, 65504, 65519.99, 65520, 1e-5, 6e-8, 2.9e-8, 2.98e-8, 3e-8, 1e-9, -123.456, 2049, 2051, 1e30]
    singles = np.array(values, np.float32)
    with np.errstate(over="ignore"):
        numbers = singles.astype(np.float16).view(np.uint16)
    return [{"single": float(a), "half": int(b)} for a, b in zip(singles, numbers)]


def main():
    cases = []
    for symmetric in (True, False):
        where, canvas = network_input(symmetric)
        cases.append({"symmetric": symmetric, "place": where, "rgb": np.round(canvas, 2).reshape(-1).tolist()})
    made = {"frame": [WIDTH, HEIGHT], "network": NETWORK, "cases": cases, "nms": suppression(), "halves": halves()}
    OUT.write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
