"""What annotated video draws into an I420 picture: outlines and text plates by masks over pixel coordinates, colours by the matrices of
ITU-R BT.601 and BT.709. Writes test/fixtures/golden/drawing.json; `write.py` calls it too."""

import base64
import json
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parents[2] / "test/fixtures/golden/drawing.json"
WIDTH, HEIGHT = 64, 48
KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
COLOURS = ["#56b4e9", "#f0e442", "#e69f00", "#d55e00", "#9a9a9a", "#ffffff", "#000000", "#0000ff", "#ff0000"]
BOXES = [
    {"box": [10, 12, 20, 16], "stroke": 4, "text": [14, 8], "plate": [10, 4]},
    {"box": [10.7, 13.2, 19.9, 15.4], "stroke": 2, "text": [14, 8], "plate": [10, 4]},
    {"box": [-6.5, -3, 30, 20], "stroke": 4, "text": [14, 8], "plate": [0, 0]},
    {"box": [50, 30, 40, 40], "stroke": 4, "text": [20, 10], "plate": [44, 20]},
    {"box": [30, 20, 3, 2], "stroke": 4, "text": [70, 8], "plate": [0, 12]},
    {"box": [4, 6, 40, 30], "stroke": 2, "text": [12, 8], "plate": [4, 6]},
]


def ink(colour: str, matrix: str, full: bool) -> list[int]:
    red, blue = KR_KB[matrix]
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    forward = np.array(
        [
            [red, 1 - red - blue, blue],
            np.array([-red, -(1 - red - blue), 1 - blue]) / (2 * (1 - blue)),
            np.array([1 - red, -(1 - red - blue), -blue]) / (2 * (1 - red)),
        ]
    )
    y, u, v = forward @ rgb
    scaled = [255 * y, 128 + 255 * u, 128 + 255 * v] if full else [16 + 219 * y, 128 + 224 * u, 128 + 224 * v]
    return [int(min(255, np.floor(value + 0.5))) for value in scaled]


def picture() -> list[np.ndarray]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    cy, cx = np.mgrid[0 : HEIGHT // 2, 0 : WIDTH // 2]
    return [(x * 37 + y * 101) & 255, (cx * 5 + cy * 3) & 255, (cx * 7 + cy * 11 + 90) & 255]


def paint(planes: list[np.ndarray], mask: np.ndarray, colour: list[int]) -> None:
    planes[0][mask] = colour[0]
    blocks = mask.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).any(axis=(1, 3))
    assert (blocks == mask.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).all(axis=(1, 3))).all(), "half a block"
    planes[1][blocks] = colour[1]
    planes[2][blocks] = colour[2]


def draw(case: dict) -> list[np.ndarray]:
    planes = picture()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    left, top, width, height = case["box"]
    # The even pixels around it.
    l, t = 2 * np.floor(left / 2), 2 * np.floor(top / 2)
    r, b = 2 * np.ceil((left + width) / 2), 2 * np.ceil((top + height) / 2)
    inside = (x >= l) & (x < r) & (y >= t) & (y < b)
    s = case["stroke"]
    core = (x >= l + s) & (x < r - s) & (y >= t + s) & (y < b - s)
    colour = ink("#e69f00", "bt601", False)
    paint(planes, inside & ~core, colour)
    text_width, text_height = case["text"]
    at_x, at_y = case["plate"]
    plate = (x >= at_x) & (x < at_x + text_width) & (y >= at_y) & (y < at_y + text_height)
    paint(planes, plate, colour)
    alpha = (((x - at_x) * 29 + (y - at_y) * 53).astype(int) & 255)[plate]
    # Black on a light colour.
    planes[0][plate] = np.floor((planes[0][plate] * (255 - alpha) + 16 * alpha) / 255 + 0.5).astype(int)
    return planes


def packed(plane: np.ndarray) -> str:
    return base64.b64encode(plane.astype(np.uint8).tobytes()).decode()


def write_drawing() -> None:
    inks = [
        {"colour": colour, "matrix": matrix, "fullRange": full, "ink": ink(colour, matrix, full)}
        for colour in COLOURS
        for matrix in KR_KB
        for full in (False, True)
    ]
    cases = [{**case, "planes": [packed(plane) for plane in draw(case)]} for case in BOXES]
    content = {"origin": f"tools/golden/drawing.py with numpy {np.__version__}", "width": WIDTH, "height": HEIGHT, "inks": inks, "cases": cases}
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    OUT.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    write_drawing()
