#!/usr/bin/env python3
"""Writes tests/golden/encoder.jsonl with Hugging Face's transformers in f32.

    python tools/golden/encoder.py BASE_DIR

BASE_DIR holds all-minilm-l6-v2. Each line is one text: its token ids, and the mean over its tokens of the last hidden
state. Texts of 1, 2, 256 and 512 tokens are drawn from the vocabulary, the others are sentences.
"""
import json
import pathlib
import sys

import torch
import transformers

SENTENCES = [
    "Where is my order #A-10293? It should have been here last week.",
    "please cancel my subscription and refund the last payment",
    "The app crashes when I open settings.",
    "I was charged twice for the same item; the second charge was refunded already, now only change my address.",
    "Great service, thank you so much!!",
    "What is the exchange rate for euros today?",
    "My card was declined abroad, although I had announced the trip. Could you tell me why, and unblock it?",
    "ok",
]


def drawn(n_ids):
    x, ids = 20261123 + n_ids, []
    for _ in range(n_ids):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        ids.append(1000 + (x >> 8) % 29000)
    if n_ids > 1:
        ids[0], ids[-1] = 101, 102
    return ids


def main():
    base = pathlib.Path(sys.argv[1])
    golden = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "encoder.jsonl"
    model = transformers.BertModel.from_pretrained(base, attn_implementation="eager").float().eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    texts = [drawn(n) for n in (1, 2, 256, 512)] + [tokenizer(s)["input_ids"] for s in SENTENCES]
    with open(golden, "w", encoding="ascii") as out, torch.inference_mode():
        made_by = f"tools/golden/encoder.py, transformers {transformers.__version__}, torch {torch.__version__}"
        out.write(json.dumps({"made_by": made_by}) + "\n")
        for ids in texts:
            mean = model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0)
            rounded = [float(f"{v:.8g}") for v in mean.tolist()]
            out.write(json.dumps({"ids": ids, "mean": rounded}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
