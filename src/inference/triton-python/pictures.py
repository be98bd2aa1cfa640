"""Encoded pictures to the numbers of a network's input, as Sightline itself makes them (docs/models.md: parameters).

Needs numpy and Pillow in the Python of the server: pip install Pillow.
"""

import io
import math

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 50_000_000
# Before the picture is read, not after: MAX_PIXELS is checked on its header.
Image.MAX_IMAGE_PIXELS = None


class BadPicture(Exception):
    """Says what is wrong with a request, and what would be allowed."""


def decode(encoded):
    """A JPEG to RGB, rows by columns by channels, turned as its EXIF says. Bytes behind its end are ignored."""
    try:
        with Image.open(io.BytesIO(encoded), formats=["JPEG"]) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise BadPicture(f"the picture has {width} x {height} pixels; allowed are {MAX_PIXELS // 1_000_000} million")
            if picture.mode not in ("L", "RGB"):
                raise BadPicture(f"the picture is {picture.mode}; allowed is a JPEG in grey or RGB")
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise BadPicture(f"the picture cannot be decoded ({error}); allowed is a whole JPEG") from error


def resize(image, width, height, interpolation):
    if (height, width) == image.shape[:2]:
        return image
    if interpolation == "bilinear":
        return resize_bilinear(image, width, height)
    filters = {"bilinear_antialias": Image.Resampling.BILINEAR, "bicubic_antialias": Image.Resampling.BICUBIC}
    # Rows first. Pillow 13 chooses by the sizes which comes first, and each rounds.
    narrowed = Image.fromarray(image).resize((width, image.shape[0]), filters[interpolation])
    return np.asarray(narrowed.resize((width, height), filters[interpolation]))


def resize_bilinear(image, width, height):
    """Samples at half-pixel centres without antialias, as OpenCV's INTER_LINEAR."""
    rows, columns = spans(image.shape[0], height), spans(image.shape[1], width)
    across, down = columns[2][None, :, None], rows[2][:, None, None]
    upper, lower = image[rows[0]], image[rows[1]]
    above = upper[:, columns[0]] * (1 - across) + upper[:, columns[1]] * across
    below = lower[:, columns[0]] * (1 - across) + lower[:, columns[1]] * across
    return np.floor(above * (1 - down) + below * down + 0.5).astype(np.uint8)


def spans(size, wanted):
    """For each wanted pixel the two pixels round its centre, and the share of the second."""
    centre = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    near = np.floor(centre).astype(int)
    return near, np.minimum(size - 1, near + 1), centre - near


def clip_view(image, width, height, mode, interpolation, pad_value):
    """CLIP's view of a picture: the shorter side fitted and the middle cut out, all of it squashed, or all of it padded."""
    rows, columns = image.shape[:2]
    if mode == "squash":
        return resize(image, width, height, interpolation)
    wide = width * rows < height * columns
    if wide == (mode == "pad"):
        size = width, max(1, int(width * rows / columns))
    else:
        size = max(1, int(height * columns / rows)), height
    resized = resize(image, *size, interpolation)
    left, top = round((width - size[0]) / 2), round((height - size[1]) / 2)
    if mode == "pad":
        padded = np.full((height, width, 3), pad_value, np.float32)
        padded[top : top + size[1], left : left + size[0]] = resized
        return padded
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    return resized[top : top + height, left : left + width]


class Format:
    """How pixels become numbers: (pixel * scale - mean) / std, in the order of channels and the layout of the network."""

    def __init__(self, parameters, scale):
        scale = number(parameters.get("scale", scale))
        mean = numbers(parameters.get("mean", "0, 0, 0"))
        std = numbers(parameters.get("std", "1, 1, 1"))
        self.gain, self.bias = scale / std, -mean / std
        self.order = [2, 1, 0] if parameters.get("colour") == "bgr" else [0, 1, 2]
        self.planar = parameters.get("layout", "nchw") == "nchw"

    def numbers(self, image):
        values = (image * self.gain + self.bias)[..., self.order].astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(values, -1, 0)) if self.planar else values


def number(text):
    """A decimal number, or a fraction such as 1/255."""
    top, _, bottom = text.partition("/")
    value = float(top) / float(bottom or 1)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def numbers(text):
    return np.array([number(part) for part in text.split(",")])


def parameters_of(config):
    return {key: value["string_value"].strip() for key, value in config.get("parameters", {}).items()}
