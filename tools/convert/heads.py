"""Which head a detector has, told by the shapes of its outputs (docs/models.md, "Which YOLO is which kind").

Pure: shapes in, a `Head` or `Refused` out. Shapes are those of one run with one picture, with the batch axis.
"""

from dataclasses import dataclass, field

from refusal import Refused

DFL_BINS = 16
END2END = ("num_dets", "det_boxes", "det_scores", "det_classes")
MOST_RANKED = 1000
"""Rows of a head that gives each object once; every head with a row per cell has more at any usual size."""

KNOWN = (
    "num_dets, det_boxes, det_scores and det_classes; one [M, 7]; one [1, K, 6]; one [1, 4 + C, boxes] or [1, boxes, 4 + C] "
    "(YOLOv8, v9, 11); one [1, boxes, 5 + C] (YOLOv7, v5, YOLOX); the levels of YOLOv7 or YOLOv8 before decoding; four of 1, 2, 2 and "
    "10 channels (CenterFace)"
)


@dataclass(frozen=True)
class Output:
    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Head:
    kind: str
    form: str
    """What `boxes.decode` knows it by."""
    outputs: tuple[str, ...]
    """Those that are kept, in the order of the contract."""
    batched: bool = True
    """False when the first axis is not the picture's."""
    notes: tuple[str, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict)


def recognise(outputs: list[Output], classes: int, size: tuple[int, int]) -> Head:
    """`size` is height and width of the input in that run. A head of one row per cell whose values decide is `undecided`: see
    `settle`. Raises `Refused` for every head without a kind, and for one that does not fit the number of `classes`."""
    for recogniser in (_end2end, _listed, _tables, _levels):
        head = centerface(outputs, size) or recogniser(outputs, classes, size)
        if head is not None:
            return head
    raise Refused(f"the head is unknown: its outputs are {text(outputs)}. {_guess(outputs)}Known are {KNOWN}")


def settle(head: Head, rows) -> Head:
    """YOLOX is told by its values: before decoding centres are offsets within a cell, afterwards pixels. `rows` [boxes, 5 + C]."""
    if head.form != "undecided":
        return head
    # Median and not mean: one value that runs away must not decide.
    import numpy as np

    spread = float(np.percentile(rows[:, 0], 90) - np.percentile(rows[:, 0], 10))
    if spread < 16:
        return Head("yolox", "yolox", head.outputs)
    pixels = {"scale": "1", "colour": "bgr", "fit": "letterbox_top_left"}
    return Head("yolov7", "grid", head.outputs, notes=("YOLOX that decodes inside: kind yolov7 with YOLOX's pixels",), parameters=pixels)


def cells(size: tuple[int, int], strides: tuple[int, ...] = (8, 16, 32)) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in strides)


def text(outputs: list[Output]) -> str:
    return ", ".join(f'"{output.name}" {list(output.shape)}' for output in outputs)


def _end2end(outputs, _classes, _size):
    if not all(any(output.name == name for output in outputs) for name in END2END):
        return None
    return Head("yolo_end2end", "fixed", END2END)


