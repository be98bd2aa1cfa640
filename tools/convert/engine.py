"""Builds a TensorRT engine from a converted model, inside NVIDIA's TensorRT container of the release that your Triton has:

  docker run --rm --gpus all -v DIR:/models -v SIGHTLINE/tools/convert:/convert IMAGE \\
    sh -c 'pip install onnxruntime polygraphy && python3 /convert/engine.py /models/yolov8s'

UNPROVEN: there was no GPU to run it on. Polygraphy's arguments were tried without one, those of trtexec are NVIDIA's documentation.

It takes DIR/MODEL as convert.py wrote it and writes DIR/MODEL/engines/KEY/MODEL, where KEY names GPU and TensorRT version: an engine serves no
other. That folder is a model for a Triton with that GPU (`backend: "tensorrt"`, the same contract): copy it into its repository. Precision is
that of the ONNX file, as TensorRT 11 has it: convert with --precision fp16 for 16 bits. An engine whose answers differ from those of the
ONNX file in ONNX Runtime is refused; DIR/MODEL itself is never touched.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="engine.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a model, with config.pbtxt and 1/model.onnx")
    parser.add_argument("--opt-batch", type=int, default=8, help="batch that the engine is fastest at (default 8)")
    parser.add_argument("--size", default="640x480", metavar="WIDTHxHEIGHT", help="most used size, where the input's is free (default 640x480)")
    parser.add_argument("--most-size", default="1280x960", metavar="WIDTHxHEIGHT", help="largest size, likewise (default 1280x960)")
    parser.add_argument("--tolerance", type=float, default=0.02, help="most difference of an output, relative and absolute (default 0.02)")
    options = parser.parse_args()
    model = options.model.resolve()
    for needed in (model / "config.pbtxt", model / "1/model.onnx"):
        if not needed.is_file():
            sys.exit(f"engine.py: {needed} is no file; wanted is the folder of a model as convert.py writes it")
    config = (model / "config.pbtxt").read_text()
    most = int(found(r"^max_batch_size:\s*(\d+)", config, "max_batch_size"))
    name, dims = first_input(config)
    usual, largest = size(options.size), size(options.most_size)
    profile = profiles(name, dims, most, max(1, min(options.opt_batch, most)), usual, largest)
    on, version = gpu(), tensorrt_version()
    target = model / "engines" / f"{slug(on)}-trt{version}" / model.name
    with tempfile.TemporaryDirectory() as folder:
        plan, answers = Path(folder, "model.plan"), Path(folder, "answers.json")
        # Strongly typed: the types of the file decide, and inputs and outputs keep those of the contract. TensorRT 11 knows no other way.
        run(["trtexec", f"--onnx={model / '1/model.onnx'}", f"--saveEngine={plan}", "--stronglyTyped", *profile, "--skipInference"])
        shape = f"{name}:[{','.join(map(str, shapes(dims, most, 1, usual)))}]"
        seen = ["--input-shapes", shape, "--val-range", f"{name}:{values(config)}"]
        run(["polygraphy", "run", str(model / "1/model.onnx"), "--onnxrt", *seen, "--save-inputs", f"{folder}/inputs.json", "--save-outputs", str(answers)])
        limits = ["--atol", str(options.tolerance), "--rtol", str(options.tolerance)]
        run(["polygraphy", "run", str(plan), "--model-type", "engine", "--trt", "--load-inputs", f"{folder}/inputs.json", "--load-outputs", str(answers), *limits])
        record = {"gpu": on, "tensorrt": version, "profile": profile, "tolerance": options.tolerance}
        put(target, model, plan, served(config), record)
    print(f"wrote {target}, a model for a Triton with this GPU and TensorRT {version}")


def served(config: str) -> str:
    """The same contract for Triton's tensorrt backend; what is said to the onnxruntime backend alone is left out."""
    found(r'^backend: "(onnxruntime)"$', config, 'backend "onnxruntime"')
    return re.sub(r'^backend: "onnxruntime"$', 'backend: "tensorrt"', config, flags=re.MULTILINE)


def put(target: Path, model: Path, plan: Path, config: str, record: dict) -> None:
    """config.pbtxt last: without it a folder is no model."""
    (target / "1").mkdir(parents=True, exist_ok=True)
    shutil.move(plan, target / "1/model.plan")
    (target / "engine.json").write_text(json.dumps(record, indent=1) + "\n")
    if (model / "labels.txt").is_file():
        shutil.copyfile(model / "labels.txt", target / "labels.txt")
    (target / "config.pbtxt").write_text(config)


def values(config: str) -> str:
    """The range of values that the input has in use, for tensors of random ones."""
    if re.search(r"^input .*TYPE_INT", config, re.MULTILINE):
        return "[1,49406]"
    if '"mean"' in config:
        return "[-2,2]"
    return "[0,255]" if re.search(r'key: "scale" value: { string_value: "1" }', config) else "[0,1]"


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
    try:
        import tensorrt
    except ModuleNotFoundError:
        sys.exit("engine.py: no package tensorrt here; run this inside NVIDIA's TensorRT container")
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
