"""Writes a CLIP of full size with random weights into a model repository: for benches of batching, overload and memory, where what the
vectors say does not matter and what they cost does. It resembles nothing and finds nobody.

  random_clip.py --as clip_visual --repository DIR                       ViT-B/32, image side, 350 MB
  random_clip.py --as clip_visual_fp16 --precision fp16 --repository DIR
  random_clip.py --as clip_text --side text --repository DIR
"""

import argparse
import sys
from pathlib import Path

from packages import missing

if (absent := missing()) is not None:
    sys.exit(f"random_clip.py: {absent}")

import numpy as np
from clip_network import ARCHITECTURES, LENGTH, random_weights, text_network, visual_network
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
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)

    kind = f"clip_{options.side}"
    weights = random_weights(options.architecture, options.side, options.seed)
    whole = (visual_network if options.side == "visual" else text_network)(weights, "quick_gelu")
    network, verdict = whole, Verdict(LIMITS[options.precision])
    if options.precision == "fp16":
        network = halved(whole)
    wide, narrow = Running(whole), Running(rounding(whole) if network is not whole else whole)
    for at, feeds in enumerate(noise(options)):
        compare_vectors(verdict, f"noise {at}", wide.run(feeds)[0], narrow.run(feeds)[0])
        verdict.pictures += 1
    verdict.finish(detector=False)
    space = f"random_{options.architecture}_{options.seed}"
    look = {**LOOKS[kind], **({"vocabulary": "merges.txt.gz"} if options.side == "text" else {})}
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


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as problem:
        sys.exit(f"random_clip.py: {problem}")