def centerface(outputs: list[Output], size: tuple[int, int]) -> Head | None:
    """The one detector whose classes need no names."""
    maps = [output for output in outputs if len(output.shape) == 4 and output.shape[2:] == (size[0] // 4, size[1] // 4)]
    if [output.shape[1] for output in maps] != [1, 2, 2, 10]:
        return None
    return Head("centerface", "centerface", tuple(output.name for output in maps), parameters={"labels": "face", "width": "640"})


def _listed(outputs, _classes, _size):
    if len(outputs) != 1 or len(outputs[0].shape) != 2 or outputs[0].shape[1] != 7:
        return None
    return Head("yolo_end2end", "listed", (outputs[0].name,), batched=False)


def _tables(outputs, classes, size):
    """One row per box. Levels beside a table are what it was computed from, and are dropped."""
    tables = [output for output in outputs if len(output.shape) == 3]
    if not tables or any(len(output.shape) < 3 for output in outputs):
        return None
    masks = [output for output in outputs if len(output.shape) == 4 and output.shape[1:] == (32, size[0] // 4, size[1] // 4)]
    if masks:
        raise Refused(f"this is the head of a segmentation network ({text(outputs)}); there is no kind for masks. Convert its detector")
    scored = [output for output in tables if _scored(output, classes, size)]
    if len(scored) == 2 and len(tables) == 2:
        note = f'two outputs of boxes, as YOLOv9 with its auxiliary branch: the main branch "{scored[1].name}" is kept'
        return Head("yolov8", "scored", (scored[1].name,), notes=(note,))
    if len(tables) != 1:
        return None
    [table] = tables
    _, rows, values = table.shape
    all_cells = cells(size)
    if scored:
        return Head("yolov8", "scored", (table.name,))
    if values == 5 + classes and rows in (3 * all_cells, 3 * cells(size, (8, 16, 32, 64))):
        return Head("yolov7", "grid", (table.name,))
    if values == 5 + classes and rows == all_cells:
        return Head("yolox", "undecided", (table.name,))
    if values == 6 and rows <= MOST_RANKED:
        return Head("yolo_end2end", "ranked", (table.name,))
    raise Refused(_wrong_table(table, classes, size))


def _scored(output, classes, size):
    _, a, b = output.shape
    return (a, b) in ((4 + classes, cells(size)), (cells(size), 4 + classes))


def _wrong_table(table, classes, size):
    _, a, b = table.shape
    all_cells = cells(size)
    says = f'output "{table.name}" is {list(table.shape)}'
    labels = f"the label file has {classes}"
    boxes, values = (a, b) if a > b else (b, a)
    if boxes == all_cells and values == 4 + classes + 51:
        return f"{says}: the head of a pose network (17 points); there is no kind for it. Convert its detector"
    if boxes == all_cells and values == 4 + classes + 1:
        return f"{says}: {values - 4} classes if it is YOLOv8, {values - 5} and an angle if it is a head of turned boxes, for which there is no kind; {labels}"
    if boxes == 3 * all_cells:
        return f"{says}: a YOLOv7 or YOLOv5 of {values - 5} classes; {labels}"
    if boxes == all_cells and a > b:
        return f"{says}: a YOLOv8 or v9 of {values - 4} classes or a YOLOX of {values - 5}; {labels}"
    if boxes == all_cells:
        return f"{says}: a YOLOv8 or v9 of {values - 4} classes; {labels}"
    if a <= MOST_RANKED and b == 4 + classes:
        return f"{says}: the head of a DETR (boxes as shares of the picture); there is no kind for it"
    if a <= MOST_RANKED and b == 6 + 32:
        return f"{says}: a segmentation head with suppression inside; there is no kind for masks. Convert its detector"
    return (
        f"{says}, which is no known head of {classes} classes at {size[1]}x{size[0]}: that would have {all_cells} boxes (YOLOv8, v9, YOLOX) "
        f"or {3 * all_cells} (YOLOv7, v5) of {4 + classes} or {5 + classes} values"
    )


def _levels(outputs, classes, size):
    """What the last convolutions give, level by level."""
    kinds = [_level(output, classes, size) for output in outputs]
    if not kinds or None in kinds:
        return None
    forms = {kind for kind, _ in kinds}
    if forms == {"anchors"}:
        counts = {count for _, count in kinds}
        if counts != {3} or len(outputs) not in (3, 4):
            raise Refused(f"levels of {sorted(counts)} anchors in {len(outputs)} outputs; known are 3 anchors in 3 or 4 levels: {text(outputs)}")
        return Head("yolov7", "anchors", tuple(output.name for output in outputs))
    if forms in ({"joined"}, {"sides", "scores"}):
        return Head("yolov8", "distributions", tuple(output.name for output in outputs))
    return None


def _level(output, classes, size):
    """Form and number of anchors of one level; None when it is none."""
    shape, values = output.shape, 5 + classes
    if len(shape) == 5 and shape[4] == values and _divides(shape[2:4], size):
        return "anchors", shape[1]
    if len(shape) != 4 or not _divides(shape[2:], size):
        return None
    if shape[1] == 4 * DFL_BINS + classes:
        return "joined", 0
    if shape[1] == 3 * values:
        return "anchors", 3
    if shape[1] == 4 * DFL_BINS:
        return "sides", 0
    return ("scores", 0) if shape[1] == classes else None


def _divides(grid, size):
    return any((size[0] // stride, size[1] // stride) == tuple(grid) for stride in (8, 16, 32, 64))


def _guess(outputs):
    if len(outputs) == 1 and len(outputs[0].shape) == 2:
        return "One vector per picture is a classifier or an embedder: the image side of CLIP wants --kind clip_visual. "
    return ""
