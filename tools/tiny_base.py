#!/usr/bin/env python3
"""Makes a base of half a MB with random weights: tiny_base.py FOLDER

A BERT of 2 layers, 64 wide, whose vocabulary is the letters, digits, punctuation and some common words. It knows
nothing, but it is whole: everything that works with a real base works with it, in a fraction of the time. The same
call makes the same bytes. Python's standard library only.
"""
import array
import json
import pathlib
import random
import struct
import sys

LAYERS, WIDTH, HEADS, FEED_FORWARD, POSITIONS, TYPES = 2, 64, 4, 128, 512, 2
WORDS = """the a i my we you it is was not no and or to of in on for from with but be have has had do does did please can
could will would when where why what how this that there here now today tomorrow yesterday day days week hour hours
order ordered orders parcel package delivery deliver delivered arrived late lost missing broken defect damaged
wrong item items size return returned refund refunded money paid pay payment bill billing invoice charged charge twice
card bank account login password email address change cancel price discount voucher tax question help urgent soon
immediately asap waiting wait still never again already thanks thank hello hi dear regards team customer business""".split()


def vocabulary():
    marks = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    pieces = ["##" + m for m in marks if m.isalnum()]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *marks, *pieces, *sorted({w for w in WORDS if len(w) > 1})]


def tensors(n_words, rng):
    def noise(*shape, scale=0.08):
        count = 1
        for n in shape:
            count *= n
        return shape, array.array("f", (rng.gauss(0, scale) for _ in range(count)))

    def flat(n, value):
        return (n,), array.array("f", [value] * n)

    yield "embeddings.word_embeddings.weight", noise(n_words, WIDTH, scale=0.3)
    yield "embeddings.position_embeddings.weight", noise(POSITIONS, WIDTH, scale=0.02)
    yield "embeddings.token_type_embeddings.weight", noise(TYPES, WIDTH, scale=0.02)
    yield "embeddings.LayerNorm.weight", flat(WIDTH, 1.0)
    yield "embeddings.LayerNorm.bias", flat(WIDTH, 0.0)
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        for name, outputs, inputs in (("attention.self.query", WIDTH, WIDTH), ("attention.self.key", WIDTH, WIDTH),
                                      ("attention.self.value", WIDTH, WIDTH),
                                      ("attention.output.dense", WIDTH, WIDTH),
                                      ("intermediate.dense", FEED_FORWARD, WIDTH),
                                      ("output.dense", WIDTH, FEED_FORWARD)):
            yield prefix + name + ".weight", noise(outputs, inputs)
            yield prefix + name + ".bias", flat(outputs, 0.0)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            yield prefix + name + ".weight", flat(WIDTH, 1.0)
            yield prefix + name + ".bias", flat(WIDTH, 0.0)


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "num_hidden_layers": LAYERS,
        "hidden_size": WIDTH, "num_attention_heads": HEADS, "intermediate_size": FEED_FORWARD,
        "max_position_embeddings": POSITIONS, "type_vocab_size": TYPES, "vocab_size": len(words),
        "layer_norm_eps": 1e-12, "position_embedding_type": "absolute"}, indent=2) + "\n")
    header, data = {}, b""
    for name, (shape, values) in tensors(len(words), random.Random(1)):
        if sys.byteorder == "big":
            values.byteswap()
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += values.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    make(pathlib.Path(sys.argv[1]))
