#!/usr/bin/env python3
"""Ten AdamW losses of PEFT on the tiny decoder of tests/engine/train/tiny_llama.h.

    python3 tools/golden/llama_losses.py > tests/golden/llama_losses.txt

transformers' LlamaForCausalLM with the header's weights, made here by the same congruence; peft's LoraModel on all
linear weights, r = 4, alpha = 8, A by the generator of train_random.h, B zero. One batch of five rows a step; loss:
the mean over the answers' tokens. Rate 1e-2, decay 0.01, clip 1, 2 of 10 steps of warm-up, linear decay.
"""
import numpy as np
import peft
import torch
import transformers

LAYERS, WIDTH, HEADS, KV_HEADS, DEPTH, FF, WORDS, RANK, ALPHA, SEED = 2, 64, 2, 1, 32, 96, 64, 4, 8.0, 1
ROWS = [([2, 5, 9, 3, 40, 41, 3], 4), ([2, 3], 1), ([2, 11, 12, 13, 14, 60, 5, 3], 3), ([2, 15, 17], 2),
        ([63, 62, 9, 1, 0, 40], 1)]
STEPS, RATE, DECAY, CLIP, WARMUP = 10, 1e-2, 0.01, 1.0, 2
LAYER = ["input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
         "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
GROUPS = [LAYER[1:4], LAYER[4:5], LAYER[6:8], LAYER[8:9]]


def model():
    config = transformers.LlamaConfig(
        vocab_size=WORDS, hidden_size=WIDTH, intermediate_size=FF, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=DEPTH, max_position_embeddings=16,
        rms_norm_eps=1e-5, rope_theta=100.0, tie_word_embeddings=True, attention_bias=False)
    llama = transformers.LlamaForCausalLM(config)
    tensors = dict(llama.named_parameters())
    state = 7

    def fill(name):
        nonlocal state
        tensor = tensors[name]
        flat = np.empty(tensor.numel(), np.float32)
        for i in range(flat.size):
            state = (state * 1664525 + 1013904223) % 2**32
            flat[i] = np.float32(0.2) * (np.float32(state >> 8) / np.float32(8388608) - np.float32(1))
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(flat.reshape(tensor.shape)) + (1 if tensor.dim() == 1 else 0))

    fill("model.embed_tokens.weight")
    fill("model.norm.weight")
    for layer in range(LAYERS):
        for part in LAYER:
            fill(f"model.layers.{layer}.{part}.weight")
    return llama


def mixed(key, number):
    z = (key + (number + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def adapted(llama):
    """peft's model with the start of llama_lora_start()."""
    names = [name.split(".")[-1] for group in GROUPS for name in group]
    net = peft.get_peft_model(llama, peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=names, lora_dropout=0.0))
    tensors = dict(net.named_parameters())
    number = 0
    with torch.no_grad():
        for layer in range(LAYERS):
            for group in GROUPS:
                modules = [f"base_model.model.model.layers.{layer}.{name}" for name in group]
                for module in modules:
                    a = tensors[f"{module}.lora_A.default.weight"]
                    units = [np.float32(mixed(SEED, number + i) >> 40) / np.float32(16777216)
                             for i in range(a.numel())]
                    bound = np.float32(1) / np.sqrt(np.float32(a.shape[1]))
                    a.copy_(torch.tensor([bound * (np.float32(2) * u - np.float32(1)) for u in units]).view(a.shape))
                    number += a.numel()
                number += sum(tensors[f"{module}.lora_B.default.weight"].numel() for module in modules)
    return net


def main():
    net = adapted(model())
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: (k + 1) / WARMUP if k < WARMUP else (STEPS - k) / (STEPS - WARMUP))
    print(f"# tools/golden/llama_losses.py, peft {peft.__version__}, torch {torch.__version__}, "
          f"transformers {transformers.__version__}")
    for _ in range(STEPS):
        optimiser.zero_grad()
        total, n = 0.0, 0
        for tokens, n_prompt in ROWS:
            logits = net(input_ids=torch.tensor([tokens])).logits[0]
            answers = torch.tensor(tokens[n_prompt:])
            total = total + torch.nn.functional.cross_entropy(logits[n_prompt - 1:-1], answers, reduction="sum")
            n += len(answers)
        loss = total / n
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        schedule.step()
        print(f"{loss.item():.7f}")


if __name__ == "__main__":
    main()
