"""What a camera, its lens and its encoder do to a picture: the same for detector scenes and embedder crops.

Pictures are uint8 arrays [height, width, 3], RGB. `strength` runs from 0 (a clean picture) to 1 (harsh); every draw comes from the
generator that is passed in.
"""

import cv2
import numpy as np

Picture = np.ndarray


def degrade(picture: Picture, rng: np.random.Generator, strength: float = 1.0) -> Picture:
    """Light, colour, blur, noise and compression in the order in which a camera adds them."""
    if strength <= 0:
        return picture
    x = picture.astype(np.float32) / 255
    x = light(x, rng, strength)
    x = colour(x, rng, strength)
    if rng.random() < 0.45 * strength:
        x = blur(x, rng.uniform(0.3, 0.4 + 1.3 * strength))
    if rng.random() < 0.2 * strength:
        x = motion_blur(x, rng.uniform(2, 2 + 5 * strength), rng.uniform(0, np.pi))
    if rng.random() < 0.7 * strength:
        x = noise(x, rng, rng.uniform(0, 0.05 * strength), grain=rng.uniform(0.5, 1.5))
    out = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.75 * strength:
        out = jpeg(out, int(rng.uniform(95 - 60 * strength, 95)))
    return out


def light(x: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Gamma, gain and a smooth field of light, on 0 to 1."""
    x = np.power(x, np.exp(rng.normal(0, 0.22 * strength)))
    x = x * np.exp(rng.normal(-0.08, 0.2) * strength)
    if rng.random() < 0.5 * strength:
        x = x * light_field(x.shape[0], x.shape[1], rng, 0.35 * strength)[..., None]
    return x


def light_field(height: int, width: int, rng: np.random.Generator, depth: float) -> np.ndarray:
    """A smooth factor around 1, [height, width], at most `depth` off."""
    coarse = rng.uniform(-1, 1, (3, 3)).astype(np.float32)
    return 1 + depth * np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), -1, 1)


def colour(x: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A colour cast, then part of the saturation taken away or, less, added."""
    x = x * np.exp(rng.normal(0, 0.07 * strength, 3)).astype(np.float32)
    if rng.random() < 0.4 * strength:
        grey = (x @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
        x = grey + (x - grey) * np.float32(rng.uniform(1 - 0.7 * strength, 1.2))
    return x


def blur(x: np.ndarray, sigma: float) -> np.ndarray:
    """Out of focus; `sigma` in pixels."""
    return cv2.GaussianBlur(x, (0, 0), sigma)


def motion_blur(x: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Moved by `length` pixels along `angle` (rad) while the shutter was open."""
    side = int(np.ceil(length)) | 1
    kernel = np.zeros((side, side), np.float32)
    middle = (side - 1) / 2
    for t in np.linspace(-0.5, 0.5, 4 * side):
        column, row = middle + t * (length - 1) * np.cos(angle), middle + t * (length - 1) * np.sin(angle)
        kernel[int(round(row)), int(round(column))] += 1
    return cv2.filter2D(x, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def noise(x: np.ndarray, rng: np.random.Generator, sigma: float, grain: float = 1.0) -> np.ndarray:
    """Sensor noise, more in the dark; `grain` above 1 makes spots wider than a pixel."""
    field = rng.standard_normal(x.shape, np.float32)
    if grain > 1:
        field = cv2.GaussianBlur(field, (0, 0), grain / 2) * np.float32(2 * np.sqrt(np.pi) * grain / 2 * 0.7)
    return x + np.float32(sigma) * field * (1.25 - 0.5 * np.clip(x, 0, 1))


def jpeg(picture: Picture, quality: int) -> Picture:
    """There and back through JPEG (colour at half resolution, as in video)."""
    done, data = cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(np.clip(quality, 5, 100))])
    if not done:
        raise RuntimeError(f'a picture of {picture.shape} could not be written as jpeg')
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
