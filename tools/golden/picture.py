"""Small pictures by formula; test/support/golden.ts makes the same ones, so that none has to be stored."""

import numpy as np


def noisy(width: int, height: int) -> np.ndarray:
    """Hard edges everywhere: what ringing, clamping and rounding mistakes show on."""
    x = np.arange(width, dtype=np.int64)[None, :, None]
    y = np.arange(height, dtype=np.int64)[:, None, None]
    c = np.arange(3, dtype=np.int64)[None, None, :]
    return (((x * 37 + y * 101 + c * 57) ^ ((x * y) >> 3)) & 255).astype(np.uint8)


def smooth(width: int, height: int) -> np.ndarray:
    """Slopes: what a shift or a swapped axis or channel shows on."""
    x = np.arange(width, dtype=np.int64)[None, :, None]
    y = np.arange(height, dtype=np.int64)[:, None, None]
    c = np.arange(3, dtype=np.int64)[None, None, :]
    return np.abs((x * 3 + y * 5 + c * 140) % 510 - 255).astype(np.uint8)


PICTURES = {"noisy": noisy, "smooth": smooth}
