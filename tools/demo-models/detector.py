"""The detector of drawn faces: a small network with CenterFace's tensors, its loss and its training.

Outputs at a quarter of the resolution: `537` probability of a face's centre, `538` log(height / 4), log(width / 4), `539` offset of the
centre from the middle of its cell (y, x), in cells, `540` five points (y, x) as fractions of the box from its top left corner.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from networks import AdamW, TensorFlowOps, Weights, assert_parity, cosine_rate, export, load, save
from scenes import CACHE, HARSH, MAX_FACES, clip, scene_set, wanted

MODEL = Path(__file__).resolve().parents[2] / 'model_repository' / 'demo_face' / '1' / 'model.onnx'

SCENES, SCENES_SEED, SCENE_SIDE = 6000, 11, 288

STRIDE = 4
SIDE = 256
"""Training pictures are squares of this side, cut anywhere from scenes that are a little larger."""

HINTS = {4: (0.0, 64.0), 8: (32.0, 128.0), 16: (64.0, 1e9)}
"""For which widths of faces, in pixels, each level of the pyramid is told where landmarks are; see `detector_with_hints`."""

SWAP = [1, 0, 2, 4, 3]
"""Where each point comes from when a picture is mirrored: left and right change places."""


def detector_with_hints(ops, x) -> None:
    """The detector as it is trained: three levels of the pyramid must also say where eyes, nose and corners of mouths are. Without these
    hints the landmarks stay near their mean for thousands of steps; they are not exported."""
    for stride, level in detector(ops, x).items():
        ops.output(ops.sigmoid(ops.conv(level, f'hint{stride}', 3, kernel=1, norm=False, relu=False, bias=-3.0)), f'hint{stride}')


def detector(ops, x) -> dict:
    """RGB, 0 to 255, height and width multiples of 32. Plain 3x3 convolutions: on a CPU they learn and run as fast as separable ones
    with a tenth of the arithmetic, because those wait for memory. No mean is taken away: folded, it would be wrong at the borders.
    Returns the levels of the pyramid by their stride."""
    x = ops.affine(x, 1 / 255)
    x = ops.conv(x, 'stem', 16, stride=2)
    c4 = ops.conv(x, 'down4', 32, stride=2)
    c4 = ops.relu(ops.add(c4, ops.conv(c4, 'res4', 32, relu=False)))
    c8 = ops.residual(ops.conv(c4, 'down8', 48, stride=2), 'res8')
    c16 = ops.residual(ops.residual(ops.conv(c8, 'down16', 64, stride=2), 'res16a'), 'res16b')
    c32 = ops.residual(ops.conv(c16, 'down32', 80, stride=2), 'res32')
    top = ops.conv(c32, 'lateral32', 32, kernel=1)
    levels = {}
    for stride, level in ((16, c16), (8, c8), (4, c4)):
        top = ops.conv(ops.add(ops.up(top), ops.conv(level, f'lateral{stride}', 32, kernel=1)), f'merge{stride}', 32)
        levels[stride] = top
    head = ops.conv(top, 'head', 48)
    ops.output(ops.sigmoid(ops.conv(head, 'heat', 1, kernel=1, norm=False, relu=False, bias=-3.0)), '537')
    ops.output(ops.conv(head, 'size', 2, kernel=1, norm=False, relu=False, bias=2.0), '538')
    ops.output(ops.conv(head, 'offset', 2, kernel=1, norm=False, relu=False), '539')
    ops.output(ops.conv(head, 'points', 10, kernel=1, norm=False, relu=False, bias=0.5), '540')
    return levels


@dataclass(frozen=True)
class Training:
    """All that a training depends on besides the scenes."""

    steps: int = 4000
    batch: int = 16
    rate: float = 2.5e-3
    seed: int = 1
    points_weight: float = 15.0
    """Of the landmarks' loss in the first half of the steps; twice that afterwards."""


