"""Real pictures as a network's input, for the accuracy gate: the same tensor goes to both networks, so what counts is that it looks
like what a camera gives and not which filter made it smaller."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from refusal import Refused

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
LEAST, MOST = 4, 32
"""Pictures that the gate wants at least and looks at at most."""


def read_pictures(paths: list[str]) -> list[tuple[str, Image.Image]]:
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise Refused(f"--pictures: {path} does not exist")
        files += sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if len(files) < LEAST:
        there = f"{len(files)} pictures in {', '.join(paths)}" if paths else "is missing"
        raise Refused(f"--pictures: {there}; at least {LEAST} are wanted ({', '.join(SUFFIXES)})")
    # Evenly from all of them: neighbours in a folder are often one scene.
    step = max(1, len(files) / MOST)
    chosen = [files[int(index * step)] for index in range(min(MOST, len(files)))]
    return [(file.name, _read(file)) for file in chosen]


def _read(file: Path) -> Image.Image:
    try:
        return ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    except (OSError, Image.DecompressionBombError) as problem:  # what Pillow raises for broken files is an OSError
        raise Refused(f"--pictures: {file} cannot be read: {problem}") from problem


def planes(picture: Image.Image, size: tuple[int, int], look: dict[str, str]) -> np.ndarray:
    """[1, 3, height, width]. `look` has the parameters of config.pbtxt: scale, colour, mean, std, fit, pad_value."""
    height, width = size
    fit = look.get("fit", "stretch")
    if fit == "stretch":
        pixels = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)
    elif fit == "center_crop":
        pixels = np.asarray(ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC), np.float32)
    else:
        gain = min(width / picture.width, height / picture.height)
        inner = (max(1, round(picture.width * gain)), max(1, round(picture.height * gain)))
        pixels = np.full((height, width, 3), float(look.get("pad_value", "114")), np.float32)
        left, top = (0, 0) if fit == "letterbox_top_left" else ((width - inner[0]) // 2, (height - inner[1]) // 2)
        pixels[top : top + inner[1], left : left + inner[0]] = np.asarray(picture.resize(inner, Image.Resampling.BILINEAR), np.float32)
    mean, std = (np.array([float(x) for x in look.get(key, default).split(",")], np.float32) for key, default in (("mean", "0,0,0"), ("std", "1,1,1")))
    pixels = (pixels * _fraction(look.get("scale", "1/255")) - mean) / std
    if look.get("colour") == "bgr":
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)


def _fraction(text: str) -> np.float32:
    over, _, under = text.partition("/")
    return np.float32(float(over) / float(under or 1))
