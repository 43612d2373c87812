#!/usr/bin/env python3
"""Makes a decoder of a MB that says what it is told to: scripted_decoder.py FOLDER STEPS

STEPS is JSON: [["\\n", "Dear"], ["Dear", " you", " Ilse"], [" you", "."], ..., [".", null]]: behind a word comes the
second, or the third where the second may not stand or a draw prefers it; null ends the text, and "\\n" is what stands
before the first word. FOLDER gets model.gguf.

One layer of a Llama, 256 wide or more: embeddings are unit vectors, attention adds nothing, and the feed-forward part is
a table of what follows what. The same call makes the same bytes. Python's standard library only.
"""
import array
import json
import pathlib
import struct
import sys

WIDTH_LEAST, POSITIONS = 256, 512
U32, I32, FLOAT, STRING, ARRAY = 4, 5, 6, 8, 9
NEXT, OTHER = 3.0, 2.8  # how much of the word behind is added to a word


def spell(word):
    """As byte-level vocabularies have it."""
    return word.replace(" ", "\u0120").replace("\n", "\u010a")


def vocabulary(steps):
    """Tokens, and the merges by which they are made out of their letters, from left to right."""
    tokens, merges = ["<|im_start|>", "<|im_end|>"], []
    for word in (spell(word) for step in steps for word in step if word):
        for n in range(1, len(word) + 1):
            tokens += [part for part in dict.fromkeys((word[:n], word[n - 1])) if part not in tokens]
            merge = f"{word[:n - 1]} {word[n - 1]}"
            if n > 1 and merge not in merges:
                merges.append(merge)
    while len(tokens) < WIDTH_LEAST or len(tokens) % 32:
        tokens.append(f"~{len(tokens)}")
    return tokens, merges


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def keys(tokens, merges):
    width = len(tokens)
    numbers = {"llama.block_count": 1, "llama.context_length": POSITIONS, "llama.embedding_length": width,
               "llama.feed_forward_length": width, "llama.attention.head_count": width // 32,
               "llama.attention.head_count_kv": 1, "llama.rope.dimension_count": 32, "tokenizer.ggml.eos_token_id": 1}
    reals = {"llama.rope.freq_base": 10000.0, "llama.attention.layer_norm_rms_epsilon": 1e-5}
    words = {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"}
    lists = {"tokenizer.ggml.tokens": (STRING, [text(t) for t in tokens]),
             "tokenizer.ggml.merges": (STRING, [text(m) for m in merges]),
             "tokenizer.ggml.token_type": (I32, [struct.pack("<i", 3 if t[:2] == "<|" else 1) for t in tokens])}
    yield from (text(k) + struct.pack("<II", U32, v) for k, v in numbers.items())
    yield from (text(k) + struct.pack("<If", FLOAT, v) for k, v in reals.items())
    yield from (text(k) + struct.pack("<I", STRING) + text(v) for k, v in words.items())
    yield from (text(k) + struct.pack("<IIQ", ARRAY, kind, len(v)) + b"".join(v) for k, (kind, v) in lists.items())


def tensors(tokens, steps):
    width = len(tokens)
    unit, down = (array.array("f", bytes(4 * width * width)) for _ in range(2))
    unit[::width + 1] = array.array("f", [1.0]) * width
    place = {token: n for n, token in enumerate(tokens)}
    for word, *behind in steps:
        for strength, follower in zip((NEXT, OTHER), behind):
            row = place[spell(follower)] if follower else 1
            down[row * width + place[spell(word)]] = strength / width
    ones, zeros = array.array("f", [1.0]) * width, array.array("f", bytes(4 * width * width))
    some = zeros[:32 * width]
    return {"token_embd": unit, "output_norm": ones, "blk.0.attn_norm": ones, "blk.0.attn_q": zeros,
            "blk.0.attn_k": some, "blk.0.attn_v": some, "blk.0.attn_output": zeros, "blk.0.ffn_norm": ones,
            "blk.0.ffn_gate": unit, "blk.0.ffn_up": unit, "blk.0.ffn_down": down}


def model(steps):
    tokens, merges = vocabulary(steps)
    pairs, parts = list(keys(tokens, merges)), tensors(tokens, steps)
    out, offset = b"GGUF" + struct.pack("<IQQ", 3, len(parts), len(pairs)) + b"".join(pairs), 0
    for name, values in parts.items():
        rows = len(values) // len(tokens)
        shape = [len(tokens)] + ([rows] if rows > 1 else [])
        out += text(name + ".weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        offset += 4 * len(values)
    return out + b"\0" * (-len(out) % 32) + b"".join(values.tobytes() for values in parts.values())


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.gguf").write_bytes(model(json.loads(sys.argv[2])))
