"""Pixels and the maps of CenterFace in; boxes, scores, points and aligned faces out.

There is always at least one row, since a network cannot be run on none: the first `count` rows are faces.
"""

import json

import numpy as np
import pictures
import triton_python_backend_utils as pb_utils

STRIDE = 4
# Where the five points lie in an aligned face of 112 pixels.
TEMPLATE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


class TritonPythonModel:
    def initialize(self, args):
        parameters = pictures.parameters_of(json.loads(args["model_config"]))
        self.width, self.height = int(parameters["input_width"]), int(parameters["input_height"])
        self.min_score = pictures.number(parameters.get("score_threshold", "0.5"))
        self.overlap = pictures.number(parameters.get("nms_threshold", "0.3"))
        self.limit = int(parameters["max_faces"])
        offset = pictures.numbers(parameters.get("align_offset", "0, 0"))
        self.template = TEMPLATE * pictures.number(parameters.get("align_scale", "1")) + offset
        self.format = pictures.Format(parameters, "1/255")

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        pixels, *maps = (
            pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in ("pixels", "heat", "size", "offset", "points")
        )
        heat, size, offset, points = (each[0].astype(np.float64) for each in maps)
        rows, columns = heat.shape[1:]
        scores, corners, points = decode(heat, size, offset, points, self.min_score)
        kept = suppress(corners, scores, self.overlap)
        scale = np.array([pixels.shape[1] / (columns * STRIDE), pixels.shape[0] / (rows * STRIDE)])
        edge = np.tile(np.array(pixels.shape[1::-1]), 2)
        corners = np.clip(corners * np.tile(scale, 2), 0, edge)
        # What was clipped away altogether is no face.
        kept = kept[np.all(corners[kept, 2:] > corners[kept, :2], axis=1)][: self.limit]
        points = points[kept] * scale
        faces = [self.format.numbers(warp(pixels, similarity(face, self.template), self.width, self.height)) for face in points]
        blank = self.format.numbers(np.zeros((self.height, self.width, 3)))
        count = len(kept)
        outputs = {
            "count": np.array([count], np.int32),
            "boxes": corners[kept] if count else np.zeros((1, 4)),
            "scores": scores[kept] if count else np.zeros(1),
            "landmarks": points.reshape(count, 10) if count else np.zeros((1, 10)),
            "faces": np.stack(faces or [blank]),
        }
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, np.ascontiguousarray(value if name == "count" else value.astype(np.float32)))
                for name, value in outputs.items()
            ]
        )


def decode(heat, size, offset, points, min_score):
    """Candidates in pixels of the detector's input: docs/models.md. The far corner and the points follow from the clamped near corner."""
    rows, columns = heat.shape[1:]
    row, column = np.nonzero(heat[0] >= min_score)
    height, width = STRIDE * np.exp(size[0, row, column]), STRIDE * np.exp(size[1, row, column])
    centre_y = (row + offset[0, row, column] + 0.5) * STRIDE
    centre_x = (column + offset[1, row, column] + 0.5) * STRIDE
    left = np.clip(centre_x - width / 2, 0, columns * STRIDE)
    top = np.clip(centre_y - height / 2, 0, rows * STRIDE)
    right, bottom = np.minimum(left + width, columns * STRIDE), np.minimum(top + height, rows * STRIDE)
    found = points[:, row, column]
    y, x = top + found[0::2] * height, left + found[1::2] * width
    return heat[0, row, column], np.stack([left, top, right, bottom], 1), np.stack([x, y], 2).transpose(1, 0, 2)


def suppress(corners, scores, overlap):
    """Greedy, best first; sides count both their pixels, as CenterFace's authors do."""
    near, far = corners[:, :2], corners[:, 2:]
    area = np.prod(far - near + 1, axis=1)
    order, kept = np.argsort(-scores, kind="stable"), []
    while order.size > 0:
        best, rest = order[0], order[1:]
        kept.append(best)
        shared = np.minimum(far[best], far[rest]) - np.maximum(near[best], near[rest]) + 1
        shared = np.prod(np.maximum(shared, 0), axis=1)
        order = rest[shared / (area[best] + area[rest] - shared) < overlap]
    return np.array(kept, int)


def similarity(points, template):
    """The least-squares similarity from points to template as (a, b, shift): x' = a x - b y, y' = b x + a y, and the shift."""
    source, target = points - points.mean(0), template - template.mean(0)
    spread = np.sum(source**2)
    a = np.sum(source * target) / spread
    b = np.sum(source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]) / spread
    return a, b, template.mean(0) - np.array([[a, -b], [b, a]]) @ points.mean(0)


def warp(image, fit, width, height):
    """The picture as seen through a similarity, sampled bilinearly, black outside."""
    a, b, shift = fit
    square = a * a + b * b
    u, v = np.meshgrid(np.arange(width) - shift[0], np.arange(height) - shift[1])
    x, y = (a * u + b * v) / square, (a * v - b * u) / square
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    rows, columns = image.shape[:2]
    result = np.zeros((height, width, 3))
    for right in (0, 1):
        for down in (0, 1):
            at_x, at_y = left + right, top + down
            inside = (at_x >= 0) & (at_y >= 0) & (at_x < columns) & (at_y < rows)
            weight = (1 - np.abs(x - at_x)) * (1 - np.abs(y - at_y)) * inside
            result += weight[..., None] * image[np.clip(at_y, 0, rows - 1), np.clip(at_x, 0, columns - 1)]
    return result
