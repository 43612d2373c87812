#!/usr/bin/env python3
"""Makes a decoder of 0.1 MB with random weights: tiny_decoder.py FOLDER

A Llama of 2 layers, 64 wide, whose tokens are the bytes and some pieces of words, as FOLDER/model.gguf with the tensor
types of smollm2-135m-instruct. It knows nothing, but it is whole: everything that works with a real base works with it.
The same call makes the same bytes. Python's standard library only.
"""
import pathlib
import random
import struct
import sys

LAYERS, WIDTH, HEADS, KV_HEADS, FEED_FORWARD, POSITIONS, WORDS = 2, 64, 2, 1, 96, 128, 288
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = """\u0120 t|h e|i n|e r|o n|r e|a t|\u0120 a|\u0120t he|o r|e n|\u0120 s|\u0120 o|\u0120 w|i s|i t|n d|\u0120 c|a n|e s
\u0120 f|\u0120 p|in g|e d|o u|\u0120 b|\u0120 m|a r|\u0120 in""".replace("\n", "|").split("|")
F32, Q4_1, Q8_0 = 0, 3, 8
U32, FLOAT, STRING, ARRAY, I32 = 4, 6, 8, 9, 5


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def texts(values):
    return struct.pack("<IQ", STRING, len(values)) + b"".join(map(text, values))


def vocabulary():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (b for b in range(256) if b not in plain)
    names = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}
    return [*SPECIAL, *(names[b] for b in range(256)), *(merge.replace(" ", "") for merge in MERGES)]


def keys():
    tokens = vocabulary()
    assert len(tokens) == WORDS == len(set(tokens)), len(tokens)
    for name, value in (("general.architecture", "llama"), ("tokenizer.ggml.model", "gpt2"),
                        ("tokenizer.ggml.pre", "smollm")):
        yield text(name) + struct.pack("<I", STRING) + text(value)
    for name, value in (("block_count", LAYERS), ("context_length", POSITIONS), ("embedding_length", WIDTH),
                        ("feed_forward_length", FEED_FORWARD), ("attention.head_count", HEADS),
                        ("attention.head_count_kv", KV_HEADS), ("rope.dimension_count", WIDTH // HEADS)):
        yield text("llama." + name) + struct.pack("<II", U32, value)
    for name, value in (("rope.freq_base", 10000.0), ("attention.layer_norm_rms_epsilon", 1e-5)):
        yield text("llama." + name) + struct.pack("<If", FLOAT, value)
    yield text("tokenizer.ggml.eos_token_id") + struct.pack("<II", U32, 2)
    yield text("tokenizer.ggml.tokens") + struct.pack("<I", ARRAY) + texts(tokens)
    yield text("tokenizer.ggml.merges") + struct.pack("<I", ARRAY) + texts(MERGES)
    types = [3 if i < len(SPECIAL) else 1 for i in range(WORDS)]
    yield text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{WORDS}i", ARRAY, I32, WORDS, *types)


def tensors(rng):
    def vector(n):
        return (n,), F32, struct.pack(f"<{n}f", *(rng.uniform(0.8, 1.2) for _ in range(n)))

    def matrix(rows, columns, kind, scale):
        n_blocks = rows * columns // 32
        if kind == Q8_0:
            blocks = (struct.pack("<e", scale / 127) + bytes(rng.randrange(256) for _ in range(32)) for _ in range(n_blocks))
        else:
            blocks = (struct.pack("<ee", scale / 8, -scale) + rng.randbytes(16) for _ in range(n_blocks))
        return (columns, rows), kind, b"".join(blocks)

    yield "token_embd", matrix(WORDS, WIDTH, Q8_0, 0.3)
    kv_width = KV_HEADS * WIDTH // HEADS
    for layer in range(LAYERS):
        for name, rows, columns in (("attn_q", WIDTH, WIDTH), ("attn_k", kv_width, WIDTH), ("attn_v", kv_width, WIDTH),
                                    ("attn_output", WIDTH, WIDTH), ("ffn_gate", FEED_FORWARD, WIDTH),
                                    ("ffn_up", FEED_FORWARD, WIDTH), ("ffn_down", WIDTH, FEED_FORWARD)):
            yield f"blk.{layer}.{name}", matrix(rows, columns, Q4_1, 0.2)
        yield f"blk.{layer}.attn_norm", vector(WIDTH)
        yield f"blk.{layer}.ffn_norm", vector(WIDTH)
    yield "output_norm", vector(WIDTH)


def make(folder):
    entries, data = b"", b""
    all_tensors = list(tensors(random.Random(20261123)))
    for name, (shape, kind, values) in all_tensors:
        entries += text(name + ".weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += values + b"\0" * (-len(values) % 32)
    pairs = list(keys())
    head = b"GGUF" + struct.pack("<IQQ", 3, len(all_tensors), len(pairs)) + b"".join(pairs) + entries
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.gguf").write_bytes(head + b"\0" * (-len(head) % 32) + data)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]))
