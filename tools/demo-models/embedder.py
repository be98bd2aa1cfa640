"""The demo's face embedder: network, training, export. `python embedder.py --help`.

Contract of a CLIP image encoder: `input` [N,3,224,224] with CLIP's mean and deviation -> `output` [N,512], not normalised.
"""

import argparse
import hashlib
import os
import time
from pathlib import Path

import numpy as np

import networks
from crops import BORDER, CACHE, EACH, IDENTITIES, SEED, SIDE, TRAIN_SIDE, training_set

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / 'model_repository/demo_embed/1/model.onnx'

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)

STEPS, BATCH, RATE, WARM_UP, DECAY = 5000, 64, 2.5e-3, 200, 1e-4
SCALE, MARGIN = 24.0, 0.25


def network(ops, x):
    """From `input` as it arrives to `output`."""
    x = ops.affine(x, CLIP_DEVIATION, CLIP_MEAN)
    body(ops, ops.average_pool(x, 2))


def body(ops, x):
    """From RGB of 112 pixels, 0 to 1. Dense convolutions: on a CPU they learn faster by the second than depth-wise ones."""
    x = ops.conv(x, 'stem', 16, stride=2)
    x = ops.conv(x, 'quarter', 32, stride=2)
    x = ops.residual(x, 'quarter.0')
    x = ops.conv(x, 'eighth', 64, stride=2)
    x = ops.residual(x, 'eighth.0')
    x = ops.conv(x, 'sixteenth', 128, stride=2)
    x = ops.residual(x, 'sixteenth.0')
    x = ops.conv(x, 'whole', kernel=7, depthwise=True, valid=True, relu=False)
    x = ops.conv(x, 'embedding', 512, kernel=1, relu=False)
    ops.output(ops.flatten(x), 'output')


class Feeder:
    """Batches in a fixed order: each epoch is a new shuffle, each crop a new window of the bordered one."""

    def __init__(self, crops: np.ndarray, seed: int):
        self.crops = crops
        self.rng = np.random.default_rng([seed, 10])
        self.order = np.empty(0, np.int64)

    def batch(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [size,112,112,3] and the numbers of the identities."""
        each = self.crops.shape[1]
        while len(self.order) < size:
            self.order = np.concatenate([self.order, self.rng.permutation(self.crops.shape[0] * each)])
        chosen, self.order = self.order[:size], self.order[size:]
        images = np.empty((size, TRAIN_SIDE, TRAIN_SIDE, 3), np.uint8)
        shifts = self.rng.integers(0, 2 * BORDER + 1, (size, 2))
        for row, (index, (top, left)) in enumerate(zip(chosen, shifts)):
            images[row] = self.crops[index // each, index % each, top : top + TRAIN_SIDE, left : left + TRAIN_SIDE]
        return images, (chosen // each).astype(np.int32)


def margin_at(step: int, steps: int) -> float:
    """None for the first 15 % of the steps, full after 40 %."""
    return MARGIN * float(np.clip((step / steps - 0.15) / 0.25, 0, 1))


def train(crops: np.ndarray, steps: int, seed: int, threads: int = 1) -> networks.Weights:
    """Weights after `steps` steps of additive-margin softmax (Wang et al. 2018) over all identities."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rng = np.random.default_rng([seed, 11])
    ops = networks.TensorFlowOps(rng)
    ops.run(body, tf.zeros([1, TRAIN_SIDE, TRAIN_SIDE, 3]), training=False)
    prototypes = tf.Variable(rng.normal(0, 0.05, (512, crops.shape[0])).astype(np.float32))
    variables = {**ops.trainable, 'prototypes': prototypes}
    optimiser = networks.AdamW(variables, [*ops.decayed, 'prototypes'], DECAY)

    @tf.function
    def advance(images, labels, rate, margin, count):
        with tf.GradientTape() as tape:
            vectors = ops.run(body, tf.cast(images, tf.float32) / 255, training=True)['output']
            cosines = tf.math.l2_normalize(vectors, axis=1) @ tf.math.l2_normalize(prototypes, axis=0)
            own = tf.one_hot(labels, crops.shape[0])
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(own, SCALE * (cosines - margin * own)))
        norm = optimiser.step(tape.gradient(loss, list(variables.values())), rate, count)
        right = tf.reduce_mean(tf.cast(tf.argmax(cosines, 1, tf.int32) == labels, tf.float32))
        return tf.stack([loss, right, tf.reduce_mean(tf.reduce_sum(cosines * own, 1)), norm])

    feeder, sums, started = Feeder(crops, seed), np.zeros(4), time.monotonic()
    every = max(1, min(100, steps // 10))
    for step in range(steps):
        images, labels = feeder.batch(BATCH)
        rate, margin = networks.cosine_rate(step, steps, RATE, WARM_UP), margin_at(step, steps)
        sums += advance(images, labels, *(tf.constant(value, tf.float32) for value in (rate, margin, step + 1))).numpy()
        if (step + 1) % every == 0:
            loss, right, cosine, norm = sums / every
            seconds = time.monotonic() - started
            print(
                f'step {step + 1} loss {loss:.3f} right {right:.3f} own cosine {cosine:.3f} norm {norm:.1f} '
                f'margin {margin:.2f} {seconds:.0f} s',
                flush=True,
            )
            sums[:] = 0
    return ops.weights()


def main() -> None:
    parser = argparse.ArgumentParser(description='trains the demo embedder')
    parser.add_argument('--steps', type=int, default=STEPS)
    parser.add_argument('--identities', type=int, default=IDENTITIES)
    parser.add_argument('--each', type=int, default=EACH)
    parser.add_argument('--seed', type=int, default=SEED)
    parser.add_argument('--crops', type=Path, default=CACHE)
    parser.add_argument('--model', type=Path, default=MODEL)
    asked = parser.parse_args()
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    crops = training_set(asked.crops, asked.identities, asked.each, asked.seed)
    weights = train(crops, asked.steps, asked.seed)
    notes = {
        'purpose': 'for drawn characters only; not for real people',
        'training': f'seed {asked.seed}, {asked.steps} steps of {BATCH}, {asked.identities} characters of {asked.each} pictures',
    }
    networks.export(network, weights, asked.model, 'input', (SIDE, SIDE), notes)
    sample = np.random.default_rng(asked.seed).normal(0, 1, (4, 3, SIDE, SIDE))
    print('parity with TensorFlow', networks.assert_parity(network, weights, asked.model, sample))
    print('bytes', asked.model.stat().st_size, 'sha256', hashlib.sha256(asked.model.read_bytes()).hexdigest())


if __name__ == '__main__':
    main()
