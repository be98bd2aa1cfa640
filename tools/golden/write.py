"""Writes test/fixtures/golden/*.json: what our pre- and post-processing must give, by an implementation that shares no code with it.

    python -m venv VENV && VENV/bin/pip install -r tools/golden/requirements.txt
    VENV/bin/python tools/golden/write.py --data ../shared/data

OpenCV gives bilinear resizing and warping, Pillow the antialiased resizing, numpy the decoders (formulas: docs/models.md and the
papers named there), onnxruntime the networks. Without --data the files that need photos and networks are left as they are.
"""

import argparse
import hashlib
import json
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import PIL
from decoders import centerface, yunet
from drawing import write_drawing
from geometry import TEMPLATE_112, letterbox, letterbox_inverse, nms, umeyama
from picture import PICTURES
from PIL import Image
from yolo import fit_top_left, objects, write_yolo, yolox_boxes

OUT = Path(__file__).resolve().parents[2] / "test/fixtures/golden"
CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711])


def rounded(value, digits=6):
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    if isinstance(value, np.ndarray):
        return rounded(value.tolist(), digits)
    if isinstance(value, (float, np.floating)):
        return round(float(value), digits)
    if isinstance(value, np.integer):
        return int(value)
    return value


def write(name: str, content: dict, digits=6) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    versions = f"numpy {np.__version__}, OpenCV {cv2.__version__}, Pillow {PIL.__version__}, onnxruntime {onnxruntime.__version__}"
    lines = ",\n".join(f" {json.dumps(k)}: {json.dumps(rounded(v, digits))}" for k, v in content.items())
    (OUT / f"{name}.json").write_text(f'{{\n "origin": "tools/golden/write.py with {versions}",\n{lines}\n}}\n')


def write_letterbox() -> None:
    sources = [(1920, 1080), (1280, 720), (640, 480), (480, 640), (1000, 333), (333, 1000), (768, 432), (17, 13), (3, 640), (641, 639)]
    cases = []
    for width, height in sources:
        case = letterbox(width, height, 640)
        case["points"] = [{"input": [x, y], "source": letterbox_inverse(case, x, y)} for x, y in [(0, 0), (320, 320), (123.5, 250.25), (639, 639)]]
        cases.append(case)
    write("letterbox", {"cases": cases}, 9)


def write_suppression() -> None:
    random = np.random.default_rng(3)
    corner = random.uniform(0, 200, (60, 2))
    boxes = np.hstack([corner, corner + random.uniform(10, 90, (60, 2))]).round(3)
    scores = random.permutation(60) / 64 + 0.01
    write(
        "suppression",
        {
            "boxes": boxes,
            "scores": scores,
            "kept": [{"iou": iou, "extra": extra, "kept": nms(boxes, scores, iou, extra)} for iou in (0.1, 0.3, 0.5, 0.7) for extra in (0, 1)],
        },
    )


def write_alignment() -> None:
    random = np.random.default_rng(5)
    faces = [TEMPLATE_112 * 1.7 + (30, 12)]
    for _ in range(5):
        angle, scale = random.uniform(-0.9, 0.9), random.uniform(0.2, 4)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        faces.append(TEMPLATE_112 @ turn.T * scale + random.uniform(0, 300, 2) + random.normal(0, 2, (5, 2)))
    mirrored = TEMPLATE_112.copy()
    mirrored[:, 0] = 112 - mirrored[:, 0]
    faces.append(mirrored)
    template_224 = TEMPLATE_112 * 172 / 112 + (26, 17)
    matrices = [{"points": face, "to112": umeyama(face, TEMPLATE_112), "to224": umeyama(face, template_224)} for face in faces]
    # Warped pixels: inside, turned, and hanging over the border of the picture (black outside).
    warps = []
    for name, (width, height), points in [
        ("smooth", (150, 130), TEMPLATE_112 * 0.9 + (20, 10)),
        ("smooth", (150, 130), (TEMPLATE_112 - 56) @ np.array([[0.8, 0.5], [-0.5, 0.8]]) + (75, 65)),
        ("smooth", (150, 130), TEMPLATE_112 * 0.8 + (-25, -30)),
        ("smooth", (150, 130), TEMPLATE_112 * 0.8 + (95, 80)),
    ]:
        matrix = umeyama(points, TEMPLATE_112)
        warped = cv2.warpAffine(PICTURES[name](width, height).astype(np.float32), matrix, (112, 112), flags=cv2.INTER_LINEAR)
        places = [(int(x), int(y)) for x, y in random.integers(0, 112, (60, 2))] + [(0, 0), (111, 0), (0, 111), (111, 111)]
        samples = [[x, y, *warped[y, x]] for x, y in places]
        warps.append({"picture": name, "size": [width, height], "points": points, "mean": warped.mean((0, 1)), "samples": samples})
    write("alignment", {"template224": template_224, "matrices": matrices, "warps": warps}, 5)


