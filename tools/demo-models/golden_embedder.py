"""Writes test/fixtures/golden/demo-embed.json and the pictures beside it: what the demo's embedder gives for three fixed crops.

Alignment and preparation are written out in numpy here, sharing no code with crops.py or with the program.
"""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from characters import random_identity, random_pose
from crops import picture
from degrade import degrade
from embedder import CLIP_DEVIATION, CLIP_MEAN, MODEL
from networks import session

FOLDER = Path(__file__).resolve().parents[2] / 'test/fixtures/golden'
TEMPLATE_112 = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Umeyama 1991 by least squares: x' = a x - b y + c, y' = b x + a y + d; returns (a, b, c, d)."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        values += [u, v]
    return np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]


def warp(image: np.ndarray, fit: np.ndarray, side: int) -> np.ndarray:
    """Bilinear, black outside; float64 [side, side, 3]."""
    a, b, c, d = fit
    v, u = np.mgrid[:side, :side].astype(np.float64)
    square = a * a + b * b
    x = (a * (u - c) + b * (v - d)) / square
    y = (a * (v - d) - b * (u - c)) / square
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    total = np.zeros((side, side, 3))
    for across in (0, 1):
        for down in (0, 1):
            column, row = left + across, top + down
            inside = (column >= 0) & (row >= 0) & (column < image.shape[1]) & (row < image.shape[0])
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row)) * inside
            total += weight[..., None] * image[np.clip(row, 0, image.shape[0] - 1), np.clip(column, 0, image.shape[1] - 1)]
    return total


def main() -> None:
    running = session(MODEL)
    cases = []
    for name, person, seed in (('one', 1, 11), ('one-again', 1, 12), ('other', 2, 13)):
        rng = np.random.default_rng([41, seed])
        identity = random_identity(np.random.default_rng([40, person]))
        image, landmarks = picture(identity, random_pose(rng), 64, rng)
        image, landmarks = degrade(image, rng, 0.35), np.round(landmarks, 3)
        file = f'demo-embed-{name}.png'
        cv2.imwrite(str(FOLDER / file), image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        aligned = warp(image, similarity(landmarks, 2 * TEMPLATE_112), 224)
        x = ((aligned / 255 - CLIP_MEAN) / CLIP_DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)
        vector = running.run(['output'], {'input': x})[0][0]
        vector /= np.linalg.norm(vector)
        cases.append({'picture': file, 'landmarks': landmarks.tolist(), 'vector': [round(float(value), 5) for value in vector]})
    content = {
        'origin': f'tools/demo-models/golden_embedder.py with numpy {np.__version__}, onnxruntime {onnxruntime.__version__}',
        'sha256': hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        'cases': cases,
    }
    lines = ',\n'.join(f' {json.dumps(key)}: {json.dumps(value)}' for key, value in content.items())
    (FOLDER / 'demo-embed.json').write_text(f'{{\n{lines}\n}}\n')


if __name__ == '__main__':
    main()