def batch_of(pictures: np.ndarray, faces: np.ndarray, indices: np.ndarray, rng: np.random.Generator):
    """Cuts, half of them mirrored, of the scenes with these indices: pictures uint8 [B, SIDE, SIDE, 3], boxes [B, K, 4], points
    [B, K, 10] as (y, x) fractions of the box, and what each face counts as [B, K] (1, 0, -1 as `scenes.wanted`)."""
    room_y, room_x = pictures.shape[1] - SIDE, pictures.shape[2] - SIDE
    out = np.empty((len(indices), SIDE, SIDE, 3), np.uint8)
    boxes = np.zeros((len(indices), MAX_FACES, 4), np.float32)
    points = np.zeros((len(indices), MAX_FACES, 10), np.float32)
    counts = np.full((len(indices), MAX_FACES), -1.0, np.float32)
    for i, index in enumerate(indices):
        y, x = int(rng.integers(room_y + 1)), int(rng.integers(room_x + 1))
        mirrored = rng.random() < 0.5
        cut = pictures[index, y : y + SIDE, x : x + SIDE]
        out[i] = cut[:, ::-1] if mirrored else cut
        rows = faces[index][~np.isnan(faces[index, :, 0])]
        if len(rows) == 0:
            continue
        box, point = rows[:, :4] - [x, y, x, y], rows[:, 4:14].reshape(-1, 5, 2) - [x, y]
        if mirrored:
            box = np.stack([SIDE - box[:, 2], box[:, 1], SIDE - box[:, 0], box[:, 3]], 1)
            point = np.stack([SIDE - point[..., 0], point[..., 1]], -1)[:, SWAP]
        box, inside = clip(box, SIDE, SIDE)
        count = wanted(inside, rows[:, 14])
        size = np.maximum(box[:, 2:] - box[:, :2], 1e-3)
        fraction = (point - box[:, None, :2]) / size[:, None]
        kept = len(rows)
        boxes[i, :kept], counts[i, :kept] = box, count
        points[i, :kept] = fraction[..., ::-1].reshape(kept, 10)
    return out, boxes, points, counts


def losses(tf, outputs: dict, boxes, points, counts, points_weight):
    """Heat, size, offset, points and hint losses, already weighted, as a tensor of five numbers.

    Heat: the focal loss with reduced penalty around centres of CornerNet (Law and Deng, 2018), Gaussians of 0.11 of the sides. The
    others: L1 on all cells where a face's Gaussian is above 0.6, weighted by it so that each face counts as much as any other, small
    or large; neighbours of the centre must answer rightly too, because the decoder does not look for peaks."""
    heat = tf.clip_by_value(outputs['537'][..., 0], 1e-5, 1 - 1e-5)
    cells = SIDE // STRIDE
    grid = tf.range(cells, dtype=tf.float32)
    sizes = tf.maximum(boxes[..., 2:] - boxes[..., :2], 1.0)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    at = centres / STRIDE - 0.5
    sigma = tf.maximum(0.11 * sizes / STRIDE, 0.7)
    dx = (grid[None, None, :] - at[..., 0, None]) / sigma[..., 0, None]
    dy = (grid[None, None, :] - at[..., 1, None]) / sigma[..., 1, None]
    is_face = tf.cast(counts > 0.5, tf.float32)
    bell = tf.exp(-0.5 * (tf.square(dy)[..., :, None] + tf.square(dx)[..., None, :])) * is_face[..., None, None]
    target = tf.reduce_max(bell, axis=1)
    owner = tf.argmax(bell, axis=1, output_type=tf.int32)

    # The nearest cell of each centre is a positive, whatever the Gaussian is there.
    cell = tf.clip_by_value(tf.cast(tf.round(at), tf.int32), 0, cells - 1)
    peak = tf.one_hot(cell[..., 1], cells)[..., :, None] * tf.one_hot(cell[..., 0], cells)[..., None, :]
    positive = tf.reduce_max(peak * is_face[..., None, None], axis=1)

    middle = (grid + 0.5) * STRIDE
    in_x = tf.cast((middle >= boxes[..., 0, None]) & (middle <= boxes[..., 2, None]), tf.float32)
    in_y = tf.cast((middle >= boxes[..., 1, None]) & (middle <= boxes[..., 3, None]), tf.float32)
    either = tf.cast(tf.abs(counts) < 0.5, tf.float32)
    ignored = tf.reduce_max(in_y[..., :, None] * in_x[..., None, :] * either[..., None, None], axis=1)
    asked = tf.where(target > 0.3, 1.0, 1.0 - ignored)

    gain = positive * tf.square(1 - heat) * tf.math.log(heat)
    loss = (1 - positive) * tf.pow(1 - target, 4.0) * tf.square(heat) * tf.math.log(1 - heat) * asked
    heat_loss = -tf.reduce_sum(gain + loss) / tf.maximum(tf.reduce_sum(positive), 1.0)

    bell = tf.maximum(target, positive)
    weight = tf.where(bell > 0.6, bell, 0.0)
    of_face = tf.einsum('bhw,bhwk->bk', weight, tf.one_hot(owner, MAX_FACES))
    weight = (weight / tf.maximum(tf.gather(of_face, owner, axis=1, batch_dims=1), 1e-3))[..., None]
    total = tf.maximum(tf.reduce_sum(weight), 1.0)
    truth = tf.concat(
        [
            tf.math.log(tf.reverse(sizes, [-1]) / STRIDE),
            tf.reverse(at, [-1]),
            points,
        ],
        axis=-1,
    )
    truth = tf.gather(truth, owner, axis=1, batch_dims=1)
    rows, columns = grid[None, :, None], grid[None, None, :]
    offset = truth[..., 2:4] - tf.stack([rows + 0 * columns, columns + 0 * rows], axis=-1)
    size_loss = tf.reduce_sum(weight * tf.abs(outputs['538'] - truth[..., :2])) / total / 2
    offset_loss = tf.reduce_sum(weight * tf.abs(outputs['539'] - offset)) / total / 2
    error = tf.abs(outputs['540'] - truth[..., 4:]) + tf.abs(_placed(tf, outputs['538'], outputs['539'] - offset, outputs['540'], truth))
    points_loss = tf.reduce_sum(weight * error) / total / 20
    hint_loss = tf.add_n([_hint_loss(tf, outputs[f'hint{stride}'], stride, boxes, points, counts) for stride in HINTS])
    return tf.stack([heat_loss, 1.5 * size_loss, 0.3 * offset_loss, points_weight * points_loss, 0.5 * hint_loss])


