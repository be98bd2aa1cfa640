"""What CLIP's tokenizer makes of texts: cleaning as upstream writes it (ftfy, html, white space, lower case), byte pair encoding by
Hugging Face's `tokenizers`. Writes test/fixtures/golden/tokens.json.

    VENV/bin/pip install -r tools/golden/requirements.txt
    VENV/bin/python tools/golden/tokens.py PATH/bpe_simple_vocab_16e6.txt.gz

The vocabulary is the original one (tools/clip-vocabulary.py says where it comes from), not the part of it that is shipped.
"""

import gzip
import hashlib
import html
import json
import random
import sys
from importlib.metadata import version
from pathlib import Path

import ftfy
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

OUT = Path(__file__).resolve().parents[2] / "test/fixtures/golden/tokens.json"
START, END, LENGTH = 49406, 49407, 77
# Upstream's expression ignores case, by which Python's `regex` takes the long s for an s and finds U+0345 in neither class; said here outright.
PIECES = "'s|'t|'re|'ve|'m|'ll|'d|'\u017f|\\p{L}+|\\p{N}|[^\\s\\p{L}\\p{N}\u0345]+"

TEXTS = [
    "", " \t\n ", "a diagram", "a dog", "a cat", "hello world!", "a photo of a person",
    "a person in a red jacket carrying a backpack", "red jacket, black cap", "a man riding a bicycle",
    "person wearing a yellow helmet", "white van", "a red car", "It's 2024: who's there?", "café  déjà vu", "a 日本 sign", "Jekyll",
    "don&amp;#39;t walk", "don&#39;t", "don’t “walk”", "DON'T WALK", "we'll, they've, I'm, you're, he'd",
    "'tis the season", "rock 'n' roll", "O'Neil's", "!!'s", "it's's", "tall woman; blue-green dress (knee-length)",
    "grey/gray hoodie w/ logo", "man, ~40, beard & glasses", "AT&T jacket", "R&amp;B", "5 < 6 &amp; 7 > 3", "&lt;b&gt;bold&lt;/b&gt;",
    "&#x41;&#0;&#128;&#xD800;&#1;", "a < b &#8217;s", "a < b&#xFEFF;c", "&amp;amp;amp;lt;", "&quot;quoted&quot; &apos;single&apos; a&nbsp;b", "no.1 #hashtag @user 100%",
    "½ cup, x² and Ⅻ", "ﬁreﬁghter’s oﬃce", "ＲＥＤ　ＪＡＣＫＥＴ １２", "e\u0301te\u0301", "İstanbul", "Straße", "ΣΊΣΥΦΟΣ", "ſt and 'ſ", "Ωmega K", "ǅ ĳ ŉ",
    "line\r\nbreak\rand\u2028more\u2029still\x85end", "tab\tand\x0bvertical\x0cfeed", "zero\u200bwidth\ufeff joiner\u200d", "soft\u00adhyphen", "nul\x00byte\x1fhere\x7f",
    "😀👍🏽 emoji 👨‍👩‍👧", "привет мир", "مرحبا بالعالم", "नमस्ते", "สวัสดี", "안녕하세요", "ﾊﾝｶｸ", "a\u0345b",
    "supercalifragilisticexpialidocious", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "zzzxxyqqqqjjj", "x" * 120, "... --- ...", "___under_score___",
    "<start_of_text>", "</w>", "a</w>b", "[UNK] [PAD]", "\\n \\t", "C:\\path\\file.txt", "https://example.com/a?b=c&d=e", "+1 (555) 010-9999", "12:34:56.789", "€5 £6 ¥7",
]
# More than fits: cut to 77 with the end in the last place.
LONG = ["a person " * 40, "red jacket, black cap, blue jeans, white shoes, " * 12, "word " * 75, "word " * 76, "日本" * 60]


def clean(text: str) -> str:
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return " ".join(text.split()).strip().lower()


def build(path: Path) -> Tokenizer:
    merges = [tuple(line.split()) for line in gzip.open(path, "rt", encoding="utf-8").read().split("\n")[1 : 49152 - 256 - 2 + 1]]
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    symbols = [chr(byte) for byte in visible] + [chr(256 + index) for index in range(len(hidden))]
    names = symbols + [symbol + "</w>" for symbol in symbols] + ["".join(pair) for pair in merges]
    vocabulary = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>"))
    split = pre_tokenizers.Split(Regex(PIECES), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def main() -> None:
    path = Path(sys.argv[1])
    tokenizer = build(path)
    encode = lambda text: tokenizer.encode(clean(text)).ids if clean(text) else []
    rng = random.Random(77)
    words = [name[:-4] for name in tokenizer.get_vocab() if name.endswith("</w>") and name.isascii() and name[:-4].isalpha()]
    words.sort()
    glue = [" ", " ", " ", ", ", "-", ". ", "'s ", " & ", "/", " 4"]
    made = ["".join(rng.choice(words)[: rng.randint(2, 12)] + rng.choice(glue) for _ in range(rng.randint(1, 9))) for _ in range(120)]
    content = {
        "origin": f"tools/golden/tokens.py with ftfy {version('ftfy')}, tokenizers {version('tokenizers')}, bpe_simple_vocab_16e6.txt.gz {hashlib.sha256(path.read_bytes()).hexdigest()}",
        "length": LENGTH,
        "texts": [[text, encode(text)] for text in TEXTS + made],
        "long": [[text, len(encode(text)), ([START, *encode(text), END] + [0] * LENGTH)[:LENGTH]] for text in LONG],
    }
    for text, count, row in content["long"]:
        if count > LENGTH - 2:
            row[-1] = END
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    OUT.write_text(f"{{\n{lines}\n}}\n")
    print(len(content["texts"]), "texts", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
