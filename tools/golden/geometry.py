"""Letterbox, similarity transform and suppression, from the papers and the upstream clients, in numpy."""

import numpy as np

TEMPLATE_112 = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def letterbox(width: int, height: int, side: int) -> dict:
    """Gain, size and padding as YOLOv7's `letterbox` computes them (Python's round: half to even)."""
    gain = min(side / width, side / height)
    new = (int(round(width * gain)), int(round(height * gain)))
    half = ((side - new[0]) / 2, (side - new[1]) / 2)
    return {
        "source": [width, height],
        "side": side,
        "gain": gain,
        "content": list(new),
        "left_right": [int(round(half[0] - 0.1)), int(round(half[0] + 0.1))],
        "top_bottom": [int(round(half[1] - 0.1)), int(round(half[1] + 0.1))],
        "half_pads": list(half),
    }


def letterbox_inverse(case: dict, x: float, y: float) -> tuple[float, float]:
    """Input pixel to source pixel, by the unrounded half pads, clipped to the frame."""
    width, height = case["source"]
    return (
        float(np.clip((x - case["half_pads"][0]) / case["gain"], 0, width)),
        float(np.clip((y - case["half_pads"][1]) / case["gain"], 0, height)),
    )


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Umeyama 1991 by singular value decomposition, as a 2 x 3 matrix."""
    mean_s, mean_t = source.mean(0), target.mean(0)
    s, t = source - mean_s, target - mean_t
    u, singular, vt = np.linalg.svd(t.T @ s / len(source))
    sign = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(singular) @ sign) / s.var(0).sum()
    return np.hstack([scale * rotation, (mean_t - scale * rotation @ mean_s)[:, None]])


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, extra: float = 0.0, inclusive: bool = True) -> list[int]:
    """Greedy; `extra` is added to every side (CenterFace counts inclusive pixels)."""
    order = list(np.argsort(-scores, kind="stable"))
    area = (boxes[:, 2] - boxes[:, 0] + extra) * (boxes[:, 3] - boxes[:, 1] + extra)
    keep = []
    while order:
        best = order.pop(0)
        keep.append(int(best))
        rest = []
        for other in order:
            side = np.minimum(boxes[best, 2:], boxes[other, 2:]) - np.maximum(boxes[best, :2], boxes[other, :2]) + extra
            inter = np.prod(np.maximum(side, 0))
            iou = inter / (area[best] + area[other] - inter)
            if iou < threshold or (not inclusive and iou == threshold):
                rest.append(other)
        order = rest
    return keep
