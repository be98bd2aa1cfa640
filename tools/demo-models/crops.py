"""Aligned face crops of drawn characters: what the embedder is trained and measured on. Run this file to draw the training set.

Every identity and every picture has its own random generator, seeded by (seed, kind, identity, picture), so that a crop does not
depend on how the work was divided.
"""

import json
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import skia

from backgrounds import draw_background
from characters import Identity, Pose, random_identity, random_pose, sibling
from clothes import random_clothes
from degrade import degrade
from drawing import draw_head
from sources import digest

TEMPLATE = 2 * np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
"""Where the five points lie in a crop of 224 pixels: the usual template of 112, times two."""

CACHE = Path(__file__).resolve().parents[2] / '.cache/demo-models/crops'

SEED, IDENTITIES, EACH = 20, 3500, 8
"""Of the training set."""

SIDE = 224
TRAIN_SIDE = 112
BORDER = 4
"""Pixels kept around a training crop on each side, so that training can shift it."""

FAMILY_SIZES = (0.60, 0.22, 0.12, 0.06)
"""Probability of 1, 2, 3 and 4 identities that resemble each other; 39 % of all identities are siblings of an earlier one."""


@dataclass(frozen=True)
class Conditions:
    """How a character was seen. Widths in pixels of the picture that the crop is cut from."""

    narrowest: float = 26
    widest: float = 170
    strength: float = 1.0
    """Of the degradation: 1 is harsh, 0.35 is mild."""
    jitter: float = 0.04
    """Standard deviation of each landmark's error in face widths; see `disturb`."""


HARSH, MILD = Conditions(), Conditions(48, 140, strength=0.35)


def families(count: int, seed: int) -> list[tuple[Identity, int]]:
    """`count` identities with the number of their family; a family stands together, its first member is nobody's sibling."""
    members, family = [], 0
    while len(members) < count:
        rng = np.random.default_rng([seed, 0, family])
        first = random_identity(rng)
        members.append((first, family))
        for _ in range(int(rng.choice(len(FAMILY_SIZES), p=FAMILY_SIZES))):
            members.append((sibling(first, rng), family))
        family += 1
    return members[:count]


def strangers(count: int, seed: int) -> list[Identity]:
    """Identities of which none is made from another."""
    return [random_identity(np.random.default_rng([seed, 2, index])) for index in range(count)]


def fit_similarity(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares rotation, scale and shift from `points` to `target` as a 2 x 3 matrix (Umeyama 1991, closed form in 2D)."""
    source_mean, target_mean = points.mean(0), target.mean(0)
    s, t = points - source_mean, target - target_mean
    spread = (s * s).sum()
    a = (s * t).sum() / spread
    b = (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum() / spread
    linear = np.array([[a, -b], [b, a]])
    return np.hstack([linear, (target_mean - linear @ source_mean)[:, None]])


def align(image: np.ndarray, landmarks: np.ndarray, border: int = 0) -> np.ndarray:
    """The face as the embedder sees it, uint8 [224 + 2 border]²; bilinear, black outside, as `src/models/align.ts` does it."""
    matrix = fit_similarity(np.asarray(landmarks, np.float64), TEMPLATE + border)
    side = SIDE + 2 * border
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def halve(image: np.ndarray) -> np.ndarray:
    """Mean of each 2 x 2 pixels: what the network does first."""
    return cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)


def disturb(landmarks: np.ndarray, width: float, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Landmarks as a detector finds them: an error of each point and half of that common to all, from a quarter to one and a half times `jitter`."""
    sigma = jitter * width * rng.uniform(0.25, 1.5)
    return landmarks + rng.normal(0, sigma, landmarks.shape) + rng.normal(0, sigma / 2, 2)


def picture(identity: Identity, pose: Pose, width: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """RGB picture around a head whose face is `width` pixels wide, before degradation, and its five landmarks."""
    unit = width / 2
    side = int(np.ceil(4.0 * unit))
    pixels = np.zeros((side, side, 4), np.uint8)
    canvas = skia.Surface(pixels).getCanvas()
    draw_background(canvas, side, side, rng)
    x, y = side / 2 + rng.uniform(-0.5, 0.5, 2)
    face = draw_head(canvas, identity, pose, x, y, unit, clothes=random_clothes(rng))
    return np.ascontiguousarray(pixels[..., :3]), np.asarray(face.landmarks, np.float64)


def crop(identity: Identity, conditions: Conditions, rng: np.random.Generator, border: int = 0, pose: Pose | None = None) -> np.ndarray:
    """One aligned crop of 224 pixels (and `border` around it) in a new pose, light, dress and place."""
    width = float(np.exp(rng.uniform(np.log(conditions.narrowest), np.log(conditions.widest))))
    image, landmarks = picture(identity, pose or random_pose(rng), width, rng)
    image = degrade(image, rng, conditions.strength)
    return align(image, disturb(landmarks, width, conditions.jitter, rng), border)


def crops_of(identities: list[Identity], each: int, conditions: Conditions, seed: int) -> np.ndarray:
    """uint8 [identities, each, 224, 224, 3]."""
    return np.stack([
        np.stack([crop(identity, conditions, np.random.default_rng([seed, 3, index, number])) for number in range(each)])
        for index, identity in enumerate(identities)
    ])


def training_set(folder: Path = CACHE, identities: int = IDENTITIES, each: int = EACH, seed: int = SEED, processes: int = 2) -> np.ndarray:
    """uint8 [identities, each, 120, 120, 3] in `folder`, drawn where it is not there yet for the same numbers from the same code."""
    folder.mkdir(parents=True, exist_ok=True)
    path, note = folder / 'crops.npy', folder / 'crops.json'
    asked = {'identities': identities, 'each': each, 'seed': seed, 'code': digest('crops')}
    if not note.exists() or json.loads(note.read_text()) != asked:
        note.unlink(missing_ok=True)
        side = TRAIN_SIDE + 2 * BORDER
        np.lib.format.open_memmap(path, 'w+', np.uint8, (identities, each, side, side, 3)).flush()
        step = 50
        parts = [(path, seed, start, min(start + step, identities)) for start in range(0, identities, step)]
        with multiprocessing.get_context('spawn').Pool(processes) as pool:
            for done, _ in enumerate(pool.imap_unordered(_draw_part, parts), 1):
                if done % 10 == 0:
                    print(f'crops of {min(done * step, identities)} of {identities} characters', flush=True)
        note.write_text(json.dumps(asked))
    return np.load(path, mmap_mode='r')


def _draw_part(part: tuple[Path, int, int, int]) -> None:
    path, seed, start, stop = part
    cv2.setNumThreads(1)
    stored = np.load(path, mmap_mode='r+')
    members = families(stored.shape[0], seed)
    for index in range(start, stop):
        for number in range(stored.shape[1]):
            rng = np.random.default_rng([seed, 1, index, number])
            stored[index, number] = halve(crop(members[index][0], HARSH, rng, 2 * BORDER))
    stored.flush()


if __name__ == '__main__':
    print('crops', training_set().shape)
