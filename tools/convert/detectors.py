"""YOLO heads and CenterFace: recognised, freed, written in the wanted precision, and held to their source."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from boxes import Boxes, decode, suppress
from description import LOOKS, THRESHOLDS, agreed_labels, class_map, read_labels
from gate import LIMITS, Verdict, compare_boxes, require_equal
from heads import Head, Output, centerface, recognise, settle
from network import Running, Tensor, declare, halved, inputs_of, keep, outputs_of, rounding, settled, true_shapes
from onnx import TensorProto
from pictures import planes
from refusal import Refused
from result import Result

LARGEST = 8192
"""Side of a picture; a network that wants more would take all memory."""
USUAL = (640, 640)
"""Height and width at which a network of free size is looked at."""
SLACK = 0.1
"""How far below the threshold a partner may be."""
LANDSCAPE = (480, 640)


@dataclass(frozen=True)
class Subject:
    """A network whose input was declared free."""

    freed: onnx.ModelProto
    input: Tensor
    """As the source declares it."""
    size: tuple[int, int]
    """At which it was looked at."""
    fixed: bool
    batched: bool
    head: Head
    labels: list[str] | None


def convert_detector(model: onnx.ModelProto, reference, pictures, options: Namespace) -> Result:
    """`reference` answers for the source where that is no ONNX file. Raises `Refused`."""
    subject = _examine(model, pictures, options)
    head = subject.head
    notes = list(head.notes)
    if not subject.batched and head.batched:
        notes.append("the network takes one picture at a time: its exporter fixed the batch inside (max_batch_size 0)")
    whole = _declared(keep(subject.freed, head.outputs), subject, pictures)
    narrow = options.precision == "fp16"
    network = _declared(halved(whole), subject, pictures) if narrow else whole
    parameters = _parameters(head, options)
    held = [Running(network), *([Running(rounding(whole))] if narrow else [])]
    figures = _gate(model, reference, held, subject, parameters, pictures, options)
    most = (options.max_batch or 8) if subject.batched and head.batched else 0
    return Result(head.kind, head.form, network, most, parameters, figures, subject.labels, notes)


def _examine(model, pictures, options) -> Subject:
    tensor = _image_input(model)
    height, width = tensor.shape[2:]
    free = height < 0 or width < 0
    size = options.size or (USUAL if free else (height, width))
    if not all(1 <= side <= LARGEST for side in size):
        raise Refused(f'input "{tensor.name}" is {list(tensor.shape)}; allowed are sides of 1 to {LARGEST}')
    freed = declare(model, {tensor.name: (-1, 3, -1, -1), **{output.name: None for output in outputs_of(model)}})
    running = Running(freed)
    # Heads are told by shapes, so any look will do; what is seen is only decided with the kind.
    one, other = (planes(picture, size, LOOKS["yolov8"]) for _, picture in pictures[:2])
    alone = running.tries({tensor.name: one})
    if alone is None:
        said = "x".join(map(str, reversed(size)))
        raise Refused(
            f'the network does not run with one picture of {said} (input "{tensor.name}" {list(tensor.shape)}): '
            "export it with a free batch or one of 1, and with --size where its size is another"
        )
    labels = _labels(model, options)
    outputs = [Output(name, value.shape) for name, value in zip(running.outputs, alone, strict=True)]
    classes = len(labels or agreed_labels(None, None)) if centerface(outputs, size) is None else 1
    head = recognise(outputs, classes, size)
    if head.form == "undecided":
        # Pixels of 0 to 255, as most YOLOX want them: the smaller ones of the legacy kind make boxes as well.
        seen = running.run({tensor.name: planes(pictures[0][1], size, LOOKS["yolox"])})
        head = settle(head, seen[running.outputs.index(head.outputs[0])][0])
    if options.kind not in ("auto", head.kind):
        raise Refused(f"--kind {options.kind}, but by its outputs ({', '.join(head.outputs)}) this is {head.kind} ({head.form})")
    if head.kind == "centerface":
        labels = None
    fixed = options.size is not None or not (free or head.kind == "centerface")
    if head.kind == "centerface" and not fixed:
        size = LANDSCAPE
    return Subject(freed, tensor, size, fixed, _takes_batches(running, tensor.name, one, other, alone), head, labels)


def _image_input(model) -> Tensor:
    inputs = inputs_of(model)
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise Refused(f"a detector has one input of four axes; this network has {', '.join(f'{i.name} {list(i.shape)}' for i in inputs)}")
    if inputs[0].shape[1] not in (3, -1):
        raise Refused(f'input "{inputs[0].name}" is {list(inputs[0].shape)}; wanted is [batch, 3, height, width] (planes, not interleaved)')
    if inputs[0].type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        raise Refused(f'input "{inputs[0].name}" holds {TensorProto.DataType.Name(inputs[0].type)}; allowed is FLOAT or FLOAT16')
    return inputs[0]


def _labels(model, options) -> list[str] | None:
    """None when neither the file nor the network names any: CenterFace needs none."""
    given = None if options.labels is None else read_labels(Path(options.labels))
    written = class_map(model)
    return None if given is None and written is None else agreed_labels(given, written)


def _takes_batches(running, name, one, other, alone) -> bool:
    """Whether two pictures at once give what each gives alone."""
    both = running.tries({name: np.concatenate([one, other])})
    if both is None or any(value.ndim == 0 or value.shape[0] != 2 for value in both):
        return False
    try:
        require_equal("the first of two pictures", alone, [value[:1] for value in both], 1e-4)
    except Refused:
        return False
    return True


def _declared(network, subject: Subject, pictures) -> onnx.ModelProto:
    """With the shapes that it really has, measured and not believed."""
    sizes = [subject.size] if subject.fixed else [subject.size, (320, 384)]
    running, runs = Running(network), []
    for height, width in sizes:
        answer = running.tries({subject.input.name: planes(pictures[0][1], (height, width), LOOKS["yolov8"])})
        if answer is None:
            raise Refused(f"the network declares a free size and does not run at {width}x{height}: fix it with --size")
        runs.append(answer)
    whole = subject.batched and subject.head.batched
    shapes = [(-1, 7)] if subject.head.form == "listed" else true_shapes(runs, whole)
    own = (-1 if whole else 1, 3, *(subject.size if subject.fixed else (-1, -1)))
    return settled(network, {subject.input.name: own, **dict(zip(running.outputs, shapes, strict=True))})


def _parameters(head: Head, options) -> dict[str, str]:
    threshold = THRESHOLDS[head.kind] if options.score_threshold is None else options.score_threshold
    anchors = {} if options.anchors is None or head.form != "anchors" else {"anchors": options.anchors}
    return {"kind": head.kind, **LOOKS[head.kind], **head.parameters, **anchors, "score_threshold": f"{threshold:g}"}


def _gate(model, reference, held: list[Running], subject, parameters, pictures, options) -> dict:
    """`held` are the networks that must answer as the source does."""
    source, verdict = _source(model, reference, subject, pictures), Verdict(LIMITS[options.precision])
    for name, picture in pictures:
        feeds = {subject.input.name: planes(picture, subject.size, parameters)}
        wanted = _boxes(subject, parameters, source, feeds, name)
        verdict.boxes += len(_reported(subject, parameters, wanted).scores)
        for converted in held:
            found = _boxes(subject, parameters, converted, feeds, name)
            compare_boxes(verdict, name, _reported(subject, parameters, wanted), found, "source")
            compare_boxes(verdict, name, _reported(subject, parameters, found), wanted, "converted")
        verdict.pictures += 1
    verdict.finish(detector=True)
    return verdict.figures(detector=True)


def _reported(subject: Subject, parameters, found: Boxes) -> Boxes:
    """What the daemon would be told."""
    sure = found.take(np.flatnonzero(found.scores >= float(parameters["score_threshold"])))
    if subject.head.kind == "yolo_end2end":
        return sure
    return suppress(sure, 0.3 if subject.head.kind == "centerface" else 0.45)


def _boxes(subject: Subject, parameters, side, feeds, picture) -> Boxes:
    """Candidates, some below the threshold."""
    by_name = dict(zip(side.outputs, side.run(feeds), strict=True))
    anchors = tuple(float(x) for x in parameters["anchors"].split(",")) if "anchors" in parameters else ()
    least = max(0.0, float(parameters["score_threshold"]) - SLACK)
    found = decode(subject.head, [by_name[name] for name in subject.head.outputs], subject.size, least, anchors)
    if len(found.scores) > 0 and found.scores.max() > 1.001:
        raise Refused(f"{picture}: a score is {found.scores.max():.2f}; allowed is 0 to 1. Were the classes exported without their logistic function?")
    classes = 1 if subject.labels is None else len(subject.labels)
    if len(found.classes) > 0 and found.classes.max() >= classes:
        raise Refused(f"{picture}: the network reports class {found.classes.max()}; the label file has {classes}, from 0 to {classes - 1}")
    return found


def _source(model, reference, subject: Subject, pictures):
    """What the converted network is compared with: the source as it is, where it takes one picture of that size."""
    if reference is not None:
        return reference
    name = subject.input.name
    own = Running(model)
    if own.tries({name: planes(pictures[0][1], subject.size, LOOKS["yolov8"])}) is not None:
        return own
    # It declares other sizes, as the published CenterFace does (10 x 3 x 32 x 32). At those, freeing must have changed nothing.
    shape = [max(1, size) if axis < 2 else (size if size > 0 else subject.size[axis - 2]) for axis, size in enumerate(subject.input.shape)]
    tiles = [planes(pictures[at % len(pictures)][1], (shape[2], shape[3]), LOOKS[subject.head.kind]) for at in range(shape[0])]
    freed = Running(subject.freed)
    feeds = {name: np.concatenate(tiles)}
    require_equal(f"the network with free axes at its declared size {shape}", own.run(feeds), freed.run(feeds), 1e-5)
    return freed
