"""Golden values for src/models/quality.ts, made with NumPy alone (run with 2.4.6 on Python 3.11).

Independent of the TypeScript: scaling is a product with weight matrices, the Laplacian a sum of shifted pictures, the measures are
computed in 64 bit. The pictures are made here (waves, an edge, integer noise) and stored with the values.

    python3 -m venv venv && venv/bin/pip install numpy && venv/bin/python tools/golden/quality.py > test/fixtures/golden/quality.json
"""

import base64
import json
import sys

import numpy as np

MEASURE = 112


def weights(start, extent, count, size):
    """count x size matrix: area means when shrinking, linear between half-pixel centres when growing; edges repeat."""
    matrix = np.zeros((count, size))
    step = extent / count
    for i in range(count):
        if step > 1:
            a, b = start + i * step, start + (i + 1) * step
            for j in range(int(np.floor(a)), int(np.ceil(b))):
                matrix[i, min(max(j, 0), size - 1)] += (min(b, j + 1) - max(a, j)) / step
        else:
            centre = start + (i + 0.5) * step - 0.5
            low = int(np.floor(centre))
            matrix[i, min(max(low, 0), size - 1)] += 1 - (centre - low)
            matrix[i, min(max(low + 1, 0), size - 1)] += centre - low
    return matrix


def sharpness(picture, box):
    height, width = picture.shape
    columns = int(np.floor(MEASURE * box[2] / box[3] + 0.5))
    columns = min(4 * MEASURE, max(3, columns))
    scaled = weights(box[1], box[3], MEASURE, height) @ picture @ weights(box[0], box[2], columns, width).T
    inner = scaled[1:-1, 1:-1]
    laplacian = scaled[:-2, 1:-1] + scaled[2:, 1:-1] + scaled[1:-1, :-2] + scaled[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def overall(height, sharp, roll, yaw, visible, score, face):
    none, gain = (20, 40) if face else (48, 100)
    size = 1 - np.exp(-max(0, height - none) / gain)
    return float(
        size * sharp / (sharp + 20) * (1 - min(180, abs(roll)) / 240) / (1 + (yaw / 0.5) ** 2) * visible**2 * np.sqrt(score)
    )


def picture(width, height, wave, seed):
    y, x = np.mgrid[0:height, 0:width].astype(float)
    noise = np.zeros(width * height)
    state = seed
    for i in range(width * height):
        state = (state * 1664525 + 1013904223) % 2**32
        noise[i] = state / 2**32 - 0.5
    values = 120 + 50 * np.sin(x / wave) * np.cos(y / (1.3 * wave)) + 40 * (x + 0.5 * y > 0.7 * width) + 12 * noise.reshape(height, width)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def case(name, image, box, landmarks, score, visible, height_px):
    roll = yaw = 0.0
    if landmarks is not None:
        left, right, nose = (np.array(landmarks[i], float) for i in range(3))
        axis = right - left
        roll = float(np.degrees(np.arctan2(axis[1], axis[0])))
        yaw = float(np.dot(nose - (left + right) / 2, axis) / np.dot(axis, axis))
    sharp = sharpness(image.astype(float), box)
    return {
        "name": name,
        "width": image.shape[1],
        "height": image.shape[0],
        "grey": base64.b64encode(image.tobytes()).decode(),
        "box": box,
        "landmarks": landmarks,
        "score": score,
        "visible": visible,
        "heightPx": height_px,
        "expected": {
            "sharpness": sharp,
            "rollDegrees": roll,
            "yaw": yaw,
            "overall": overall(height_px, sharp, roll, yaw, visible, score, landmarks is not None),
        },
    }


def main():
    upright = [[22, 30], [46, 29], [35, 44], [25, 56], [44, 55]]
    tilted = [[40, 80], [85, 50], [80, 90], [75, 120], [105, 100]]
    cases = [
        case("small face, grown", picture(60, 72, 5, 1), [11.4, 12.2, 44.6, 53.7], upright, 0.83, 1.0, 53.7),
        case("tilted face, shrunk", picture(150, 170, 9, 2), [12.3, 14.8, 120.4, 141.9], tilted, 0.95, 0.9, 141.9),
        case("box beyond the picture", picture(60, 72, 4, 3), [-7.5, -3.2, 50.0, 60.0], upright, 0.6, 0.7, 60.0),
        case("body", picture(64, 160, 7, 4), [4.0, 6.0, 55.0, 150.0], None, 0.7, 1.0, 300.0),
        case("face too small to tell", picture(30, 34, 3, 5), [4.0, 5.0, 14.0, 19.0], [[7, 12], [14, 12], [10.5, 16], [8, 20], [13, 20]], 0.9, 1.0, 19.0),
        case("flat picture", np.full((40, 40), 90, np.uint8), [5.0, 5.0, 25.0, 30.0], [[12, 15], [24, 15], [18, 21], [13, 28], [23, 28]], 0.9, 1.0, 60.0),
    ]
    json.dump({"origin": "tools/golden/quality.py", "numpy": np.__version__, "cases": cases}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
