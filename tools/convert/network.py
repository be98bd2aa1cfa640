"""An ONNX network as a file and as something that runs: free axes, real shapes, outputs that are kept, 16 bits."""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel
from refusal import Refused

NUMPY = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.INT32: np.int32,
    TensorProto.INT64: np.int64,
    TensorProto.UINT8: np.uint8,
}


@dataclass(frozen=True)
class Tensor:
    name: str
    type: int
    """Of `TensorProto`."""
    shape: tuple[int, ...]
    """-1 is free."""


def load(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as problem:  # the library's parsers raise whatever they like
        raise Refused(f"{path} is no valid ONNX network: {str(problem).strip().splitlines()[0]}") from problem
    return model


def inputs_of(model: onnx.ModelProto) -> list[Tensor]:
    weights = {initialiser.name for initialiser in model.graph.initializer}
    return [_tensor(value) for value in model.graph.input if value.name not in weights]


def outputs_of(model: onnx.ModelProto) -> list[Tensor]:
    return [_tensor(value) for value in model.graph.output]


def _tensor(value) -> Tensor:
    kind = value.type.tensor_type
    return Tensor(value.name, kind.elem_type, tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim))


def declare(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...] | None]) -> onnx.ModelProto:
    """The same network with inputs and outputs declared so; None leaves even the number of axes open. What it says of the tensors between is left out: it may be wrong now."""
    changed = copy.deepcopy(model)
    del changed.graph.value_info[:]
    for value in [*changed.graph.input, *changed.graph.output]:
        if value.name not in shapes:
            continue
        wanted = shapes[value.name]
        if wanted is None:
            value.type.tensor_type.ClearField("shape")
            continue
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for axis, size in enumerate(wanted):
            dim = shape.dim.add()
            if size >= 0:
                dim.dim_value = size
            else:
                # A name of its own for each free axis: equal names would claim equal sizes.
                dim.dim_param = "N" if axis == 0 else f"{value.name}_{axis}"
    return changed


def settled(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
    """Declared so, and where the runtime knows better, as it says: a description must agree with it."""
    declared = declare(model, shapes)
    return declare(declared, Running(declared).shapes)


def keep(model: onnx.ModelProto, outputs: tuple[str, ...]) -> onnx.ModelProto:
    """The network with these outputs in this order, and without what only the others needed."""
    changed = copy.deepcopy(model)
    graph = changed.graph
    by_name = {value.name: value for value in graph.output}
    kept = [copy.deepcopy(by_name[name]) for name in outputs]
    del graph.output[:]
    graph.output.extend(kept)
    wanted, nodes = set(outputs), []
    for node in reversed(graph.node):
        if wanted.isdisjoint(node.output):
            continue
        nodes.append(node)
        wanted.update(node.input)
        wanted.update(_outer_names(node))
    nodes = [copy.deepcopy(node) for node in reversed(nodes)]
    weights = [copy.deepcopy(one) for one in graph.initializer if one.name in wanted]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
    return changed


def _outer_names(node) -> set[str]:
    """Names that graphs inside a node (If, Loop) may take from outside."""
    names: set[str] = set()
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                names.update(inner.input)
                names.update(_outer_names(inner))
    return names


# Weights of 8 bits are widened by scales that are finer than 16 bits hold.
WIDE = [*DEFAULT_OP_BLOCK_LIST, "DequantizeLinear", "QuantizeLinear"]
"""Operations that stay in 32 bits."""


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Arithmetic and weights of 16 bits. Inputs and outputs keep their types, as the contract has them."""
    try:
        half = OnnxModel(convert_float_to_float16(copy.deepcopy(model), keep_io_types=True, op_block_list=WIDE))
        # The converter puts its casts at the end; a file must name what it uses before.
        half.topological_sort()
        return half.model
    except Exception as problem:  # the library raises whatever it likes
        raise Refused(f"the network cannot be written in 16 bits: {problem}") from problem


def rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """A network of 32 bits that rounds weights and every value between to 16. On a CPU the runtime computes what `halved` gives in 32
    bits, rounding nothing on the way; a GPU does not. This is what the accuracy gate runs instead."""
    changed = onnx.shape_inference.infer_shapes(model)
    kinds = {value.name: value.type.tensor_type.elem_type for value in [*changed.graph.value_info, *changed.graph.output]}
    with np.errstate(over="ignore"):
        for weight in changed.graph.initializer:
            if weight.data_type == TensorProto.FLOAT:
                near = numpy_helper.to_array(weight).astype(np.float16).astype(np.float32)
                weight.CopyFrom(numpy_helper.from_array(near, weight.name))
    nodes = []
    for node in changed.graph.node:
        nodes.append(node)
        for at, name in enumerate(node.output):
            if node.op_type in WIDE or kinds.get(name) != TensorProto.FLOAT:
                continue
            exact, near = f"{name}.exact", f"{name}.near"
            node.output[at] = exact
            nodes.append(helper.make_node("Cast", [exact], [near], to=TensorProto.FLOAT16))
            nodes.append(helper.make_node("Cast", [near], [name], to=TensorProto.FLOAT))
    kept = [copy.deepcopy(node) for node in nodes]
    del changed.graph.node[:]
    changed.graph.node.extend(kept)
    return changed


class Running:
    """A network in ONNX Runtime on the CPU; `run` answers in the order of its outputs."""

    def __init__(self, model: onnx.ModelProto | Path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        source = str(model) if isinstance(model, Path) else model.SerializeToString()
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as problem:  # classes of the runtime's own that share no base
            raise Refused(f"ONNX Runtime does not load the network: {problem}") from problem
        self._types = {one.name: one.type for one in self._session.get_inputs()}
        self.outputs = [one.name for one in self._session.get_outputs()]
        known = {one.name: one.shape for one in self._session.get_outputs()}
        self.shapes = {name: tuple(size if isinstance(size, int) else -1 for size in shape) for name, shape in known.items()}
        """What the runtime makes of the declared shapes: it may know a size that was left free."""

    def run(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        kinds = {"tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
        cast = {name: value.astype(kinds.get(self._types[name], value.dtype)) for name, value in feeds.items()}
        return self._session.run(None, cast)

    def tries(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        """None when the network cannot take these."""
        try:
            return self.run(feeds)
        except Exception:  # noqa: BLE001 - classes of the runtime's own that share no base
            return None


def true_shapes(runs: list[list[np.ndarray]], batched: bool) -> list[tuple[int, ...]]:
    """Shapes of the outputs over runs with different batches or sizes: what differs is free, and so is the axis of the batch."""
    shapes = []
    for answers in zip(*runs, strict=True):
        first = answers[0].shape
        axes = [size if all(answer.shape[axis] == size for answer in answers) else -1 for axis, size in enumerate(first)]
        shapes.append(tuple([-1, *axes[1:]] if batched else axes))
    return shapes
