"""`config.pbtxt` of a converted network, as Triton and the embedded engine read it (docs/models.md)."""

import ast
from pathlib import Path

import onnx
from network import Tensor
from onnx import TensorProto
from refusal import Refused

TYPES = {
    TensorProto.FLOAT: "TYPE_FP32",
    TensorProto.FLOAT16: "TYPE_FP16",
    TensorProto.INT32: "TYPE_INT32",
    TensorProto.INT64: "TYPE_INT64",
    TensorProto.UINT8: "TYPE_UINT8",
}
LOOKS = {
    "centerface": {"scale": "1", "fit": "stretch"},
    "yolox": {"scale": "1", "colour": "bgr", "fit": "letterbox_top_left", "pad_value": "114"},
    "yolov7": {"scale": "1/255", "fit": "letterbox", "pad_value": "114"},
    "yolov8": {"scale": "1/255", "fit": "letterbox", "pad_value": "114"},
    "yolo_end2end": {"scale": "1/255", "fit": "letterbox", "pad_value": "114"},
    "clip_visual": {"scale": "1/255", "mean": "0.48145466, 0.4578275, 0.40821073", "std": "0.26862954, 0.26130258, 0.27577711"},
    "clip_text": {},
}
"""How a kind sees pictures, written out so that a reader need not know the defaults."""

THRESHOLDS = {"centerface": 0.5, "yolo_end2end": 0.35, "yolov7": 0.25, "yolov8": 0.25, "yolox": 0.25}
BATCHES = {"clip_visual": 32}


def config(name: str, comment: str, inputs: list[Tensor], outputs: list[Tensor], most: int, parameters: dict[str, str], labels: bool) -> str:
    """`most` is `max_batch_size`; 0 when the first axis is not the picture's or cannot be freed. `labels`: labels.txt lies beside it."""
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f'name: "{name}"', 'backend: "onnxruntime"', f"max_batch_size: {most}"]
    lines += [f"input [ {', '.join(_tensor(tensor, most) for tensor in inputs)} ]"]
    named = ' label_filename: "labels.txt"' if labels else ""
    lines += ["output [", ",\n".join(f"  {_tensor(tensor, most, named if at == 0 else '')}" for at, tensor in enumerate(outputs)), "]"]
    if most > 1:
        lines += [f"dynamic_batching {{ max_queue_delay_microseconds: {5000 if 'mean' in parameters else 2000} }}"]
    entries = [f'  {{ key: "{key}" value: {{ string_value: "{_quoted(value)}" }} }}' for key, value in parameters.items()]
    return "\n".join([*lines, "parameters [", ",\n".join(entries), "]", ""])


def _tensor(tensor: Tensor, most: int, more: str = "") -> str:
    dims = tensor.shape[1:] if most > 0 else tensor.shape
    if tensor.type not in TYPES:
        raise Refused(f'"{tensor.name}" holds {TensorProto.DataType.Name(tensor.type)}; allowed is {", ".join(TYPES.values())}')
    return f'{{ name: "{_quoted(tensor.name)}" data_type: {TYPES[tensor.type]} dims: [ {", ".join(map(str, dims))} ]{more} }}'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def read_labels(path: Path) -> list[str]:
    """A name per line, by number of the class."""
    try:
        lines = path.read_text("utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise Refused(f"--labels {path}: {problem}") from problem
    names = [line.strip() for line in lines]
    for number, name in enumerate(names, 1):
        if name == "":
            raise Refused(f"{path}:{number}: a class has no name")
    return names


def class_map(model: onnx.ModelProto) -> list[str] | None:
    """Names that the exporter wrote into the file (`names`, as Ultralytics and YOLOv9 do); None when it wrote none."""
    for entry in model.metadata_props:
        if entry.key != "names":
            continue
        try:
            names = ast.literal_eval(entry.value)
        except (ValueError, SyntaxError) as problem:
            raise Refused(f'the class map in the network\'s metadata cannot be read: "{entry.value[:80]}"') from problem
        pairs = sorted(names.items()) if isinstance(names, dict) else list(enumerate(names))
        if [number for number, _ in pairs] != list(range(len(pairs))):
            raise Refused(f"the class map in the network's metadata has numbers {[number for number, _ in pairs][:10]}…, not 0 to {len(pairs) - 1}")
        return [str(name) for _, name in pairs]
    return None


def agreed_labels(given: list[str] | None, written: list[str] | None) -> list[str]:
    """The label file must agree with the network's own class map. Raises `Refused`."""
    if given is None and written is None:
        raise Refused("the network names no classes: give --labels FILE, a name per line by number of the class")
    if given is None or written is None:
        return given or written or []
    if len(given) != len(written):
        raise Refused(f"the label file has {len(given)} classes, the network's class map {len(written)}: {', '.join(written[:8])}…")
    for number, (mine, theirs) in enumerate(zip(given, written, strict=True)):
        if mine.casefold() != theirs.casefold():
            raise Refused(f'class {number} is "{mine}" in the label file and "{theirs}" in the network\'s class map')
    return given