def _hint_loss(tf, hint, stride, boxes, points, counts):
    """Focal loss of the maps of eyes, noses and mouth corners at a level of the pyramid; faces of other sizes are left out."""
    narrowest, widest = HINTS[stride]
    cells = SIDE // stride
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 1.0)
    wide = sides[..., 0]
    told = tf.cast((counts > 0.5) & (wide >= narrowest) & (wide < widest), tf.float32)
    fractions = tf.reshape(points, [-1, MAX_FACES, 5, 2])
    y = (boxes[..., 1, None] + fractions[..., 0] * sides[..., 1, None]) / stride - 0.5
    x = (boxes[..., 0, None] + fractions[..., 1] * wide[..., None]) / stride - 0.5
    sigma = tf.maximum(0.05 * wide / stride, 0.6)[..., None, None]
    grid = tf.range(cells, dtype=tf.float32)
    bell_y = tf.exp(-0.5 * tf.square((grid - y[..., None]) / sigma))
    bell_x = tf.exp(-0.5 * tf.square((grid - x[..., None]) / sigma))
    bells = bell_y[..., :, None] * bell_x[..., None, :] * told[..., None, None, None]
    bells = tf.reduce_max(bells, axis=1)
    target = tf.stack([tf.maximum(bells[:, 0], bells[:, 1]), bells[:, 2], tf.maximum(bells[:, 3], bells[:, 4])], axis=-1)
    middle = (grid + 0.5) * stride
    other = (1 - told) * tf.cast(counts > -0.5, tf.float32)
    in_x = tf.cast((middle >= boxes[..., 0, None]) & (middle <= boxes[..., 2, None]), tf.float32)
    in_y = tf.cast((middle >= boxes[..., 1, None]) & (middle <= boxes[..., 3, None]), tf.float32)
    asked = 1 - tf.reduce_max(in_y[..., :, None] * in_x[..., None, :] * other[..., None, None], axis=1)[..., None]
    asked = tf.maximum(asked, tf.cast(target > 0.3, tf.float32))
    p = tf.clip_by_value(hint, 1e-4, 1 - 1e-4)
    entropy = -(target * tf.math.log(p) + (1 - target) * tf.math.log(1 - p))
    return tf.reduce_sum(tf.square(target - p) * entropy * asked) / tf.maximum(tf.reduce_sum(target), 1.0)


def _placed(tf, size, offset_error, points, truth):
    """How far decoded points, which the errors of offset and size move too, are from the truth, as fractions of the true sides."""
    true_sides = tf.exp(truth[..., :2])
    sides = tf.exp(tf.minimum(size, 5.0)) / true_sides
    moved = offset_error / true_sides
    sides, moved = tf.tile(sides, [1, 1, 1, 5]), tf.tile(moved, [1, 1, 1, 5])
    return moved + sides * (points - 0.5) - (truth[..., 4:] - 0.5)


