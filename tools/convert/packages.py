from importlib.util import find_spec

NEEDED = ("numpy", "onnx", "onnxruntime", "PIL")


def missing(packages: tuple[str, ...] = NEEDED, requirements: str = "requirements.txt") -> str | None:
    """What to install where one of these cannot be imported; None where all are there."""
    absent = [name for name in packages if find_spec(name) is None]
    return f"not installed: {', '.join(absent)}. Install them with pip install -r tools/convert/{requirements}" if absent else None
