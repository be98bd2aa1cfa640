"""A converted network and how it is put into a repository."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import onnx
from description import config
from network import inputs_of, outputs_of
from refusal import Refused

OLDEST_IR, COMMON_IR = 8, 10
"""Files are marked with the oldest version of the format that their operations allow; up to the second, which belongs to opset 22, servers
with ONNX Runtime 1.22 read them (tried)."""
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
    """Writes to temporary files first, so that a full disk leaves what was there. Raises `Refused`."""
    text = config(folder.name, f"{result.kind}: {result.form}.\n{origin}", inputs_of(result.model), outputs_of(result.model), result.most, result.parameters, result.labels is not None)
    notes = _mark(result.model)
    onnx.checker.check_model(result.model)
    record = {
        **record,
        "kind": result.kind,
        "form": result.form,
        "opset": _opset(result.model),
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
    if result.kind == "clip_text" and not (folder / VOCABULARY.name).exists():
        files[VOCABULARY.name] = VOCABULARY.read_bytes()
    try:
        _put(folder, files)
    except OSError as problem:
        raise Refused(f"{folder} cannot be written, what was there is as it was: {problem.strerror}: {problem.filename or folder}") from problem
    # It pinned the file that was there before.
    (folder / "1/model.onnx.pin.json").unlink(missing_ok=True)
    return [*notes, f"gate passed: {json.dumps(result.figures)}", f"wrote {folder}: {result.kind} ({result.form}), {len(files['1/model.onnx']) / 1e6:.1f} MB"]


def _put(folder: Path, files: dict[str, bytes]) -> None:
    """All or nothing: config.pbtxt last, since without it a folder is no model."""
    fresh = {name: folder / f"{name}.new" for name in sorted(files, key=lambda name: name == "config.pbtxt")}
    try:
        (folder / "1").mkdir(parents=True, exist_ok=True)
        for name, path in fresh.items():
            path.write_bytes(files[name])
        for name, path in fresh.items():
            os.replace(path, folder / name)
    except OSError:
        for path in fresh.values():
            if path.exists():
                path.unlink()
        for empty in (folder / "1", folder):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
        raise


def _opset(model: onnx.ModelProto) -> int:
    return next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def _mark(model: onnx.ModelProto) -> list[str]:
    """Exporters mark files with the newest version of the format that they know, which older runtimes refuse unseen."""
    needed = max(OLDEST_IR, onnx.helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True))
    model.ir_version = min(model.ir_version, needed)
    if model.ir_version <= COMMON_IR:
        return []
    return [f"opset {_opset(model)} wants a new ONNX Runtime: that of your Triton may refuse the file; exported with opset 22 or lower, it does not"]
