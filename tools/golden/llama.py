#!/usr/bin/env python3
"""Writes tests/golden/llama.jsonl: logits of transformers (f32) on the dequantised smollm2-135m-instruct.

    python tools/golden/llama.py MODEL.gguf        # torch 2.15.0, transformers 5.23.0, gguf 0.19.0

One line per text: its token ids, and for some positions the logits of every 512th word and the largest magnitude of
all logits there; "nats" is the sum of -ln p over the tokens from the second on.
"""
import json
import pathlib
import sys

import numpy
import torch
from gguf import GGUFReader, dequantize
from transformers import LlamaConfig, LlamaForCausalLM

STEP = 512
NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
LAYER_NAMES = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
               "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
               "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
# ids drawn by lot, and texts as ids (tools/golden/bpe.py has the texts' oracle)
TEXTS = [
    [504, 3575, 282, 4649, 314],  # The capital of France is
    [1, 4093, 198, 1780, 346, 253, 1789, 2644, 1195, 9530, 281, 253, 12456, 282, 253, 1141, 30, 2, 198, 1, 520, 9531, 198],
    [7],
    [(i * 7919 + i * i * 31) % 49152 for i in range(300)],
]


def load(path):
    reader = GGUFReader(path)
    field = {name: value.contents() for name, value in reader.fields.items() if name.startswith("llama.")}
    heads, kv_heads = field["llama.attention.head_count"], field["llama.attention.head_count_kv"]
    config = LlamaConfig(
        vocab_size=field["llama.vocab_size"], hidden_size=field["llama.embedding_length"],
        intermediate_size=field["llama.feed_forward_length"], num_hidden_layers=field["llama.block_count"],
        num_attention_heads=heads, num_key_value_heads=kv_heads, max_position_embeddings=field["llama.context_length"],
        rms_norm_eps=field["llama.attention.layer_norm_rms_epsilon"], tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": field["llama.rope.freq_base"]})
    weights = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        parts = tensor.name.removesuffix(".weight").split(".")
        if parts[0] == "blk":
            name = f"model.layers.{parts[1]}.{LAYER_NAMES[parts[2]]}"
            if parts[2] in ("attn_q", "attn_k"):  # the two halves of a head are interleaved in GGUF
                n = heads if parts[2] == "attn_q" else kv_heads
                values = values.reshape(n, -1, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        else:
            name = NAMES[parts[0]]
        weights[name + ".weight"] = torch.from_numpy(values.copy())
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model = LlamaForCausalLM(config).eval()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    return model


def main():
    model = load(sys.argv[1])
    golden = pathlib.Path(__file__).parents[2] / "tests" / "golden"
    with open(golden / "llama.jsonl", "w", encoding="ascii") as out, torch.no_grad():
        for ids in TEXTS:
            logits = model(torch.tensor([ids])).logits[0]
            nats = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:], dtype=torch.long), reduction="sum").item()
            positions = sorted({0, len(ids) // 2, 127, 128, len(ids) - 1} & set(range(len(ids))))
            rows = [{"position": p, "largest": round(logits[p].abs().max().item(), 6),
                     "logits": [round(x, 6) for x in logits[p, ::STEP].tolist()]} for p in positions]
            out.write(json.dumps({"ids": ids, "nats": nats if len(ids) > 1 else 0, "rows": rows},
                                 separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
