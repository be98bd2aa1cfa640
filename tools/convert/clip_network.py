"""CLIP's two sides (arXiv 2103.00020, vision transformers) as ONNX graphs from a dict of weights by the names that openai/CLIP and open_clip
use. Written out and not traced, so that the batch stays free and the graph is the same whoever trained the weights.

Outputs are not divided by their length: whoever compares does that.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
EPSILON = 1e-5

# Side of the picture, patch, width and layers of the image side; width and layers of the text side; length of the vectors.
ARCHITECTURES = {
    "ViT-B-32": (224, 32, 768, 12, 512, 12, 512),
    "ViT-L-14": (224, 14, 1024, 24, 768, 12, 768),
    # Of no use but to try the tools.
    "tiny": (64, 32, 128, 2, 64, 2, 32),
}
VOCABULARY, LENGTH = 49408, 77
HEAD = 64
"""Width of one head of attention in all of CLIP's vision transformers."""

Weights = dict[str, np.ndarray]


class _Graph:
    def __init__(self, weights: Weights, heads: int, activation: str):
        self.weights, self.heads, self.activation = weights, heads, activation
        self.nodes: list = []
        self.initialisers: dict[str, onnx.TensorProto] = {}

    def add(self, kind: str, *inputs: str, name: str | None = None, **attributes) -> str:
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value, kind=np.float32) -> str:
        array = np.asarray(value, kind)
        name = f"constant_{len(self.initialisers)}"
        self.initialisers[name] = numpy_helper.from_array(array, name)
        return name

    def weight(self, name: str, turned: bool = False) -> str:
        """`turned`: as the right side of a product; PyTorch's linear layers keep theirs the other way round."""
        if name not in self.initialisers:
            value = np.asarray(self.weights[name], np.float32)
            self.initialisers[name] = numpy_helper.from_array(np.ascontiguousarray(value.T if turned else value), name)
        return name

    def norm(self, x: str, name: str) -> str:
        return self.add("LayerNormalization", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=EPSILON)

    def linear(self, x: str, weight: str, bias: str) -> str:
        return self.add("Add", self.add("MatMul", x, self.weight(weight, turned=True)), self.weight(bias))

    def gelu(self, x: str) -> str:
        if self.activation == "quick_gelu":
            return self.add("Mul", x, self.add("Sigmoid", self.add("Mul", x, self.constant(1.702))))
        half = self.add("Mul", x, self.constant(0.5))
        erf = self.add("Erf", self.add("Mul", x, self.constant(np.sqrt(0.5))))
        return self.add("Mul", half, self.add("Add", erf, self.constant(1)))

    def attention(self, x: str, name: str, width: int, mask: str | None) -> str:
        each = width // self.heads
        joined = self.linear(x, f"{name}.in_proj_weight", f"{name}.in_proj_bias")
        ends = [self.constant([at * width], np.int64) for at in range(4)]
        axis, split = self.constant([2], np.int64), self.constant([0, 0, self.heads, each], np.int64)
        parts = [self.add("Reshape", self.add("Slice", joined, ends[at], ends[at + 1], axis), split) for at in range(3)]
        q = self.add("Mul", self.add("Transpose", parts[0], perm=[0, 2, 1, 3]), self.constant(each**-0.5))
        k = self.add("Transpose", parts[1], perm=[0, 2, 3, 1])
        v = self.add("Transpose", parts[2], perm=[0, 2, 1, 3])
        scores = self.add("MatMul", q, k)
        if mask is not None:
            scores = self.add("Add", scores, mask)
        seen = self.add("MatMul", self.add("Softmax", scores, axis=-1), v)
        rows = self.add("Reshape", self.add("Transpose", seen, perm=[0, 2, 1, 3]), self.constant([0, 0, width], np.int64))
        return self.linear(rows, f"{name}.out_proj.weight", f"{name}.out_proj.bias")

    def transformer(self, x: str, name: str, width: int, mask: str | None = None) -> str:
        for layer in range(count_layers(self.weights, name)):
            own = f"{name}.resblocks.{layer}"
            x = self.add("Add", x, self.attention(self.norm(x, f"{own}.ln_1"), f"{own}.attn", width, mask))
            inner = self.gelu(self.linear(self.norm(x, f"{own}.ln_2"), f"{own}.mlp.c_fc.weight", f"{own}.mlp.c_fc.bias"))
            x = self.add("Add", x, self.linear(inner, f"{own}.mlp.c_proj.weight", f"{own}.mlp.c_proj.bias"))
        return x

    def finish(self, name: str, value, kind: int, shape: list, dimensions: int) -> onnx.ModelProto:
        given = helper.make_tensor_value_info(value, kind, shape)
        taken = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", dimensions])
        graph = helper.make_graph(self.nodes, name, [given], [taken], list(self.initialisers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sightline convert")
        model.ir_version = IR_VERSION
        return model


def count_layers(weights: Weights, name: str) -> int:
    prefix = f"{name}.resblocks."
    return 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in weights if key.startswith(prefix))


def visual_network(weights: Weights, activation: str, heads: int | None = None) -> onnx.ModelProto:
    """`input` FP32 [N, 3, side, side] to `output` FP32 [N, D]. `activation`: `quick_gelu` (OpenAI's weights) or `gelu`, which no weight
    tells."""
    width, _, patch, _ = weights["visual.conv1.weight"].shape
    tokens = weights["visual.positional_embedding"].shape[0]
    side = patch * round((tokens - 1) ** 0.5)
    graph = _Graph(weights, heads or width // HEAD, activation)
    x = graph.add("Conv", "input", graph.weight("visual.conv1.weight"), kernel_shape=[patch, patch], strides=[patch, patch])
    x = graph.add("Transpose", graph.add("Reshape", x, graph.constant([0, width, -1], np.int64)), perm=[0, 2, 1])
    count = graph.add("Concat", graph.add("Shape", "input", start=0, end=1), graph.constant([1, 1], np.int64), axis=0)
    first = graph.add("Expand", graph.weight("visual.class_embedding"), count)
    x = graph.add("Add", graph.add("Concat", first, x, axis=1), graph.weight("visual.positional_embedding"))
    x = graph.transformer(graph.norm(x, "visual.ln_pre"), "visual.transformer", width)
    x = graph.norm(graph.add("Gather", x, graph.constant(0, np.int64), axis=1), "visual.ln_post")
    graph.add("MatMul", x, graph.weight("visual.proj"), name="output")
    return graph.finish("clip_visual", "input", TensorProto.FLOAT, ["N", 3, side, side], weights["visual.proj"].shape[1])


def text_network(weights: Weights, activation: str, heads: int | None = None) -> onnx.ModelProto:
    """`input` INT32 [N, 77] of token ids to `output` FP32 [N, D]: the vector at the end of the text, which has the largest id."""
    length, width = weights["positional_embedding"].shape
    graph = _Graph(weights, heads or width // HEAD, activation)
    # Far below any score, and still a number in 16 bits.
    mask = graph.constant(np.triu(np.full((length, length), -10000.0), 1))
    x = graph.add("Add", graph.add("Gather", graph.weight("token_embedding.weight"), "input", axis=0), graph.weight("positional_embedding"))
    x = graph.norm(graph.transformer(x, "transformer", width, mask), "ln_final")
    # TensorRT finds the largest of floats only; as they are, start and end of a text are the same number in 16 bits.
    above = graph.add("Sub", "input", graph.constant(VOCABULARY - 2, np.int32))
    end = graph.add("ArgMax", graph.add("Cast", above, to=TensorProto.FLOAT), axis=1, keepdims=1)
    x = graph.add("GatherND", x, end, batch_dims=1)
    graph.add("MatMul", x, graph.weight("text_projection"), name="output")
    return graph.finish("clip_text", "input", TensorProto.INT32, ["N", length], weights["text_projection"].shape[1])


def of_bytes(model: onnx.ModelProto, mean: list[float], std: list[float]) -> onnx.ModelProto:
    """The same network of pictures given as bytes: what pixels become is done inside, and a message to a server is a quarter as large."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    per_channel = np.array([mean, std], np.float32).reshape(2, 1, 3, 1, 1)
    gain, bias = 1 / (255 * per_channel[1]), -per_channel[0] / per_channel[1]
    graph.initializer.extend([numpy_helper.from_array(gain, "pixel_gain"), numpy_helper.from_array(bias, "pixel_bias")])
    for node in graph.node:
        node.input[:] = ["pixels" if name == "input" else name for name in node.input]
    before = [
        helper.make_node("Cast", ["input"], ["pixel_floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixel_floats", "pixel_gain"], ["pixel_scaled"]),
        helper.make_node("Add", ["pixel_scaled", "pixel_bias"], ["pixels"]),
    ]
    nodes = [*before, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    return changed


def random_weights(architecture: str, side: str, seed: int) -> Weights:
    """Weights of one side (`visual`, `text`) drawn as CLIP's are before training: nothing was learnt."""
    picture, patch, width, layers, text_width, text_layers, dimensions = ARCHITECTURES[architecture]
    random = np.random.default_rng(seed)
    weights: Weights = {}

    def draw(name: str, *shape: int, deviation: float) -> None:
        weights[name] = (random.standard_normal(shape, np.float32) * np.float32(deviation)).astype(np.float32)

    def norm(name: str, size: int) -> None:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = np.ones(size, np.float32), np.zeros(size, np.float32)

    def blocks(name: str, size: int, count: int) -> None:
        for layer in range(count):
            own = f"{name}.resblocks.{layer}"
            norm(f"{own}.ln_1", size)
            norm(f"{own}.ln_2", size)
            shapes = {"attn.in_proj": (3 * size, size), "attn.out_proj": (size, size), "mlp.c_fc": (4 * size, size), "mlp.c_proj": (size, 4 * size)}
            for part, shape in shapes.items():
                draw(f"{own}.{part}{'_' if part == 'attn.in_proj' else '.'}weight", *shape, deviation=shape[1] ** -0.5)
                draw(f"{own}.{part}{'_' if part == 'attn.in_proj' else '.'}bias", shape[0], deviation=0.02)

    if side == "visual":
        tokens = (picture // patch) ** 2 + 1
        draw("visual.conv1.weight", width, 3, patch, patch, deviation=(3 * patch * patch) ** -0.5)
        draw("visual.class_embedding", width, deviation=width**-0.5)
        draw("visual.positional_embedding", tokens, width, deviation=width**-0.5)
        norm("visual.ln_pre", width)
        blocks("visual.transformer", width, layers)
        norm("visual.ln_post", width)
        draw("visual.proj", width, dimensions, deviation=width**-0.5)
    else:
        draw("token_embedding.weight", VOCABULARY, text_width, deviation=0.02)
        draw("positional_embedding", LENGTH, text_width, deviation=0.01)
        blocks("transformer", text_width, text_layers)
        norm("ln_final", text_width)
        draw("text_projection", text_width, dimensions, deviation=text_width**-0.5)
    return weights
