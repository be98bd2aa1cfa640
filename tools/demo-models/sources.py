"""Which code a product was made with, so that what is kept on disk is made again once that code has changed."""

import ast
import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def used_by(program: Path) -> list[Path]:
    """The program and the modules beside it that it imports, directly or through others; sorted."""
    found, waiting = set(), [program]
    while waiting:
        path = waiting.pop()
        if path in found or not path.exists():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                waiting += [path.with_name(f'{alias.name}.py') for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                waiting.append(path.with_name(f'{node.module}.py'))
    return sorted(found)


@cache
def digest(module: str) -> str:
    """SHA-256 of a module of this folder and of all that it uses here: of the text, so that a changed comment counts too."""
    total = hashlib.sha256()
    for path in used_by(FOLDER / f'{module}.py'):
        text = path.read_bytes()
        total.update(f'{path.name} {len(text)}\n'.encode() + text)
    return total.hexdigest()
