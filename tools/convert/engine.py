"""Builds a TensorRT engine from a converted model, inside NVIDIA's TensorRT container of the release that your Triton has:

  docker run --rm --gpus all -v DIR:/models -v SIGHTLINE/tools/convert:/convert IMAGE python3 /convert/engine.py /models/yolov8s

UNPROVEN: written from NVIDIA's documentation of trtexec and Polygraphy; there was no GPU to run it on.

It takes DIR/MODEL as convert.py wrote it and writes DIR/MODEL/engines/KEY/model.plan, where KEY names GPU and TensorRT version: an engine
serves no other. It refuses one whose answers differ from those of the ONNX file, and never touches the ONNX file or config.pbtxt; a Triton of
that GPU is given a folder of its own with the plan and `backend: "tensorrt"`.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="engine.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a model, with config.pbtxt and 1/model.onnx")
    parser.add_argument("--opt-batch", type=int, default=8, help="batch that the engine is fastest at (default 8)")
    parser.add_argument("--size", default="640x480", metavar="WIDTHxHEIGHT", help="most used size, where the input's is free (default 640x480)")
    parser.add_argument("--most-size", default="1280x960", metavar="WIDTHxHEIGHT", help="largest size, likewise (default 1280x960)")
    parser.add_argument("--fp32", action="store_true", help="no arithmetic of 16 bits")
    parser.add_argument("--tolerance", type=float, default=0.02, help="most difference of an output, relative and absolute (default 0.02)")
    options = parser.parse_args()
    config = (options.model / "config.pbtxt").read_text()
    most = int(found(r"^max_batch_size:\s*(\d+)", config, "max_batch_size"))
    name, dims = first_input(config)
    onnx_file = options.model / "1/model.onnx"
    key = f"{slug(gpu())}-trt{tensorrt_version()}"
    folder = options.model / "engines" / key
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / "model.plan.new"
    profile = profiles(name, dims, most, min(options.opt_batch, max(1, most)), size(options.size), size(options.most_size))
    precision = [] if options.fp32 else ["--fp16"]
    # Inputs and outputs keep the types of the contract.
    run(["trtexec", f"--onnx={onnx_file}", f"--saveEngine={fresh}", *precision, *profile, "--skipInference"])
    tolerance = str(options.tolerance)
    shape = f"{name}:[{','.join(map(str, shapes(dims, most, 1, size(options.size))))}]"
    run([
        "polygraphy", "run", str(onnx_file), "--onnxrt", "--trt", "--load-engine", str(fresh), "--input-shapes", shape,
        "--atol", tolerance, "--rtol", tolerance,
    ])
    fresh.rename(folder / "model.plan")
    record = {"gpu": gpu(), "tensorrt": tensorrt_version(), "profile": profile, "tolerance": options.tolerance}
    (folder / "engine.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {folder}/model.plan")


def profiles(name: str, dims: list[int], most: int, usual: int, opt: tuple[int, int], largest: tuple[int, int]) -> list[str]:
    """Arguments of trtexec; none when every size is fixed."""
    if most == 0 and min(dims) > 0:
        return []
    least = (64, 64)
    corners = {"min": (1, least), "opt": (usual, opt), "max": (max(1, most), largest)}
    return [f"--{end}Shapes={name}:{'x'.join(map(str, shapes(dims, most, batch, own)))}" for end, (batch, own) in corners.items()]


def shapes(dims: list[int], most: int, batch: int, own: tuple[int, int]) -> list[int]:
    """`own` is height and width, for the last two axes where they are free."""
    whole = [batch, *dims] if most > 0 else list(dims)
    free = {len(whole) - 2: own[0], len(whole) - 1: own[1], 0: batch}
    return [free[axis] if value < 0 else value for axis, value in enumerate(whole)]


def first_input(config: str) -> tuple[str, list[int]]:
    """As convert.py writes it: one line for the inputs."""
    line = found(r"^input \[(.*)\]$", config, "input")
    if line.count("name:") != 1:
        sys.exit("engine.py: the model has more than one input; profiles are made for one")
    dims = found(r"dims: \[([^\]]*)\]", line, "dims of the input")
    return found(r'name: "([^"]*)"', line, "name of the input"), [int(one) for one in dims.split(",")]


def found(pattern: str, text: str, what: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        sys.exit(f"engine.py: config.pbtxt has no {what} as convert.py writes it")
    return match[1]


def size(text: str) -> tuple[int, int]:
    """Height and width."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        sys.exit(f'engine.py: "{text}": allowed is WIDTHxHEIGHT, such as 640x480')
    return int(match[2]), int(match[1])


def gpu() -> str:
    return run(["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", "--id=0"], quiet=True).strip()


def tensorrt_version() -> str:
    import tensorrt

    return tensorrt.__version__


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def run(words: list[str], quiet: bool = False) -> str:
    """Ends the program with the command's own words when it fails."""
    try:
        done = subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE if quiet else None)
    except FileNotFoundError:
        sys.exit(f"engine.py: no {words[0]} here; run this inside NVIDIA's TensorRT container")
    except subprocess.CalledProcessError as problem:
        sys.exit(f"engine.py: {words[0]} failed with {problem.returncode}; nothing was written")
    return done.stdout or ""


if __name__ == "__main__":
    main()
