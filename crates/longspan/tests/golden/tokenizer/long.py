"""Makes long.json: for long texts without spaces, the number of tokens that the fast tokenizers of transformers make, and the
CRC-32 of ids and of offsets, each a number of four bytes. The words have 10,000 letters, the texts are longer than a piece.

    python long.py > long.json
"""

import json
import struct
import sys
import zlib

import tokenizers
import transformers

from make import TOKENIZERS, load

# (letters, how often they come in a word, what follows a word, how many words)
TEXTS = [
    ("abcdefghij", 1000, " ", 30),
    ("abcdefghij", 1000, "\t", 30),
    ("x", 10000, "\u3000", 30),
    ("antidisestablishment", 500, ",", 30),
    ("Abc", 3333, "(", 30),
    ("\u7684\u4e00\u662f\u5728\u4e0d", 2000, "\u3002", 10),
    ("\u7684\u4e00", 5000, "\n\n", 10),
    ("\u3053\u3068\u3070", 3333, "\u3001", 10),
    ("\u00e9\u00df", 5000, "!?", 20),
    ("\U0001d518\U0001d51e", 5000, ";", 8),
    ("e\u0301", 5000, " \t ", 20),
    ("0123456789", 1000, "-", 30),
    (".", 10000, "a", 30),
]


def checksum(numbers):
    return zlib.crc32(struct.pack(f"<{len(numbers)}I", *numbers))


def tokens(tokenizer, text):
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    # Offsets of characters become offsets of bytes, without white space at their ends.
    bytes_before = [0]
    for character in text:
        bytes_before.append(bytes_before[-1] + len(character.encode()))
    spans = []
    for start, end in encoding["offset_mapping"]:
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        spans += [bytes_before[start], bytes_before[end]]
    ids = encoding["input_ids"]
    return [len(ids), checksum(ids), checksum(spans)]


cases = []
for name, kind, files, config in TOKENIZERS:
    tokenizer = load(name, kind, files, config)
    found = [tokens(tokenizer, (letters * repeats + end) * words) for letters, repeats, end, words in TEXTS]
    cases.append({"name": name, "files": files, "tokenizer_config": config, "tokens": found})
versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
json.dump({"versions": versions, "texts": TEXTS, "tokenizers": cases}, sys.stdout, separators=(",", ":"))
print()
