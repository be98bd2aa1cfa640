"""Writes test/fixtures/golden/bands.json: the faces of films in pictures of another shape, as a DeepStream container has them, by OpenCV,
numpy and onnxruntime alone, and prints how far CenterFace moves boxes by itself.

    VENV/bin/python tools/golden/bands.py --data ../shared/data        (VENV: see write.py)

A picture is scaled to fit, stands in the middle of a black one of the multiplexer's size, and that one is stretched to the network's input.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from decoders import centerface

OUT = Path(__file__).resolve().parents[2] / "test/fixtures/golden/bands.json"
CASES = [
    {"clip": "real_tilt_m", "picture": [1920, 1080], "width": 640, "every": 10},
    {"clip": "real_tilt_m", "picture": [1920, 1080], "width": 832, "every": 10},
    {"clip": "real_classroom", "picture": [1440, 1080], "width": 640, "every": 20},
]
NOISE = np.random.default_rng(1)


def frames(data: Path, clip: str, every: int):
    film = cv2.VideoCapture(str(data / f"clips/{clip}.mp4"))
    number = 0
    while True:
        there, picture = film.read()
        if not there:
            return
        if number % every == 0:
            yield number, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        number += 1


def faces(net, picture, width):
    """The whole picture stretched to an input of this width; corners, scores and points in pixels of the picture."""
    rows, columns = picture.shape[:2]
    height = -(-round(rows * width / columns) // 32) * 32
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    maps = [m[0] for m in net.run(["537", "538", "539", "540"], {"input.1": small.transpose(2, 0, 1)[None]})]
    boxes, scores, marks = centerface(*maps, 0.5)
    back = np.array([columns / width, rows / height])
    return boxes * np.tile(back, 2), scores, marks * back


def banded_faces(net, picture, size, width):
    rows, columns = picture.shape[:2]
    scale = min(size[0] / columns, size[1] / rows)
    inner = (round(columns * scale), round(rows * scale))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
    boxes, scores, marks = faces(net, whole, width)
    corner = np.array([left, top])
    return (boxes - np.tile(corner, 2)) / scale, scores, (marks - corner) / scale


def overlap(a, b):
    inside = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).prod()
    return inside / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inside)


def print_sensitivity(net, data: Path) -> None:
    """The one face of real_tilt_m, every fourth picture, beside the same at a width of 640: no bands, no container."""
    pictures = [picture for _, picture in frames(data, "real_tilt_m", 4)]
    plain = [faces(net, picture, 640)[0][0] for picture in pictures]
    noisy = [np.clip(picture.astype(int) + NOISE.integers(-1, 2, picture.shape), 0, 255).astype(np.uint8) for picture in pictures]
    others = {"a grey level of noise": [faces(net, picture, 640)[0][0] for picture in noisy]}
    for width in (480, 512, 576, 608, 672, 704):
        others[f"width {width}"] = [faces(net, picture, width)[0][0] for picture in pictures]
    for width in (640, 832, 864):
        others[f"in 1920x1080, width {width}"] = [banded_faces(net, picture, (1920, 1080), width)[0][0] for picture in pictures]
    others["in 1080x1080, width 640"] = [banded_faces(net, picture, (1080, 1080), 640)[0][0] for picture in pictures]
    for name, boxes in others.items():
        overlaps = [overlap(a, b) for a, b in zip(plain, boxes)]
        moved = np.abs(np.array(boxes) - plain).max()
        print(f"{name}: IoU of 0.9 or more {np.mean(np.array(overlaps) >= 0.9):.2f}, median {np.median(overlaps):.3f}, an edge moves by {moved:.1f} px at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the test models and clips")
    data = parser.parse_args().data
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    net = onnxruntime.InferenceSession(str(data / "models/centerface_int8w.onnx"), options, providers=["CPUExecutionProvider"])
    lines = []
    for case in CASES:
        found = []
        for number, picture in frames(data, case["clip"], case["every"]):
            boxes, _, marks = banded_faces(net, picture, case["picture"], case["width"])
            found.append({"frame": number, "boxes": boxes.round(2).tolist(), "points": marks.round(2).tolist()})
        lines.append(json.dumps({"clip": case["clip"], "picture": case["picture"], "width": case["width"], "frames": found}))
    versions = f"numpy {np.__version__}, OpenCV {cv2.__version__}, onnxruntime {onnxruntime.__version__}"
    text = ",\n".join(f"  {line}" for line in lines)
    OUT.write_text(f'{{\n "origin": "tools/golden/bands.py with {versions}",\n "cases": [\n{text}\n ]\n}}\n')
    print_sensitivity(net, data)


if __name__ == "__main__":
    main()