def train(pictures: np.ndarray, faces: np.ndarray, training: Training, folder: Path, threads: int) -> Weights:
    """Trains for `training.steps` steps and writes `detector.npz` and `detector.json` (settings, losses, seconds) into `folder`."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rng = np.random.default_rng([training.seed, 7])
    ops = TensorFlowOps(rng)
    ops.run(detector_with_hints, tf.zeros([1, 64, 64, 3]), training=False)
    optimizer = AdamW(ops.trainable, ops.decayed)
    parameters = list(ops.trainable.values())

    @tf.function
    def step(x, boxes, points, counts, rate, number, points_weight):
        with tf.GradientTape() as tape:
            parts = losses(tf, ops.run(detector_with_hints, tf.cast(x, tf.float32), training=True), boxes, points, counts, points_weight)
            loss = tf.reduce_sum(parts)
        return parts, optimizer.step(tape.gradient(loss, parameters), rate, number)

    order, history, sums, begun = np.empty(0, int), [], np.zeros(6), time.monotonic()
    for number in range(training.steps):
        if len(order) < training.batch:
            order = np.concatenate([order, rng.permutation(len(pictures))])
        chosen, order = order[: training.batch], order[training.batch :]
        x, boxes, points, counts = batch_of(pictures, faces, chosen, rng)
        rate = cosine_rate(number, training.steps, training.rate)
        weight = training.points_weight * (1 if number < training.steps / 2 else 2)
        numbers = (tf.constant(value, tf.float32) for value in (rate, number + 1, weight))
        parts, norm = step(tf.constant(x), tf.constant(boxes), tf.constant(points), tf.constant(counts), *numbers)
        sums += [*parts.numpy(), float(norm)]
        if not np.isfinite(sums).all():
            raise FloatingPointError(f'the loss is no number after {number + 1} steps')
        if (number + 1) % 50 == 0 or number + 1 == training.steps:
            since = (number % 50) + 1
            heat, size, offset, point, hint, norm = sums / since
            history.append([round(float(value), 5) for value in (number + 1, heat, size, offset, point / weight, hint)])
            sums[:] = 0
            spent = time.monotonic() - begun
            print(
                f'step {number + 1}/{training.steps} {spent:.0f} s, heat {heat:.3f}, size {size:.4f}, offset {offset:.4f}, '
                f'points {point / weight:.4f} of a side, hints {hint:.3f}, gradient {norm:.2f}',
                flush=True,
            )
        if (number + 1) % 500 == 0:
            # To look at while it trains; nothing continues from here.
            save(folder / 'so-far.npz', ops.weights())
    weights = ops.weights()
    save(folder / 'detector.npz', weights)
    report = {'training': asdict(training), 'scenes': len(pictures), 'seconds': round(time.monotonic() - begun, 1), 'losses': history}
    (folder / 'detector.json').write_text(json.dumps(report))
    return weights


def training_scenes():
    """The pictures and faces that the shipped model is trained on; drawn where they are not there yet."""
    return scene_set(CACHE / 'scenes', 'training', SCENES, SCENE_SIDE, SCENE_SIDE, HARSH, SCENES_SEED)


def ship(weights: Weights, report: dict, model: Path) -> None:
    """Writes the ONNX file, makes sure that it answers as TensorFlow does, and prints its size and hash."""
    training = report['training']
    notes = {
        'purpose': 'for drawn characters only; not for real people',
        'training': f'seed {training["seed"]}, {training["steps"]} steps of {training["batch"]}, {report["scenes"]} scenes of seed {SCENES_SEED}',
    }
    export(detector, weights, model, 'input.1', metadata=notes)
    x = np.random.default_rng(0).uniform(0, 255, (2, 3, 96, 160))
    print('parity with TensorFlow', assert_parity(detector, weights, model, x))
    print('bytes', model.stat().st_size, 'sha256', hashlib.sha256(model.read_bytes()).hexdigest())


def main() -> None:
    defaults = Training()
    parser = argparse.ArgumentParser(description='trains the demo detector and writes it as ONNX')
    parser.add_argument('--steps', type=int, default=defaults.steps)
    parser.add_argument('--seed', type=int, default=defaults.seed)
    parser.add_argument('--threads', type=int, default=2, help='with one, the same numbers come again on the same machine')
    parser.add_argument('--folder', type=Path, default=CACHE / 'detector', help='where weights and losses go')
    parser.add_argument('--model', type=Path, default=MODEL)
    parser.add_argument('--scenes-only', action='store_true', help='draw the training scenes and stop')
    parser.add_argument('--export-only', action='store_true', help='write the ONNX file from the weights in the folder')
    asked = parser.parse_args()
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    if not asked.export_only:
        pictures, faces = training_scenes()
        if asked.scenes_only:
            return
        asked.folder.mkdir(parents=True, exist_ok=True)
        train(pictures, faces, Training(steps=asked.steps, seed=asked.seed), asked.folder, asked.threads)
    ship(load(asked.folder / 'detector.npz'), json.loads((asked.folder / 'detector.json').read_text()), asked.model)


if __name__ == '__main__':
    main()
