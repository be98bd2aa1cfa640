"""Writes a CLIP of full size with random weights into a model repository: for benches of batching, overload and memory, where what the
vectors say does not matter and what they cost does. It resembles nothing and finds nobody.

  random_clip.py --as clip_visual --repository DIR                       ViT-B/32, image side, 350 MB
  random_clip.py --as clip_visual_fp16 --precision fp16 --repository DIR
  random_clip.py --as clip_visual_u8 --input uint8 --repository DIR      takes pixels as they are
  random_clip.py --as clip_text --side text --repository DIR
"""

import argparse
import sys
from pathlib import Path

from packages import missing

if (absent := missing()) is not None:
    sys.exit(f"random_clip.py: {absent}")

import numpy as np
from clip_network import ARCHITECTURES, LENGTH, of_bytes, random_weights, text_network, visual_network
from description import BATCHES, LOOKS
from embedders import END
from gate import LIMITS, Verdict, compare_vectors
from network import Running, halved, rounding
from refusal import Refused
from result import Result, write


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="random_clip.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as", dest="name", required=True, metavar="MODEL")
    parser.add_argument("--repository", required=True, metavar="DIR")
    parser.add_argument("--side", default="visual", choices=["visual", "text"])
    parser.add_argument("--architecture", default="ViT-B-32", choices=list(ARCHITECTURES))
    parser.add_argument("--precision", default="fp32", choices=sorted(LIMITS))
    parser.add_argument("--input", default="fp32", choices=["fp32", "uint8"], help="of the image side")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)

    kind = f"clip_{options.side}"
    look = {**LOOKS[kind], **({"vocabulary": "merges.txt.gz"} if options.side == "text" else {})}
    weights = random_weights(options.architecture, options.side, options.seed)
    whole = (visual_network if options.side == "visual" else text_network)(weights, "quick_gelu")
    network, tried, verdict = whole, whole, Verdict(LIMITS[options.precision])
    if options.precision == "fp16":
        network, tried = halved(whole), rounding(whole)
    mean, std = ([float(value) for value in look.get(name, "0, 0, 0").split(",")] for name in ("mean", "std"))
    given = noise(options)
    asked = given
    if options.side == "visual" and options.input == "uint8":
        network, tried, look = of_bytes(network, mean, std), of_bytes(tried, mean, std), {"scale": "1"}
        asked = [{"input": bytes_of(feeds["input"], mean, std)} for feeds in given]
        given = [{"input": values_of(feeds["input"], mean, std)} for feeds in asked]
    wide, narrow = Running(whole), Running(tried)
    for at, (feeds, own) in enumerate(zip(given, asked, strict=True)):
        compare_vectors(verdict, f"noise {at}", wide.run(feeds)[0], narrow.run(own)[0])
        verdict.pictures += 1
    verdict.finish(detector=False)
    space = f"random_{options.architecture}_{options.seed}"
    parameters = {"kind": kind, "space": space, "space_version": "1", **look}
    origin = f"{options.architecture}, {options.side} side, RANDOM weights of seed {options.seed} ({options.precision}), for benches: it finds nobody."
    result = Result(kind, "random weights", network, BATCHES.get(kind, 8), parameters, verdict.figures(detector=False))
    record = {"source": origin, "architecture": options.architecture, "seed": options.seed, "precision": options.precision}
    print("\n".join(write(result, Path(options.repository) / options.name, origin, record)))


def noise(options) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(options.seed)
    side = ARCHITECTURES[options.architecture][0]
    if options.side == "visual":
        return [{"input": random.standard_normal((1, 3, side, side), np.float32)} for _ in range(4)]
    rows = random.integers(1, END - 1, (4, 1, LENGTH))
    rows[:, :, 0], rows[:, :, 20], rows[:, :, 21:] = END - 1, END, 0
    return [{"input": row} for row in rows]


def bytes_of(values: np.ndarray, mean: list[float], std: list[float]) -> np.ndarray:
    """The pixels whose values are nearest."""
    shape = (3, 1, 1)
    return np.clip(np.rint(255 * (values * np.reshape(std, shape) + np.reshape(mean, shape))), 0, 255).astype(np.uint8)


def values_of(pixels: np.ndarray, mean: list[float], std: list[float]) -> np.ndarray:
    shape = (3, 1, 1)
    return ((pixels / 255 - np.reshape(mean, shape)) / np.reshape(std, shape)).astype(np.float32)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as problem:
        sys.exit(f"random_clip.py: {problem}")
