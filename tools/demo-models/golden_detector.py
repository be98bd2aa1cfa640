"""Writes test/fixtures/golden/demo-face.json and the pictures beside it: where the demo's detector finds faces in fixed pictures, and
where they were drawn.

The pictures are scenes of the evaluation whose faces are all asked for and at least 32 pixels wide, degraded as mild as a good camera
does it; they are stored without loss, so that every decoder sees the same.
"""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from detector import MODEL
from evaluate_detector import HEIGHT, THRESHOLD, WIDTH, detect
from networks import session
from scenes import Conditions, clip, scene, wanted

FOLDER = Path(__file__).resolve().parents[2] / 'test/fixtures/golden'
SEED = 90_100
COUNT = 4
MILD = Conditions(narrowest=32, widest=120, people=(0, 0.2, 0.4, 0.4), strength=0.15)


def main() -> None:
    running, cases, index = session(MODEL), [], 0
    while len(cases) < COUNT:
        picture, faces = scene(HEIGHT, WIDTH, MILD, np.random.default_rng([SEED, index]))
        index += 1
        _, inside = clip(faces.boxes, HEIGHT, WIDTH)
        if not (wanted(inside, faces.hidden) == 1).all() or (inside < 1).any() or (faces.hidden > 0.05).any():
            continue
        file = f'demo-face-{len(cases)}.png'
        cv2.imwrite(str(FOLDER / file), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        boxes, scores, points = detect(running, picture, THRESHOLD)
        found = [
            {'box': np.round(box, 2).tolist(), 'score': round(float(score), 4), 'landmarks': np.round(mark, 2).tolist()}
            for box, score, mark in zip(boxes, scores, points, strict=True)
        ]
        drawn = [
            {'box': np.round(box, 2).tolist(), 'landmarks': np.round(mark, 2).tolist()} for box, mark in zip(faces.boxes, faces.points, strict=True)
        ]
        cases.append({'picture': file, 'found': found, 'drawn': drawn})
    content = {
        'origin': f'tools/demo-models/golden_detector.py with numpy {np.__version__}, onnxruntime {onnxruntime.__version__}',
        'sha256': hashlib.sha256(MODEL.read_bytes()).hexdigest(),
    }
    lines = [f' {json.dumps(key)}: {json.dumps(value)}' for key, value in content.items()]
    rows = ',\n'.join(f'  {json.dumps(case)}' for case in cases)
    lines.append(f' "cases": [\n{rows}\n ]')
    (FOLDER / 'demo-face.json').write_text('{\n' + ',\n'.join(lines) + '\n}\n')
    for case in cases:
        print(case['picture'], len(case['drawn']), 'drawn', [face['score'] for face in case['found']])


if __name__ == '__main__':
    main()
