"""Writes model_repository/clip_text/merges.txt.gz: the part of CLIP's vocabulary that its models know.

    pip download --no-deps -d DIR open-clip-torch==3.3.0 && unzip -d DIR DIR/open_clip_torch-3.3.0-py3-none-any.whl
    python tools/clip-vocabulary.py DIR/open_clip/bpe_simple_vocab_16e6.txt.gz

The original (openai/CLIP, clip/bpe_simple_vocab_16e6.txt.gz, MIT, Copyright (c) 2021 OpenAI) goes on for 213,250 merges that no model
was trained with.
"""

import gzip
import hashlib
import sys
from pathlib import Path

ORIGINAL = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
LINES = 1 + 48_894
OUT = Path(__file__).resolve().parents[1] / "model_repository/clip_text/merges.txt.gz"

packed = Path(sys.argv[1]).read_bytes()
found = hashlib.sha256(packed).hexdigest()
if found != ORIGINAL:
    sys.exit(f"{sys.argv[1]} is {found}, not {ORIGINAL}")
lines = gzip.decompress(packed).split(b"\n")[:LINES]
text = b"\n".join(lines) + b"\n"
OUT.write_bytes(gzip.compress(text, 9, mtime=0))
print(f"{OUT.stat().st_size} bytes, sha256 of the text {hashlib.sha256(text).hexdigest()}")
