"""A converted network and how it is put into a repository."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import onnx
from description import config
from network import inputs_of, outputs_of

VOCABULARY = Path(__file__).resolve().parents[2] / "model_repository/clip_text/merges.txt.gz"


@dataclass(frozen=True)
class Result:
    kind: str
    form: str
    model: onnx.ModelProto
    most: int
    """`max_batch_size`."""
    parameters: dict[str, str]
    figures: dict
    """What the accuracy gate saw."""
    labels: list[str] | None = None
    notes: list[str] = field(default_factory=list)


def converted_from(source: Path, precision: str) -> tuple[str, dict]:
    """What stands at the head of config.pbtxt, and in conversion.json."""
    text = f"Converted by tools/convert from {source.name}, {precision}. What it may be used for, its own licence says."
    return text, {"source": source.name, "sha256": hashlib.sha256(source.read_bytes()).hexdigest(), "precision": precision}


def write(result: Result, folder: Path, origin: str, record: dict) -> list[str]:
    """Writes to temporary files first, so that a full disk leaves what was there."""
    text = config(folder.name, f"{result.kind}: {result.form}.\n{origin}", inputs_of(result.model), outputs_of(result.model), result.most, result.parameters, result.labels is not None)
    onnx.checker.check_model(result.model)
    record = {
        **record,
        "kind": result.kind,
        "form": result.form,
        "gate": result.figures,
        "tools": {name: version(name) for name in ("onnx", "onnxruntime", "numpy")},
    }
    files: dict[str, bytes] = {
        "1/model.onnx": result.model.SerializeToString(),
        "config.pbtxt": text.encode(),
        "conversion.json": (json.dumps(record, indent=1) + "\n").encode(),
    }
    if result.labels is not None:
        files["labels.txt"] = ("\n".join(result.labels) + "\n").encode()
    (folder / "1").mkdir(parents=True, exist_ok=True)
    if result.kind == "clip_text" and not (folder / VOCABULARY.name).exists():
        shutil.copyfile(VOCABULARY, folder / VOCABULARY.name)
    for name, content in files.items():
        (folder / f"{name}.new").write_bytes(content)
    for name in files:
        os.replace(folder / f"{name}.new", folder / name)
    # It pinned the file that was there before.
    (folder / "1/model.onnx.pin.json").unlink(missing_ok=True)
    return [f"gate passed: {json.dumps(result.figures)}", f"wrote {folder}: {result.kind} ({result.form}), {len(files['1/model.onnx']) / 1e6:.1f} MB"]
