"""Converts a network into a model of a Sightline repository: model.onnx, config.pbtxt and labels, which the embedded engine and Triton
take as they are. Nothing is written unless the result answers as its source does on real pictures.

  convert.py yolov8s.onnx --as yolov8s --repository DIR --labels coco.txt --pictures DIR
  convert.py centerface.onnx --as centerface --repository DIR --pictures DIR
  convert.py visual.onnx --as clip_visual --kind clip_visual --space clip_vit_b32 --repository DIR --pictures DIR --precision fp16
  convert.py textual.onnx --as clip_text --kind clip_text --space clip_vit_b32 --repository DIR
  convert.py yolov9-c.pt --upstream ../yolov9 --as yolov9 --repository DIR --labels coco.txt --pictures DIR
  convert.py ViT-B-32.pt --clip ViT-B-32-quickgelu --kind clip_visual --space clip_vit_b32 --as clip_visual --repository DIR --pictures DIR

Detectors are recognised by their outputs (docs/models.md, "Which YOLO is which kind"); a head that no kind knows is refused. Checkpoints of
PyTorch run code when they are opened: open none that you do not trust.
"""

import argparse
import re
import sys
from pathlib import Path

from packages import missing

if (absent := missing()) is not None:
    sys.exit(f"convert.py: {absent}")

from description import BATCHES, LOOKS, THRESHOLDS
from detectors import convert_detector
from embedders import convert_text, convert_visual
from gate import LIMITS
from network import load
from pictures import read_pictures
from refusal import Refused
from result import converted_from, write


CHECKPOINTS = (".pt", ".pth", ".safetensors")


def main() -> None:
    options = parse(sys.argv[1:])
    try:
        for line in convert(options):
            print(line)
    except Refused as problem:
        sys.exit(f"convert.py: {problem}")


def convert(options: argparse.Namespace) -> list[str]:
    """What was done, in words. Raises `Refused` and writes nothing."""
    folder = Path(options.repository) / options.name
    if (folder / "config.pbtxt").exists() and not options.replace:
        raise Refused(f"{folder} exists; --replace puts the new model there, another --as beside it")
    if options.kind in ("clip_visual", "clip_text") and options.space is None:
        raise Refused("--space is missing: the name of the embedding space, the same for both sides of one CLIP and for no other")
    source = Path(options.source)
    if not source.is_file():
        raise Refused(f"{source} is no file")
    if source.suffix in CHECKPOINTS:
        from torch_source import from_checkpoint

        model, reference = from_checkpoint(source, options)
    else:
        model, reference = load(source), None
    pictures = [] if options.kind == "clip_text" else read_pictures(options.pictures or [])
    step = {"clip_visual": convert_visual, "clip_text": convert_text}.get(options.kind, convert_detector)
    result = step(model, reference, pictures, options)
    return [*result.notes, *write(result, folder, *converted_from(source, options.precision))]


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="convert.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the network: .onnx, or a checkpoint of PyTorch (.pt, .pth; .safetensors for CLIP)")
    parser.add_argument("--as", dest="name", required=True, metavar="MODEL", help="name of the model and of its folder")
    parser.add_argument("--repository", required=True, metavar="DIR", help="the model repository to write to")
    parser.add_argument("--pictures", nargs="+", metavar="PATH", help="photos or folders of photos for the accuracy gate; they must show what the network finds")
    parser.add_argument("--kind", default="auto", choices=["auto", *sorted(set(LOOKS))], help="default auto: told by the outputs (detectors only)")
    parser.add_argument("--labels", metavar="FILE", help="a class name per line; must agree with the class map that the network itself has")
    parser.add_argument("--precision", default="fp32", choices=sorted(LIMITS), help="fp16: weights and arithmetic of 16 bits, for GPUs; inputs and outputs keep their types")
    parser.add_argument("--size", type=size, metavar="WIDTHxHEIGHT", help="fixes the input to this size; default: as the network declares it, free for CenterFace")
    parser.add_argument("--max-batch", type=batch, metavar="N", help=f"most pictures of one run; default {BATCHES['clip_visual']} for clip_visual, 8 for others")
    parser.add_argument("--score-threshold", type=share, metavar="X", help=f"default by kind: {', '.join(f'{k} {v}' for k, v in THRESHOLDS.items())}")
    parser.add_argument("--anchors", metavar="W,H,...", help="yolov7 before decoding, where they are not those of yolov7 or of w6: yolov7-tiny and YOLOv5 need them")
    parser.add_argument("--space", metavar="NAME", help="embedding space of a CLIP side: the same name for both sides, another for other weights")
    parser.add_argument("--space-version", default="1", metavar="TEXT", help="default 1")
    parser.add_argument("--mean", metavar="R,G,B", help="of clip_visual, where the checkpoint was not trained with CLIP's own")
    parser.add_argument("--std", metavar="R,G,B", help="the same")
    parser.add_argument("--upstream", metavar="DIR", help="checkpoints of YOLO: a checkout of the project that trained it (its classes are needed to open the file)")
    parser.add_argument("--clip", metavar="ARCHITECTURE", help="checkpoints of CLIP: open_clip's name of the architecture, such as ViT-B-32-quickgelu")
    parser.add_argument("--replace", action="store_true", help="replace a model that is there")
    options = parser.parse_args(words)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", options.name):
        parser.error(f'--as "{options.name}": allowed are letters, digits, dots, dashes and underscores')
    for key in ("mean", "std"):
        value = getattr(options, key)
        if value is not None and not re.fullmatch(r"\s*[\d.]+\s*(,\s*[\d.]+\s*){2}", value):
            parser.error(f'--{key} "{value}": allowed are three numbers, separated by commas')
    if options.anchors is not None and not re.fullmatch(r"[\d.\s]+(,[\d.\s]+)*", options.anchors):
        parser.error(f'--anchors "{options.anchors}": allowed are numbers, separated by commas')
    return options


def batch(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise argparse.ArgumentTypeError(f'"{text}": allowed is a whole number from 1 to 9999')
    return int(text)


def share(text: str) -> float:
    if not re.fullmatch(r"0?\.\d+|[01](\.0*)?", text):
        raise argparse.ArgumentTypeError(f'"{text}": allowed is a number from 0 to 1')
    return float(text)


def size(text: str) -> tuple[int, int]:
    """Height and width."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None or any(int(one) % 32 != 0 or int(one) == 0 for one in found.groups()):
        raise argparse.ArgumentTypeError(f'"{text}": allowed is WIDTHxHEIGHT, multiples of 32, such as 640x384')
    return int(found[2]), int(found[1])


if __name__ == "__main__":
    main()
