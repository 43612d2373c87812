#!/usr/bin/env python3
"""Ten AdamW losses of PyTorch on the tiny network of tests/engine/train/tiny_network.h.

    python3 tools/golden/train_losses.py > tests/golden/train_losses.txt

The weights, rows and labels are those of the header, made here by the same congruence; A of LoRA by the generator
of train_random.h. "full": transformers' BertModel with all weights trained. Word rows that the batch does not have
are put back after each step, with their moments: what adamw.h calls sparse. "lora": peft's LoraModel, r = 4,
alpha = 32, on the same network. Both: rate 1e-2, heads 2e-2, decay 0.01 on matrices, clip 1, 2 of 10 steps of
warm-up, linear decay.
"""
import struct

import numpy as np
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import BertConfig, BertModel

WIDTH, FF, LAYERS, WORDS, POSITIONS, TYPES, CLASSES = 32, 64, 2, 24, 8, 2, (3, 2)
TOKENS = [2, 5, 9, 3, 2, 3, 2, 11, 12, 13, 14, 15, 5, 3, 2, 20, 2, 23, 3]
STARTS = [0, 4, 6, 14, 16, 19]
LABELS = [(0, 1), (2, -1), (1, 0), (2, 1), (-1, 0)]
STEPS, RATE, HEAD_RATE, DECAY, CLIP, WARMUP, RANK, ALPHA, SEED = 10, 1e-2, 2e-2, 0.01, 1.0, 2, 4, 32.0, 1
SLOTS = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
         "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"]
ADAPTED = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
           "intermediate.dense", "output.dense"]


def tensor_names():
    yield from (f"embeddings.{name}" for name in ("word_embeddings.weight", "position_embeddings.weight",
                                                  "token_type_embeddings.weight", "LayerNorm.weight",
                                                  "LayerNorm.bias"))
    for layer in range(LAYERS):
        for slot in SLOTS:
            yield f"encoder.layer.{layer}.{slot}.weight"
            yield f"encoder.layer.{layer}.{slot}.bias"


def network():
    """The model, the head's weight and bias."""
    model = BertModel(BertConfig(vocab_size=WORDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=2,
                                 intermediate_size=FF, max_position_embeddings=POSITIONS, type_vocab_size=TYPES,
                                 layer_norm_eps=1e-12, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
                      add_pooling_layer=False)
    state = 7

    def values(*shape):
        nonlocal state
        flat = np.empty(int(np.prod(shape)), np.float32)
        for i in range(flat.size):
            state = (state * 1664525 + 1013904223) % 2**32
            flat[i] = np.float32(0.2) * (np.float32(state >> 8) / np.float32(8388608) - np.float32(1))
        return torch.from_numpy(flat.reshape(shape))

    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for name in tensor_names():
            drawn = values(*tensors[name].shape)
            tensors[name].copy_(drawn + 1 if name.endswith("LayerNorm.weight") else drawn)
    head = torch.nn.Parameter(values(sum(CLASSES), WIDTH))
    bias = torch.nn.Parameter(values(sum(CLASSES)))
    return model, head, bias


def loss_of(model, head, bias):
    rows = [TOKENS[a:b] for a, b in zip(STARTS, STARTS[1:])]
    logits = []
    for row in rows:
        mean = model(input_ids=torch.tensor([row])).last_hidden_state.mean(1)
        logits.append(16 * torch.nn.functional.normalize(mean) @ head.T + bias)
    logits = torch.cat(logits).split(CLASSES, dim=1)
    labels = torch.tensor(LABELS).T
    return sum(torch.nn.functional.cross_entropy(z, y, ignore_index=-1) for z, y in zip(logits, labels))


def train(model, head, bias, parameters):
    """parameters: of the encoder that are trained. Yields the losses."""
    matrices = [p for p in parameters if p.dim() == 2]
    vectors = [p for p in parameters if p.dim() != 2]
    optimiser = torch.optim.AdamW([
        {"params": matrices, "lr": RATE, "weight_decay": DECAY},
        {"params": vectors, "lr": RATE, "weight_decay": 0.0},
        {"params": [head], "lr": HEAD_RATE, "weight_decay": DECAY},
        {"params": [bias], "lr": HEAD_RATE, "weight_decay": 0.0},
    ])
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: (k + 1) / WARMUP if k < WARMUP else (STEPS - k) / (STEPS - WARMUP))
    words = model.get_input_embeddings().weight
    absent = [w for w in range(WORDS) if w not in TOKENS]
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = loss_of(model, head, bias)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*parameters, head, bias], CLIP)
        before = words.detach()[absent].clone()
        optimiser.step()
        schedule.step()
        if words.requires_grad:
            with torch.no_grad():  # their gradient is zero, so their moments are zero and stay so
                words[absent] = before
        yield loss.item()


def full():
    model, head, bias = network()
    return train(model, head, bias, list(model.parameters()))


def mixed(key, number):
    z = (key + (number + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def lora():
    model, head, bias = network()
    at = 0
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0,
                                             target_modules=["query", "key", "value", "dense"]))
    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for layer in range(LAYERS):
            for slot in ADAPTED:
                a = tensors[f"base_model.model.encoder.layer.{layer}.{slot}.lora_A.default.weight"]
                b = tensors[f"base_model.model.encoder.layer.{layer}.{slot}.lora_B.default.weight"]
                bound = 1 / np.sqrt(a.shape[1])
                drawn = [bound * (2 * ((mixed(SEED, at + i) >> 40) / 2**24) - 1) for i in range(a.numel())]
                a.copy_(torch.tensor(drawn, dtype=torch.float32).reshape(a.shape))
                b.zero_()
                at += a.numel() + b.numel()
    return train(model, head, bias, [p for name, p in tensors.items() if "lora_" in name])


def main():
    torch.set_num_threads(1)
    print(f"# tools/golden/train_losses.py, torch {torch.__version__}, transformers {transformers.__version__}, "
          f"peft {peft.__version__}")
    for name, losses in (("full", full()), ("lora", lora())):
        for loss in losses:
            print(f"{name} {struct.unpack('f', struct.pack('f', loss))[0]:.7f}")


if __name__ == "__main__":
    main()