def write_resize() -> None:
    """Pillow's antialiased filters bit for bit (by hash), OpenCV's plain bilinear by samples."""
    cases = []
    for picture in PICTURES:
        for width, height, to_width, to_height in [(97, 61, 40, 24), (61, 97, 128, 256), (300, 200, 33, 57), (50, 40, 50, 20), (31, 17, 62, 17)]:
            image = PICTURES[picture](width, height)
            for name, how in (("bilinear_antialias", Image.Resampling.BILINEAR), ("bicubic_antialias", Image.Resampling.BICUBIC)):
                result = np.asarray(Image.fromarray(image).resize((to_width, to_height), how))
                digest = hashlib.sha256(result.tobytes()).hexdigest()
                cases.append({"picture": picture, "from": [width, height], "to": [to_width, to_height], "interpolation": name, "sha256": digest, "first": result[0, 0], "mean": result.mean((0, 1))})
    plain = []
    for picture in PICTURES:
        for width, height, to_width, to_height in [(97, 61, 40, 24), (61, 97, 128, 256), (300, 200, 33, 57)]:
            result = cv2.resize(PICTURES[picture](width, height).astype(np.float32), (to_width, to_height), interpolation=cv2.INTER_LINEAR)
            places = [(0, 0), (to_width - 1, 0), (0, to_height - 1), (to_width - 1, to_height - 1), (7, 11), (20, 13), (31, 23)]
            plain.append({"picture": picture, "from": [width, height], "to": [to_width, to_height], "samples": [[x, y, *result[y, x]] for x, y in places], "mean": result.mean((0, 1))})
    write("resize", {"antialias": cases, "bilinear": plain}, 4)


def clip_tensor(image: np.ndarray) -> tuple[np.ndarray, dict]:
    """openai/CLIP's transform: shorter side 224 by Pillow bicubic, longer truncated, centre crop, mean and std, planar."""
    height, width = image.shape[:2]
    short, long = min(width, height), max(width, height)
    other = int(224 * long / short)
    size = (224, other) if width <= height else (other, 224)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    left, top = int(round((size[0] - 224) / 2)), int(round((size[1] - 224) / 2))
    crop = np.asarray(resized.crop((left, top, left + 224, top + 224)))
    return ((crop / 255 - CLIP_MEAN) / CLIP_STD).transpose(2, 0, 1), {"resized": list(size), "left_top": [left, top]}


def write_clip() -> None:
    shapes = []
    for width, height in [(1920, 1080), (640, 480), (100, 250), (333, 500)]:
        shapes.append({"source": [width, height], **clip_tensor(np.zeros((height, width, 3), np.uint8))[1]})
    tensors = []
    for picture, width, height in [("smooth", 100, 250), ("noisy", 333, 251), ("smooth", 640, 480), ("noisy", 60, 60)]:
        values, shape = clip_tensor(PICTURES[picture](width, height))
        places = [(0, 0), (223, 0), (0, 223), (223, 223), (111, 112), (30, 200), (200, 30)]
        samples = [[x, y, *values[:, y, x]] for x, y in places]
        tensors.append({"picture": picture, "size": [width, height], **shape, "samples": samples, "mean": values.mean((1, 2)), "deviation": values.std((1, 2))})
    levels = [{"pixel": v, "values": (v / 255 - CLIP_MEAN) / CLIP_STD} for v in (0, 127.5, 255)]
    write("clip", {"shapes": shapes, "tensors": tensors, "levels": levels})


