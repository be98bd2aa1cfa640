"""Writes test/fixtures/golden/bands.json: faces and persons of films in pictures of another shape, as a DeepStream container has them, by
OpenCV, numpy and onnxruntime alone, and prints how far the networks move boxes by themselves.

    VENV/bin/python tools/golden/bands.py --data ../shared/data        (VENV: see write.py)

A picture is scaled to fit, stands in the middle of a black one of the multiplexer's size, and that one is stretched to CenterFace's
input, or stands in the middle of yolox_nano's.
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
    {"clip": "real_tilt_m", "model": "centerface", "picture": [1920, 1080], "width": 640, "every": 10},
    {"clip": "real_tilt_m", "model": "centerface", "picture": [1920, 1080], "width": 832, "every": 10},
    {"clip": "real_tilt_m", "model": "yolox_nano", "picture": [1920, 1080], "width": 640, "every": 10},
    {"clip": "real_classroom", "model": "centerface", "picture": [1440, 1080], "width": 640, "every": 20},
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


def persons(net, picture, pad, width=640):
    """The picture `width` pixels wide in the middle of an input of 640x640; as `faces`, without points."""
    rows, columns = picture.shape[:2]
    scale = width / columns
    inner = (width, round(rows * scale))
    left, top = (640 - inner[0]) // 2, (640 - inner[1]) // 2
    whole = np.full((640, 640, 3), pad, np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
    asked = {"images": whole.astype(np.float32).transpose(2, 0, 1)[None] / 255}
    count, boxes, scores, classes = net.run(["num_dets", "det_boxes", "det_scores", "det_classes"], asked)
    kept = [k for k in range(count[0, 0]) if classes[0, k] == 0 and scores[0, k] >= 0.35]
    corners = (boxes[0, kept] - np.tile([left, top], 2)) / scale
    return np.clip(corners, 0, np.tile([columns, rows], 2)), scores[0, kept], np.zeros((len(kept), 0, 2))


def banded(find, picture, size):
    rows, columns = picture.shape[:2]
    scale = min(size[0] / columns, size[1] / rows)
    inner = (round(columns * scale), round(rows * scale))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
    boxes, scores, marks = find(whole)
    corner = np.array([left, top])
    corners = np.clip((boxes - np.tile(corner, 2)) / scale, 0, np.tile([columns, rows], 2))
    return corners, scores, (marks - corner) / scale


def overlap(a, b):
    inside = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).prod()
    return inside / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inside)


def print_beside(plain, others) -> None:
    for name, boxes in others.items():
        overlaps = [overlap(a, b) for a, b in zip(plain, boxes)]
        moved = np.abs(np.array(boxes) - plain).max()
        print(f"{name}: IoU of 0.9 or more {np.mean(np.array(overlaps) >= 0.9):.2f}, median {np.median(overlaps):.3f}, an edge moves by {moved:.1f} px at most")


def print_sensitivity(net, person_net, data: Path) -> None:
    """The one face and person of real_tilt_m, every fourth picture, beside the same at a width of 640: no container."""
    pictures = [picture for _, picture in frames(data, "real_tilt_m", 4)]
    plain = [faces(net, picture, 640)[0][0] for picture in pictures]
    noisy = [np.clip(picture.astype(int) + NOISE.integers(-1, 2, picture.shape), 0, 255).astype(np.uint8) for picture in pictures]
    others = {"a grey level of noise": [faces(net, picture, 640)[0][0] for picture in noisy]}
    for width in (480, 512, 576, 608, 672, 704):
        others[f"width {width}"] = [faces(net, picture, width)[0][0] for picture in pictures]
    for width in (640, 832, 864):
        others[f"in 1920x1080, width {width}"] = [banded(lambda whole: faces(net, whole, width), picture, (1920, 1080))[0][0] for picture in pictures]
    others["in 1080x1080, width 640"] = [banded(lambda whole: faces(net, whole, 640), picture, (1080, 1080))[0][0] for picture in pictures]
    print_beside(plain, others)
    bodies = {
        "yolox_nano, black instead of grey beside it": [persons(person_net, picture, 0)[0][0] for picture in pictures],
        "yolox_nano, width 480": [persons(person_net, picture, 114, 480)[0][0] for picture in pictures],
        "yolox_nano, in 1920x1080": [banded(lambda whole: persons(person_net, whole, 0), picture, (1920, 1080))[0][0] for picture in pictures],
    }
    print_beside([persons(person_net, picture, 114)[0][0] for picture in pictures], bodies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the test models and clips")
    data = parser.parse_args().data
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    files = ("centerface_int8w.onnx", "yolox_nano_end2end_640_fp16w.onnx")
    net, person_net = (onnxruntime.InferenceSession(str(data / "models" / file), options, providers=["CPUExecutionProvider"]) for file in files)
    lines = []
    for case in CASES:
        found = []
        for number, picture in frames(data, case["clip"], case["every"]):
            find = (lambda whole: faces(net, whole, case["width"])) if case["model"] == "centerface" else (lambda whole: persons(person_net, whole, 0))
            boxes, _, marks = banded(find, picture, case["picture"])
            found.append({"frame": number, "boxes": boxes.round(2).tolist(), "points": marks.round(2).tolist()})
        lines.append(json.dumps({**case, "frames": found}))
    versions = f"numpy {np.__version__}, OpenCV {cv2.__version__}, onnxruntime {onnxruntime.__version__}"
    text = ",\n".join(f"  {line}" for line in lines)
    OUT.write_text(f'{{\n "origin": "tools/golden/bands.py with {versions}",\n "cases": [\n{text}\n ]\n}}\n')
    print_sensitivity(net, person_net, data)


if __name__ == "__main__":
    main()
