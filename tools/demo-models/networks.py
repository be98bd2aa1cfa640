"""Networks written once, as functions over a small set of operations, and read by two interpreters.

A network is a function `net(ops, x)` that calls the methods of its first argument and names its results with `ops.output`.
`TensorFlowOps` turns the calls into tensors (training and evaluation, NHWC), `OnnxOps` into an ONNX graph (NCHW) with batch norm
folded into the convolutions and weights stored in 16 bits. Both read the same weights, a dict of numpy arrays; `parity` measures
how far apart their answers are. Run this file to test every operation: `python networks.py`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

EPSILON = 1e-3
"""Added to the variance in batch norm, in training and in folding alike."""

OPSET, IR_VERSION = 13, 8

Weights = dict[str, np.ndarray]


class Ops:
    """What both interpreters build from their own `conv`, `add`, `relu` and `channels_of`."""

    def residual(self, x, name, depthwise=False):
        """ReLU of `x` plus what two convolutions make of it; `depthwise`: 3x3 channel by channel, then 1x1."""
        channels = self.channels_of(x)
        y = self.conv(x, f'{name}.a', channels, depthwise=depthwise)
        y = self.conv(y, f'{name}.b', channels, kernel=1 if depthwise else 3, relu=False)
        return self.relu(self.add(x, y))


class TensorFlowOps(Ops):
    """Interprets a network with TensorFlow.

    `weights` are the initial values; `rng` draws those that are not given (He's rule). Call `run` once outside `tf.function`, with
    any input, to create the variables. `trainable` and `statistics` hold them by name; `decayed` names the kernels.
    """

    def __init__(self, rng: np.random.Generator | None = None, weights: Weights | None = None, momentum: float = 0.98):
        import tensorflow as tf

        self.tf = tf
        self.rng = rng
        self.given = weights or {}
        self.momentum = momentum
        self.trainable: dict = {}
        self.statistics: dict = {}
        self.decayed: set[str] = set()
        self.training = False
        self.outputs: dict = {}

    def run(self, net: Callable, x, training: bool) -> dict:
        """Outputs by name, NHWC. With `training`, batch norm uses the batch and moves its averages."""
        self.training, self.outputs = training, {}
        net(self, x)
        return self.outputs

    def weights(self) -> Weights:
        return {name: variable.numpy() for name, variable in {**self.trainable, **self.statistics}.items()}

    def channels_of(self, x) -> int:
        return int(x.shape[-1])

    def conv(self, x, name, channels=None, kernel=3, stride=1, depthwise=False, valid=False, norm=True, relu=True, bias=0.0):
        """Convolution, then batch norm (or a bias, `bias` at first), then ReLU. `depthwise` keeps the channels of `x`; `valid`: no
        padding. Height and width must be multiples of the stride."""
        inputs = self.channels_of(x)
        shape = (kernel, kernel, inputs, 1 if depthwise else channels)
        channels = inputs if depthwise else channels
        fan_in = kernel * kernel * (1 if depthwise else inputs)
        deviation = np.sqrt((2.0 if relu else 1.0) / fan_in)
        k = self._variable(f'{name}.kernel', lambda: self.rng.normal(0, deviation, shape))
        self.decayed.add(f'{name}.kernel')
        convolve = self.tf.nn.depthwise_conv2d if depthwise else self.tf.nn.conv2d
        x = convolve(x, k, [1, stride, stride, 1], 'VALID' if valid else 'SAME')
        x = self._norm(x, name, channels) if norm else x + self._variable(f'{name}.bias', lambda: np.full(channels, bias))
        return self.relu(x) if relu else x

    def relu(self, x):
        return self.tf.nn.relu(x)

    def sigmoid(self, x):
        return self.tf.sigmoid(x)

    def add(self, a, b):
        return a + b

    def affine(self, x, scale, shift=0.0):
        """`x * scale + shift`; each a number, or one number for each channel."""
        return x * np.asarray(scale, np.float32) + np.asarray(shift, np.float32)

    def up(self, x):
        """Twice as high and wide, by repetition."""
        n, h, w, c = self.tf.unstack(self.tf.shape(x))
        x = self.tf.broadcast_to(x[:, :, None, :, None, :], [n, h, 2, w, 2, c])
        return self.tf.ensure_shape(self.tf.reshape(x, [n, 2 * h, 2 * w, c]), [None, None, None, x.shape[-1]])

    def average_pool(self, x, size):
        return self.tf.nn.avg_pool2d(x, size, size, 'VALID')

    def flatten(self, x):
        """[N,1,1,C] to [N,C]."""
        return self.tf.reshape(x, [-1, self.channels_of(x)])

    def output(self, x, name):
        self.outputs[name] = x

    def _norm(self, x, name, channels):
        tf = self.tf
        gamma = self._variable(f'{name}.gamma', lambda: np.ones(channels))
        beta = self._variable(f'{name}.beta', lambda: np.zeros(channels))
        mean = self._variable(f'{name}.mean', lambda: np.zeros(channels), self.statistics)
        variance = self._variable(f'{name}.variance', lambda: np.ones(channels), self.statistics)
        if not self.training:
            return (x - mean) * (gamma * tf.math.rsqrt(variance + EPSILON)) + beta
        y, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=EPSILON, is_training=True)
        mean.assign(mean * self.momentum + batch_mean * (1 - self.momentum))
        variance.assign(variance * self.momentum + batch_variance * (1 - self.momentum))
        return y

    def _variable(self, name, initial, store=None):
        store = self.trainable if store is None else store
        if name not in store:
            value = self.given[name] if name in self.given else initial()
            value = np.asarray(value, np.float32)
            store[name] = self.tf.Variable(value, trainable=store is self.trainable, name=name.replace('.', '_'))
        return store[name]


class OnnxOps(Ops):
    """Interprets a network as ONNX nodes. A value is its name; `channels_of` remembers how many channels it has."""

    def __init__(self, weights: Weights, input_name: str, input_channels: int = 3):
        self.weights = weights
        self.nodes: list = []
        self.initialisers: list = []
        self.outputs: list[tuple[str, int, bool]] = []
        self._channels = {input_name: input_channels}
        self._flat: set[str] = set()

    def channels_of(self, x) -> int:
        return self._channels[x]

    def conv(self, x, name, channels=None, kernel=3, stride=1, depthwise=False, valid=False, norm=True, relu=True, bias=0.0):
        inputs = self.channels_of(x)
        channels = inputs if depthwise else channels
        k = self.weights[f'{name}.kernel'].astype(np.float64)
        k = k.transpose(2, 3, 0, 1) if depthwise else k.transpose(3, 2, 0, 1)
        if norm:
            gamma, beta, mean, variance = (self.weights[f'{name}.{part}'].astype(np.float64) for part in ('gamma', 'beta', 'mean', 'variance'))
            scale = gamma / np.sqrt(variance + EPSILON)
            k, b = k * scale[:, None, None, None], beta - mean * scale
        else:
            b = self.weights[f'{name}.bias']
        # TensorFlow's SAME where the stride divides the size: what cannot be split evenly goes to the bottom and the right.
        total = 0 if valid else max(kernel - stride, 0)
        before, after = total // 2, total - total // 2
        x = self._node(
            'Conv', [x, self._half(f'{name}.kernel', k), self._half(f'{name}.bias', b)], channels, name,
            kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[before, before, after, after], group=inputs if depthwise else 1,
        )
        return self.relu(x) if relu else x

    def relu(self, x):
        return self._node('Relu', [x], self.channels_of(x))

    def sigmoid(self, x):
        return self._node('Sigmoid', [x], self.channels_of(x))

    def add(self, a, b):
        return self._node('Add', [a, b], self.channels_of(a))

    def affine(self, x, scale, shift=0.0):
        x = self._node('Mul', [x, self._constant(by_channel(scale))], self.channels_of(x))
        return self._node('Add', [x, self._constant(by_channel(shift))], self.channels_of(x)) if np.any(shift) else x

    def up(self, x):
        scales = self._constant(np.array([1, 1, 2, 2], np.float32))
        modes = {'mode': 'nearest', 'coordinate_transformation_mode': 'asymmetric', 'nearest_mode': 'floor'}
        return self._node('Resize', [x, '', scales], self.channels_of(x), **modes)

    def average_pool(self, x, size):
        return self._node('AveragePool', [x], self.channels_of(x), kernel_shape=[size, size], strides=[size, size])

    def flatten(self, x):
        x = self._node('Flatten', [x], self.channels_of(x), axis=1)
        self._flat.add(x)
        return x

    def output(self, x, name):
        self.outputs.append((name, self.channels_of(x), x in self._flat))
        self._node('Identity', [x], self.channels_of(x), name)

    def _node(self, kind, inputs, channels, name=None, **attributes):
        from onnx import helper

        name = name or f'{kind.lower()}.{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self._channels[name] = channels
        return name

    def _half(self, name, array):
        """An initialiser of 16 bits and the Cast that widens it: half the file, folded at load."""
        from onnx import TensorProto, helper, numpy_helper

        half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f'{name} does not fit 16 bits')
        self.initialisers.append(numpy_helper.from_array(half, f'{name}.half'))
        self.nodes.append(helper.make_node('Cast', [f'{name}.half'], [name], name=f'{name}.cast', to=TensorProto.FLOAT))
        return name

    def _constant(self, array):
        from onnx import numpy_helper

        name = f'constant.{len(self.initialisers)}'
        self.initialisers.append(numpy_helper.from_array(array, name))
        return name


def by_channel(value) -> np.ndarray:
    """A number, or one for each channel, to broadcast over NCHW."""
    return np.asarray(value, np.float32).reshape(1, -1, 1, 1)


def export(
    net: Callable, weights: Weights, path: Path, input_name: str, size: tuple[int, int] | None = None, metadata: dict[str, str] | None = None
) -> None:
    """Writes `net` as ONNX: input [batch, 3, height, width] (fixed to `size` = height, width where given), outputs [batch, C, rows,
    columns], or [batch, C] after `flatten`. `metadata` goes into the file's properties. The same input gives the same bytes."""
    import onnx
    from onnx import TensorProto, helper

    ops = OnnxOps(weights, input_name)
    net(ops, input_name)
    shape = ['batch', 3, *(size or ('height', 'width'))]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ['batch', channels] if flat else ['batch', channels, 'rows', 'columns'])
        for name, channels, flat in ops.outputs
    ]
    graph = helper.make_graph(
        ops.nodes, net.__name__, [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shape)], outputs, ops.initialisers
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)], producer_name='sightline demo models')
    model.ir_version = IR_VERSION
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def session(model: Path | bytes, threads: int = 1):
    """onnxruntime on the CPU with a fixed number of threads, for a file or its content."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=['CPUExecutionProvider'])


def parity(net: Callable, weights: Weights, path: Path, x: np.ndarray) -> dict[str, float]:
    """For each output, the largest difference between TensorFlow and the ONNX file at `path` for `x` [N,3,H,W], divided by the
    standard deviation of the output. Weights are rounded to 16 bits in the file only, so expect about 0.01, not 0."""
    running = session(path)
    names = [output.name for output in running.get_outputs()]
    theirs = dict(zip(names, running.run(names, {running.get_inputs()[0].name: x.astype(np.float32)}), strict=True))
    ours = TensorFlowOps(weights=weights).run(net, x.transpose(0, 2, 3, 1).astype(np.float32), training=False)
    differences = {}
    for name, tensor in ours.items():
        value = tensor.numpy()
        value = value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
        differences[name] = float(np.abs(value - theirs[name]).max() / max(float(value.std()), 1e-6))
    return differences


def assert_parity(net: Callable, weights: Weights, path: Path, x: np.ndarray, limit: float = 0.05) -> dict[str, float]:
    """`parity`, raising when an output is further apart than `limit`."""
    differences = parity(net, weights, path, x)
    bad = {name: value for name, value in differences.items() if not value <= limit}
    if bad:
        raise AssertionError(f'{path.name}: TensorFlow and ONNX disagree: {bad}; at most {limit} is allowed')
    return differences


def save(path: Path, weights: Weights) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **weights)


def load(path: Path) -> Weights:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019) on the variables of a `TensorFlowOps`; decay on kernels only,
    the gradient's norm limited over all variables together."""

    def __init__(self, variables: dict, decayed: Sequence[str], decay: float = 1e-4, clip: float = 8.0, beta1=0.9, beta2=0.999):
        import tensorflow as tf

        self.tf = tf
        self.variables = list(variables.values())
        self.decay = [decay if name in decayed else 0.0 for name in variables]
        self.clip, self.beta1, self.beta2 = clip, beta1, beta2
        self.first = [tf.Variable(tf.zeros_like(v), trainable=False) for v in self.variables]
        self.second = [tf.Variable(tf.zeros_like(v), trainable=False) for v in self.variables]

    def step(self, gradients, rate, count):
        """One step; `count` starts at 1. `rate` and `count` are float32 tensors. Returns the gradient's norm before the limit."""
        tf = self.tf
        gradients, norm = tf.clip_by_global_norm(gradients, self.clip)
        correction1, correction2 = 1 - self.beta1**count, 1 - self.beta2**count
        for variable, gradient, m, v, decay in zip(self.variables, gradients, self.first, self.second, self.decay, strict=True):
            m.assign(self.beta1 * m + (1 - self.beta1) * gradient)
            v.assign(self.beta2 * v + (1 - self.beta2) * tf.square(gradient))
            move = (m / correction1) / (tf.sqrt(v / correction2) + 1e-8) + decay * variable
            variable.assign_sub(rate * move)
        return norm


