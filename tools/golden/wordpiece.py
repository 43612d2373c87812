#!/usr/bin/env python3
"""Writes tests/golden/wordpiece_lines.jsonl and tests/golden/wordpiece_digests.txt with Hugging Face's tokenizers.

    python tools/golden/wordpiece.py BASE_DIR

BASE_DIR holds tokenizer.json and vocab.txt of all-minilm-l6-v2. The first file has hand-written lines and their ids,
the second one line "TEXT IDS" for each of 10,000 generated lines: FNV-1a (32 bits, hex) of the UTF-8 text and of the
ids as little-endian int32. tests/engine/test_wordpiece.c generates the same lines: line(), below, is the definition.

tokenizers takes categories from Unicode 8, we take them from Unicode 14: 568 characters that were assigned (two:
changed) in between differ. The ranges below hold none of them; check_ranges() sees to that.
"""
import json
import pathlib
import struct
import sys
import unicodedata

import tokenizers

N_LINES = 10_000
SEED = 20261123
SPECIAL = {0, 100, 101, 102, 103}  # [PAD] [UNK] [CLS] [SEP] [MASK]: tokenizers finds them inside texts, we do not
RANGES = [
    (0x20, 0x7E), (0x30, 0x7A), (0x41, 0x5A), (0x61, 0x7A), (0x01, 0x1F), (0x7F, 0xBF), (0xC0, 0x17F), (0x180, 0x24F),
    (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x45F), (0x5D0, 0x5EA), (0x620, 0x65F), (0x900, 0x963), (0xE01, 0xE5B),
    (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x20A0, 0x20B5), (0x2100, 0x214F), (0x2190, 0x22FF),
    (0x2600, 0x27BF), (0x3000, 0x30FF), (0x3400, 0x4DB5), (0x4E00, 0x9FCC), (0xAC00, 0xD7A3), (0xE000, 0xF8FF),
    (0xF900, 0xFAD9), (0xFB00, 0xFB4F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFF00, 0xFFFF), (0x1D400, 0x1D7FF),
    (0x1F300, 0x1F64F), (0x20000, 0x2A6D6), (0x2F800, 0x2FA1D), (0xE0001, 0xE007F), (0x10FFF0, 0x10FFFF),
]
HAND_WRITTEN = [
    "", " ", "\t\r\n", "Hello, World!", "hello world", "unaffable", "UNAFFABLE", "Caf\u00e9 cafe\u0301 CAF\u00c9",
    "I\u0307stanbul \u0130stanbul", "Stra\u00dfe STRA\u1e9eE", "\u4f60\u597d world\u3002", "\u6771\u4eac\u30bf\u30ef\u30fc",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab", "a\u0000b\ufffdc", "a\u200bb\u200dc\ufeff", "a\u00a0b\u2028c\u2029d\u3000e",
    "a\u000bb\u000cc\u0085d", "don't can't 'quoted'", "$1,234.56 = 50%", "`back` ~tilde^ |pipe| <tag>",
    "user@example.com https://example.com/a?b=c&d=%20", "##ing ## #ing", "[unused1] [MASK", "x" * 100, "x" * 101,
    "e\u0301" * 100, "e\u0301" * 101, "\U0001F600\U0001F468\u200d\U0001F469\u200d\U0001F467", "\u2122\u00bd\u2460",
    "\uff28\uff45\uff4c\uff4c\uff4f", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0645\u0631\u062d\u0628\u0627 \u0639\u0644\u064a\u0643\u0645",
    "\u05e9\u05c1\u05dc\u05d5\u05dd", "\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03cc\u03c2", "\u01c5 \u01c4", "\u212b \u212a \u2126",
    "The refund for order #A-10293 still hasn't arrived... can you check?!", "multi\nline\ttext", "a" * 30 + " " + "b" * 30,
    "\u00ad soft\u00adhyphen", "\u202eright-to-left", "1234567890" * 9, "\u2014dash\u2013dash\u2212minus",
]


class Draw:
    """x -> 1664525 x + 1013904223 mod 2^32; a draw below n is (x >> 8) % n."""

    def __init__(self, seed):
        self.x = seed

    def below(self, n):
        self.x = (self.x * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.x >> 8) % n


def line(draw, vocabulary):
    text = ""
    for _ in range(1 + draw.below(24)):
        kind = draw.below(16)
        if kind < 7:
            index = draw.below(len(vocabulary))
            text += "the" if index in SPECIAL else vocabulary[index]
        elif kind < 15:
            first, last = RANGES[draw.below(len(RANGES))]
            for _ in range(1 + draw.below(6)):
                text += chr(first + draw.below(last - first + 1))
        else:
            text += chr(0x61 + draw.below(26)) * (90 + draw.below(20))
        if draw.below(2):
            text += " "
    return text


def fnv(data):
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def check_ranges(tokenizer):
    assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version
    normalizer = tokenizer.normalizer
    for first, last in RANGES:
        for code in range(first, last + 1):
            if unicodedata.category(chr(code)) == "Mn":
                assert normalizer.normalize_str("a" + chr(code)) == "a", hex(code)
            elif unicodedata.category(chr(code)) == "Cf":
                assert normalizer.normalize_str("a" + chr(code)) == "a", hex(code)


def main():
    base = pathlib.Path(sys.argv[1])
    golden = pathlib.Path(__file__).parents[2] / "tests" / "golden"
    tokenizer = tokenizers.Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    vocabulary = (base / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    check_ranges(tokenizer)

    with open(golden / "wordpiece_lines.jsonl", "w", encoding="ascii") as out:
        for text in HAND_WRITTEN:
            out.write(json.dumps({"text": text, "ids": tokenizer.encode(text).ids}, separators=(",", ":")) + "\n")

    draw = Draw(SEED)
    with open(golden / "wordpiece_digests.txt", "w", encoding="ascii") as out:
        out.write(f"# tools/golden/wordpiece.py, tokenizers {tokenizers.__version__}\n")
        for _ in range(N_LINES):
            text = line(draw, vocabulary)
            ids = tokenizer.encode(text).ids
            out.write(f"{fnv(text.encode()):08x} {fnv(struct.pack(f'<{len(ids)}i', *ids)):08x}\n")


if __name__ == "__main__":
    main()
