"""What was measured of a model, as JSON beside its card; `test/unit/demo-model-figures.test.ts` holds it against limits."""

import hashlib
import json
from pathlib import Path


def write(figures: dict, model: Path, shipped: Path, asked: Path | None) -> None:
    """Writes the figures with the hash of the file that was measured: to `asked`, or without one beside the card of the shipped model.
    Those of another file go nowhere by themselves."""
    path = asked or (shipped.parents[1] / 'figures.json' if model.resolve() == shipped else None)
    if path is not None:
        measured = {'sha256': hashlib.sha256(model.read_bytes()).hexdigest(), **rounded(figures)}
        path.write_text(json.dumps(measured, indent=2) + '\n')


def rounded(value, digits: int = 5):
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    return round(value, digits) if isinstance(value, float) else value
