"""The two sides of CLIP. A network of another embedder has the same shapes, so the kind is always said and never guessed."""

from argparse import Namespace

import numpy as np
import onnx
from description import BATCHES, LOOKS
from gate import LIMITS, Verdict, compare_vectors, require_equal
from network import Running, Tensor, declare, halved, inputs_of, outputs_of, rounding, settled, true_shapes
from onnx import TensorProto
from pictures import planes
from refusal import Refused
from result import Result

LENGTH = 77
END = 49407
TEXTS = {
    "a diagram": (320, 22697),
    "a dog": (320, 1929),
    "a cat": (320, 2368),
    "a photo of a person": (320, 1125, 539, 320, 2533),
    "a person in a red jacket carrying a backpack": (320, 2533, 530, 320, 736, 6164, 9920, 320, 14894),
    "a man riding a bicycle": (320, 786, 6765, 320, 11652),
    "person wearing a yellow helmet": (2533, 3309, 320, 4481, 11122),
    "white van": (1579, 2451),
    "a red car": (320, 736, 1615),
    "": (),
}
"""Token ids without start and end, by CLIP's tokenizer (test/fixtures/golden/tokens.json has the same)."""


def convert_visual(model: onnx.ModelProto, reference, pictures, options: Namespace) -> Result:
    inputs = inputs_of(model)
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[1] not in (3, -1):
        raise Refused(f"the image side of CLIP has one input [batch, 3, side, side]; this network has {_text(inputs)}")
    [tensor] = inputs
    if tensor.type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        raise Refused(f'input "{tensor.name}" holds {TensorProto.DataType.Name(tensor.type)}; allowed is FLOAT or FLOAT16')
    size = options.size or (tensor.shape[2:] if min(tensor.shape[2:]) > 0 else (224, 224))
    look = {**LOOKS["clip_visual"], **{key: getattr(options, key) for key in ("mean", "std") if getattr(options, key) is not None}}
    rows = [(name, {tensor.name: planes(picture, size, {**look, "fit": "center_crop"})}) for name, picture in pictures]
    parameters = {**look, "resize": "center_crop", "interpolation": "bicubic_antialias"}
    return _convert("clip_visual", model, reference, rows, {tensor.name: (-1, 3, *size)}, parameters, options)


def convert_text(model: onnx.ModelProto, reference, _pictures, options: Namespace) -> Result:
    inputs = inputs_of(model)
    ids = next((tensor for tensor in inputs if tensor.name != "attention_mask"), None)
    whole = all(tensor.type in (TensorProto.INT32, TensorProto.INT64) and len(tensor.shape) == 2 for tensor in inputs)
    if ids is None or len(inputs) > 2 or not whole or ids.shape[1] not in (LENGTH, -1):
        raise Refused(f"the text side of CLIP has one input of ids [batch, {LENGTH}] and at most an attention_mask beside it; this network has {_text(inputs)}")
    rows = []
    for text, tokens in TEXTS.items():
        row = np.zeros((1, LENGTH), np.int64)
        row[0, : len(tokens) + 2] = (END - 1, *tokens, END)
        seen = (np.arange(LENGTH) < len(tokens) + 2).astype(np.int64)[None]
        rows.append((f'"{text}"', {tensor.name: row if tensor is ids else seen for tensor in inputs}))
    return _convert("clip_text", model, reference, rows, {tensor.name: (-1, LENGTH) for tensor in inputs}, {"vocabulary": "merges.txt.gz"}, options)


def _convert(kind, model, reference, rows, shapes, look, options) -> Result:
    """`rows`: name and feeds of one input each; `shapes` what the inputs are declared as."""
    described = [tensor.name for tensor in outputs_of(model)]
    freed = declare(model, {**shapes, **{name: None for name in described}})
    network = halved(freed) if options.precision == "fp16" else freed
    running = Running(network)
    alone = running.tries(rows[0][1])
    if alone is None:
        raise Refused(f"the network does not run with one input of {shapes}: export it with a free batch or one of 1")
    if len(alone) != 1 or alone[0].ndim != 2 or alone[0].shape[0] != 1 or alone[0].shape[1] < 2:
        raise Refused(f"one output is wanted, a vector per row; this network gives {', '.join(str(list(value.shape)) for value in alone)}")
    _require_batches(running, rows, alone, options.precision)
    [output] = true_shapes([alone], batched=True)
    network = settled(network, {**shapes, running.outputs[0]: output})
    source, held = reference or Running(model), [Running(network)]
    if options.precision == "fp16":
        held.append(Running(rounding(freed)))
    if reference is None and source.tries(rows[0][1]) is None:
        raise Refused("the network declares a batch other than 1 and cannot be compared with itself: export it with a free batch or one of 1")
    verdict = Verdict(LIMITS[options.precision])
    for name, feeds in rows:
        for converted in held:
            compare_vectors(verdict, name, source.run(feeds)[0], converted.run(feeds)[0])
        verdict.pictures += 1
    verdict.finish(detector=False)
    parameters = {"kind": kind, "space": options.space, "space_version": options.space_version, **look}
    most = options.max_batch or BATCHES.get(kind, 8)
    return Result(kind, f"{output[1]} numbers", network, most, parameters, verdict.figures(detector=False))


def _require_batches(running: Running, rows, alone, precision: str) -> None:
    """Crops are embedded by the batch: a network whose exporter fixed it inside is refused."""
    second = rows[1][1]
    both = running.tries({name: np.concatenate([value, second[name]]) for name, value in rows[0][1].items()})
    if both is None or both[0].shape[0] != 2:
        raise Refused("the network takes no two inputs at once: export it with a free batch axis (dynamic_axes)")
    require_equal("the first of two inputs, beside the same alone", alone, [both[0][:1]], 1e-4 if precision == "fp32" else 1e-2)


def _text(inputs: list[Tensor]) -> str:
    return ", ".join(f'"{tensor.name}" {TensorProto.DataType.Name(tensor.type)} {list(tensor.shape)}' for tensor in inputs)