def write_decoders() -> None:
    random = np.random.default_rng(11)
    # Two faces, one cut off by the corner, and neighbouring cells that suppression has to remove; values as a network would give.
    rows, columns = 8, 16
    heat = np.round(random.uniform(0, 0.3, (1, rows, columns)), 3)
    for r, c, score in [(2, 3, 0.9), (2, 4, 0.8), (3, 3, 0.7), (6, 10, 0.95), (0, 15, 0.6), (5, 1, 0.51), (3, 7, 0.85), (3, 8, 0.75)]:
        heat[0, r, c] = score
    scale = np.round(random.uniform(0.3, 1.6, (2, rows, columns)), 3)
    offset = np.round(random.uniform(-0.5, 0.5, (2, rows, columns)), 3)
    points = np.round(random.uniform(0.1, 0.9, (10, rows, columns)), 3)
    # Two small neighbours that only the inclusive pixel count (+1) lets overlap by 0.3.
    scale[:, 3, 7:9], offset[:, 3, 7], offset[:, 3, 8] = math.log(2), 0, (0.25, 0)
    boxes, scores, marks = centerface(heat, scale, offset, points, 0.5)
    face = {"rows": rows, "columns": columns, "heat": heat.ravel(), "scale": scale.ravel(), "offset": offset.ravel(), "points": points.ravel()}
    face.update({"threshold": 0.5, "boxes": boxes, "scores": scores, "landmarks": marks})

    width, height = 64, 32
    levels = {}
    for stride in (8, 16, 32):
        cells = (width // stride) * (height // stride)
        cls, obj = np.round(random.uniform(0, 1, (2, cells)), 3)
        levels[stride] = (cls, obj, np.round(random.uniform(-0.4, 0.9, (cells, 4)), 3), np.round(random.uniform(-1, 1, (cells, 10)), 3))
    boxes, scores, marks = yunet(levels, width, 0.6)
    nets = {str(k): {"cls": v[0], "obj": v[1], "bbox": v[2].ravel(), "kps": v[3].ravel()} for k, v in levels.items()}
    small = {"width": width, "height": height, "threshold": 0.6, "levels": nets, "boxes": boxes, "scores": scores, "landmarks": marks}

    # One 1000 x 333 frame in a 640 letterbox; rows from num_dets on are garbage, other pictures' rows are not ours.
    case = letterbox(1000, 333, 640)
    rows_in = np.array([[100.5, 250, 180.25, 400, 0.91, 0], [-20, 190, 60, 300, 0.5, 2], [600, 380, 700, 500, 0.4, 79], [10, 220, 20, 230, 0.2, 0]])
    expected = []
    for left, top, right, bottom, score, label in rows_in:
        if score < 0.35:
            continue
        (x1, y1), (x2, y2) = letterbox_inverse(case, left, top), letterbox_inverse(case, right, bottom)
        expected.append({"box": [x1, y1, x2 - x1, y2 - y1], "score": score, "class": int(label)})
    garbage = np.full((2, 6), 7.7)
    garbage[:, 4] = 0.99
    listed = [[0, *row[:4], row[5], row[4]] for row in rows_in] + [[1, 300, 300, 350, 350, 0, 0.99]]
    yolo = {"source": [1000, 333], "content": case["content"], "threshold": 0.35, "count": len(rows_in), "rows": np.vstack([rows_in, garbage]), "listed": listed, "expected": expected}
    write("decoders", {"centerface": face, "yunet": small, "yolo": yolo})


def session(path: Path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def planar(image: np.ndarray, scale=1.0, mean=(0, 0, 0), std=(1, 1, 1)) -> np.ndarray:
    return np.ascontiguousarray(((image * scale - np.array(mean)) / np.array(std)).transpose(2, 0, 1)[None], dtype=np.float32)


IMAGENET = {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def write_photos(data: Path) -> None:
    """Numbers of real photos: detections, and how alike their vectors are. No pixels."""
    names = ["cal_f1/enrol_0069", "cal_f1/probe_0075", "cal_m1/enrol_0001", "lon_004/enrol_004_03", "lon_004/probe_004_08", "lon_120/enrol_120_03", "lon_136/enrol_136_03"]
    face_net = session(data / "models/centerface_int8w.onnx")
    small_net = session(data / "models/yunet_n_dynamic.onnx")
    person_net = session(data / "models/yolox_nano_end2end_640_fp16w.onnx")
    raw_net = session(data / "models/yolox_nano_coco_fp16w.onnx")
    embed_112 = session(data / "models/mobilefacenet_128_fp16w.onnx")
    embed_224 = session(data / "models/face_embed_224_512_mobilefacenet_fp16w.onnx")
    embed_body = session(data / "models/osnet_x0_25_msmt17.onnx")
    photos, vectors = [], {"face_embed": [], "face_embed_224": [], "person_embed": []}
    for name in names:
        picture = Image.open(data / f"photos/{name}.jpg").convert("RGB")
        image = np.asarray(picture)
        height, width = image.shape[:2]
        size = (640, max(32, math.ceil(round(height * 640 / width) / 32) * 32))
        small = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
        back = np.array([width / size[0], height / size[1]])
        maps = [m[0] for m in face_net.run(["537", "538", "539", "540"], {"input.1": planar(small)})]
        boxes, scores, marks = centerface(*maps, 0.5)
        found = {"centerface": {"boxes": boxes * np.tile(back, 2), "scores": scores, "landmarks": marks * back}}
        outs = {o.name: v[0] for o, v in zip(small_net.get_outputs(), small_net.run(None, {"input": planar(small[..., ::-1])}))}
        levels = {s: (outs[f"cls_{s}"][:, 0], outs[f"obj_{s}"][:, 0], outs[f"bbox_{s}"], outs[f"kps_{s}"]) for s in (8, 16, 32)}
        y_boxes, y_scores, y_marks = yunet(levels, size[0], 0.6)
        found["yunet"] = {"boxes": y_boxes * np.tile(back, 2), "scores": y_scores, "landmarks": y_marks * back}
        case = letterbox(width, height, 640)
        canvas = np.full((640, 640, 3), 114, np.uint8)
        left, top = case["left_right"][0], case["top_bottom"][0]
        content = np.asarray(picture.resize(tuple(case["content"]), Image.Resampling.BILINEAR))
        canvas[top : top + content.shape[0], left : left + content.shape[1]] = content
        n, p_boxes, p_scores, p_classes = person_net.run(["num_dets", "det_boxes", "det_scores", "det_classes"], {"images": planar(canvas, 1 / 255)})
        people = [k for k in range(n[0, 0]) if p_classes[0, k] == 0 and p_scores[0, k] >= 0.35]
        corners = [[*letterbox_inverse(case, *p_boxes[0, k, :2]), *letterbox_inverse(case, *p_boxes[0, k, 2:])] for k in people]
        found["yolox_nano"] = {"boxes": corners, "scores": [p_scores[0, k] for k in people]}
        fit = fit_top_left((width, height), (416, 416))
        canvas = np.full((416, 416, 3), 114, np.uint8)
        canvas[: fit["content"][1], : fit["content"][0]] = np.asarray(picture.resize(tuple(fit["content"]), Image.Resampling.BILINEAR))
        (raw,) = raw_net.run(None, {"images": planar(canvas[..., ::-1])})
        seen = objects(*yolox_boxes(raw[0].astype(float), (416, 416)), fit, (width, height), 0.4, checked=False)
        found["yolox_raw"] = {"boxes": [o["box"] for o in seen], "scores": [o["score"] for o in seen], "classes": [o["class"] for o in seen]}
        photos.append({"photo": f"photos/{name}.jpg", "size": [width, height], **found})

        points = marks[0] * back
        aligned = cv2.warpAffine(image.astype(np.float32), umeyama(points, TEMPLATE_112), (112, 112), flags=cv2.INTER_LINEAR)
        vectors["face_embed"].append(embed_112.run(None, {"input0": planar(aligned, **IMAGENET)})[0][0])
        aligned = cv2.warpAffine(image.astype(np.float32), umeyama(points, TEMPLATE_112 * 172 / 112 + (26, 17)), (224, 224), flags=cv2.INTER_LINEAR)
        vectors["face_embed_224"].append(embed_224.run(None, {"input": planar(aligned, **IMAGENET)})[0][0])
        left, top, right, bottom = (int(round(v)) for v in corners[0])
        body = cv2.resize(image[top:bottom, left:right], (128, 256), interpolation=cv2.INTER_LINEAR)
        vectors["person_embed"].append(embed_body.run(None, {"images": planar(body, **IMAGENET)})[0][0])
    cosines = {}
    for model, rows in vectors.items():
        unit = np.stack(rows) / np.linalg.norm(np.stack(rows), axis=1, keepdims=True)
        cosines[model] = unit @ unit.T
    heads = {model: rows[0][:8] / np.linalg.norm(rows[0]) for model, rows in vectors.items()}
    write("photos", {"photos": photos, "cosines": cosines, "first_values": heads}, 4)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the test models and photos")
    arguments = parser.parse_args()
    write_letterbox()
    write_suppression()
    write_alignment()
    write_resize()
    write_clip()
    write_decoders()
    write_drawing()
    write_yolo()
    if arguments.data is None:
        print("no --data: photos.json is left as it is", file=sys.stderr)
    else:
        write_photos(arguments.data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
