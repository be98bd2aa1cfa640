"""Checkpoints of PyTorch as ONNX networks, with the checkpoint itself to be compared with.

Opening a checkpoint of YOLO runs code that is in it, and needs the classes of the project that trained it.
"""

import io
import sys
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import onnx
from clip_network import text_network, visual_network
from packages import missing
from refusal import Refused

OPSET = 17
USUAL = (640, 640)


class TorchReference:
    """Answers as `network.Running` does, by the checkpoint itself."""

    def __init__(self, answer, names: list[str]):
        self._answer, self.outputs = answer, names

    def run(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        import torch

        with torch.no_grad():
            found = self._answer(*(torch.from_numpy(value) for value in feeds.values()))
        return [one.float().numpy() for one in found]


def from_checkpoint(path: Path, options: Namespace) -> tuple[onnx.ModelProto, TorchReference]:
    """Raises `Refused`."""
    clip = options.kind in ("clip_visual", "clip_text")
    absent = missing(("torch", "open_clip") if clip else ("torch",), "requirements-torch.txt")
    if absent is not None:
        raise Refused(f"checkpoints of PyTorch want more packages. {absent}")
    if clip:
        return _clip(path, options)
    return _yolo(path, options)


def _clip(path: Path, options: Namespace):
    if options.clip is None:
        raise Refused("--clip is missing: open_clip's name of the architecture, such as ViT-B-32-quickgelu for OpenAI's ViT-B-32.pt")
    import open_clip

    try:
        model = open_clip.create_model(options.clip, pretrained=str(path), device="cpu", precision="fp32", weights_only=not _is_script(path)).eval()
    except (RuntimeError, AssertionError) as problem:  # names or shapes of the weights differ
        raise Refused(f"{path} does not fit the architecture {options.clip}: {_brief(problem)}") from problem
    except Exception as problem:  # unpickling raises whatever the bytes make it
        raise Refused(f"{path} is no checkpoint that open_clip reads: {_brief(problem)}") from problem
    if model.visual.__class__.__name__ != "VisionTransformer" or model.visual.attn_pool is not None:
        raise Refused(f"{options.clip} is no plain vision transformer; allowed are ViT-B-32, ViT-B-16, ViT-L-14 and their like")
    weights = {name: value.float().numpy() for name, value in model.state_dict().items()}
    visual = options.kind == "clip_visual"
    blocks = (model.visual if visual else model).transformer.resblocks
    activation = {"QuickGELU": "quick_gelu", "GELU": "gelu"}.get(blocks[0].mlp.gelu.__class__.__name__)
    if activation is None:
        raise Refused(f"{options.clip} has the activation {blocks[0].mlp.gelu}; allowed are QuickGELU and GELU")
    network = (visual_network if visual else text_network)(weights, activation, blocks[0].attn.num_heads)
    encode = model.encode_image if visual else model.encode_text
    return network, TorchReference(lambda value: [encode(value)], ["output"])


def _yolo(path: Path, options: Namespace):
    import torch

    if options.upstream is not None:
        sys.path.insert(0, options.upstream)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    except (ModuleNotFoundError, AttributeError) as problem:
        raise Refused(f"{path} holds classes that are not here ({problem}): give --upstream DIR, a checkout of the project that trained it") from problem
    except Exception as problem:  # unpickling raises whatever the bytes make it
        raise Refused(f"{path} is no checkpoint of PyTorch: {_brief(problem)}") from problem
    model = checkpoint
    if isinstance(checkpoint, dict):
        model = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(model, torch.nn.Module):
        raise Refused(
            f"{path} holds no network, only {_held(checkpoint)}: a CLIP wants --kind and --clip; export others to ONNX with the project that trained them"
        )
    model = model.float().eval()

    class Main(torch.nn.Module):
        """One tensor of boxes, whatever else a head gives while it trains."""

        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, images):
            return main_output(self.inner(images))

    whole = Main().eval()
    height, width = options.size or USUAL
    example = torch.zeros(1, 3, height, width)
    with torch.no_grad():
        # Heads of YOLO lay out their grid at the first picture of a size.
        whole(example)
    written = io.BytesIO()
    torch.onnx.export(
        whole, (example,), written, opset_version=OPSET, input_names=["images"], output_names=["output"], dynamo=False,
        dynamic_axes={"images": {0: "N"}, "output": {0: "N"}},
    )
    network = onnx.load_from_string(written.getvalue())
    names = getattr(model, "names", None)
    if names is not None:
        network.metadata_props.add(key="names", value=str(dict(names) if isinstance(names, dict) else list(names)))
    return network, TorchReference(lambda images: [whole(images)], ["output"])


def _is_script(path: Path) -> bool:
    """Whether it is an archive of TorchScript, as OpenAI's own files are: PyTorch does not open those as weights alone."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _brief(problem: Exception) -> str:
    words = " ".join(str(problem).split()) or type(problem).__name__
    return words if len(words) <= 300 else f"{words[:300]}…"


def _held(checkpoint) -> str:
    if isinstance(checkpoint, dict):
        return f"a dictionary with {', '.join(map(str, list(checkpoint)[:4]))}"
    return type(checkpoint).__name__


def main_output(answer):
    """The boxes of a head in evaluation: the tensor itself, or the first beside the maps that training wants. Checkpoints of YOLOv9 with
    an auxiliary branch give its boxes first and those of the main branch second."""
    import torch

    if isinstance(answer, torch.Tensor):
        return answer
    first = answer[0] if isinstance(answer, (list, tuple)) and len(answer) > 0 else None
    if isinstance(first, torch.Tensor):
        return first
    pair = isinstance(first, (list, tuple)) and len(first) == 2 and all(isinstance(one, torch.Tensor) for one in first)
    if pair and first[0].shape == first[1].shape:
        return first[1]
    raise Refused(f"the network answers with {type(answer).__name__} of {type(first).__name__}; wanted is one tensor of boxes (there is no kind for masks): export it to ONNX with its own project")