def cosine_rate(step: int, steps: int, peak: float, warm_up: int = 50) -> float:
    """Learning rate of `step` (from 0): straight up to `peak`, then a half cosine to 0 at `steps`."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1 + float(np.cos(np.pi * (step - warm_up) / (steps - warm_up))))


def _every_operation(ops, x):
    x = ops.affine(x, [1 / 255, 1 / 200, 1 / 100], [0.1, 0.0, -0.2])
    x = ops.average_pool(x, 2)
    wide = ops.residual(ops.conv(x, 'one', 8, stride=2), 'two')
    deep = ops.residual(ops.conv(wide, 'three', 12, stride=2), 'four', depthwise=True)
    deep = ops.conv(deep, 'five', depthwise=True, kernel=5)
    both = ops.add(wide, ops.conv(ops.up(deep), 'six', 8, kernel=1))
    ops.output(ops.sigmoid(ops.conv(both, 'seven', 2, kernel=1, norm=False, relu=False, bias=-1.0)), 'map')
    ops.output(ops.flatten(ops.conv(deep, 'eight', depthwise=True, kernel=4, valid=True, relu=False)), 'vector')


def _test() -> None:
    import tempfile

    rng = np.random.default_rng(1)
    x = rng.uniform(0, 255, (3, 3, 32, 32)).astype(np.float32)
    ops = TensorFlowOps(rng)
    ops.run(_every_operation, x.transpose(0, 2, 3, 1), training=True)
    weights = ops.weights()
    for name, value in weights.items():
        if name.endswith(('.gamma', '.variance')):
            weights[name] = rng.uniform(0.5, 2.0, value.shape).astype(np.float32)
        elif name.endswith(('.beta', '.mean')):
            weights[name] = rng.normal(0, 0.3, value.shape).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'model.onnx'
        export(_every_operation, weights, path, 'input')
        print('parity', assert_parity(_every_operation, weights, path, x, limit=0.01))
        weights['one.mean'] = weights['one.mean'] + 1.0
        if max(parity(_every_operation, weights, path, x).values()) < 0.01:
            raise AssertionError('parity does not notice other weights')


if __name__ == '__main__':
    _test()
