#!/usr/bin/env python3
"""Our LoRA training of the decoder beside PEFT's, on the same rows.

    PYTHON bench/lora_vs_peft.py BUILD_DIR GGUF DATA_DIR [speed] [cpu] [loss] [bf16]

PYTHON is a virtual environment with torch, transformers, gguf and peft; DATA_DIR holds train.jsonl and
validation.jsonl of rows {"input", "output": {"reply"}} (examples/ecommerce/support/reply-draft/data). Build first:
    ninja -C BUILD_DIR bench/lora_files

Both: rank 16 on all linear weights, batches of 16 rows, f32, loss on the reply's tokens only. The peer computes
logits at those positions alone, pads each batch to its longest row and keeps its memory (malloc's thresholds).

speed  tokens/s of steps, 2 threads, alternately, three times each: medians and ratio; only real tokens count
cpu    the same by tokens per second of CPU time, one thread: what can be compared while others use the machine
bf16   ours in bf16 beside ours in f32, as "speed" does; without AVX512_BF16 the same numbers by f32 instructions
loss   ours trains an epoch and writes PEFT's file; PEFT loads it: the loss of the validation rows must be ours
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

THREADS, BATCH, RANK, ALPHA, SPEED_TOKENS, CPU_TOKENS = 2, 16, 16, 32, 10000, 12000
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000",
               "MALLOC_TOP_PAD_": "200000000", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"}


def text_of(value, name=""):
    if isinstance(value, dict):
        return "\n".join(text_of(v, k) for k, v in value.items())
    return f"{name}: {', '.join(value) if isinstance(value, list) else value}"


def load(gguf):
    import torch
    import transformers

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", THREADS)))
    torch.manual_seed(1)
    folder, name = gguf.parent, gguf.name
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)
    return tokenizer, transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)


def rows_of(tokenizer, path):
    for line in path.open():
        row = json.loads(line)
        prompt = tokenizer(f"<|im_start|>user\n{text_of(row['input'])}<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
        reply = tokenizer(row["output"]["reply"] + "<|im_end|>")["input_ids"]
        yield {"tokens": prompt + reply, "n_prompt": len(prompt)}


def loss_of(model, rows):
    """Summed loss of the answers' tokens, and how many they are."""
    import torch

    longest = max(len(row["tokens"]) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    answers = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, row in enumerate(rows):
        n = len(row["tokens"])
        ids[i, :n] = torch.tensor(row["tokens"])
        mask[i, :n] = 1
        answers[i, row["n_prompt"]:n] = True
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    states = inner.model(input_ids=ids, attention_mask=mask).last_hidden_state
    logits = inner.lm_head(states[:, :-1][answers[:, 1:]])
    return torch.nn.functional.cross_entropy(logits, ids[:, 1:][answers[:, 1:]], reduction="sum"), int(answers.sum())


def peft_steps(gguf, path, n_tokens):
    """Tokens/s of AdamW on A and B, after one step of warming up."""
    import peft
    import torch

    _, model = load(gguf)
    rows = [json.loads(line) for line in path.open()]
    model = peft.get_peft_model(model, peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear"))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=5e-4, weight_decay=0.01)
    seen, begun = 0, None
    for step in range(len(rows) // BATCH):
        if step == 1:
            seen, begun, cpu = 0, time.monotonic(), time.process_time()
        batch = rows[step * BATCH:(step + 1) * BATCH]
        optimiser.zero_grad()
        total, n = loss_of(model, batch)
        (total / n).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        seen += sum(len(row["tokens"]) for row in batch)
        if begun and seen >= n_tokens:
            break
    print(json.dumps({"tokens_per_s": seen / (time.monotonic() - begun),
                      "tokens_per_cpu_s": seen / (time.process_time() - cpu)}))


def peft_loss(gguf, adapter, path):
    import peft
    import torch

    _, model = load(gguf)
    model = peft.PeftModel.from_pretrained(model, adapter).eval()
    rows = [json.loads(line) for line in path.open()]
    with torch.inference_mode():
        sums = [loss_of(model, rows[at:at + 8]) for at in range(0, len(rows), 8)]
    return sum(float(total) for total, _ in sums) / sum(n for _, n in sums)


def ours(build, gguf, folder, tokens, threads, valid="one", precision="f32"):
    arguments = [build / "bench" / "lora_files", gguf, folder / "train", folder / valid, folder, threads, 1, tokens,
                 precision]
    run = subprocess.run([str(a) for a in arguments], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def compare_speed(build, gguf, folder, measure, tokens, threads):
    mine, peer = [], []
    environment = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    for _ in range(3):
        mine.append(ours(build, gguf, folder, tokens, threads)[measure])
        run = subprocess.run([sys.executable, __file__, "--peft", str(gguf), str(folder / "train"), str(tokens)],
                             check=True, capture_output=True, text=True, env=environment)
        peer.append(json.loads(run.stdout)[measure])
    a, b = statistics.median(mine), statistics.median(peer)
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"LoRA training, f32, {measure}, {threads} threads: ours {a:.0f} {sorted(map(round, mine))}, PEFT {b:.0f} "
          f"{sorted(map(round, peer))}, ratio {a / b:.2f}; {cpu}, load {os.getloadavg()[0]:.1f}", flush=True)


def compare_bf16(build, gguf, folder):
    runs = [(ours(build, gguf, folder, SPEED_TOKENS, THREADS, precision="bf16"),
             ours(build, gguf, folder, SPEED_TOKENS, THREADS)) for _ in range(3)]
    rates = [sorted(run["tokens_per_s"] for run in column) for column in zip(*runs)]
    hardware = "avx512_bf16" in open("/proc/cpuinfo").read()
    print(f"LoRA training, tokens/s, {THREADS} threads: bf16 {rates[0][1]:.0f} {rates[0]}, f32 {rates[1][1]:.0f} {rates[1]}, "
          f"ratio {rates[0][1] / rates[1][1]:.2f}; AVX512_BF16: {'yes' if hardware else 'no'}", flush=True)


def main():
    if sys.argv[1] == "--peft":
        peft_steps(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4]))
        return
    os.environ.update(ENVIRONMENT)
    build, gguf, data = map(pathlib.Path, sys.argv[1:4])
    parts = sys.argv[4:] or ["speed", "loss"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tokenizer, _ = load(gguf)
        for part, to in (("train", "train"), ("validation", "valid")):
            rows = rows_of(tokenizer, data / f"{part}.jsonl")
            (folder / to).write_text("".join(json.dumps(row) + "\n" for row in rows))
        # One row is enough where only the steps are timed: the validation loss counts as time of the last one.
        (folder / "one").write_text((folder / "valid").read_text().splitlines()[0] + "\n")
        if "speed" in parts:
            compare_speed(build, gguf, folder, "tokens_per_s", SPEED_TOKENS, THREADS)
        if "bf16" in parts:
            compare_bf16(build, gguf, folder)
        if "cpu" in parts:
            compare_speed(build, gguf, folder, "tokens_per_cpu_s", CPU_TOKENS, 1)
        if "loss" in parts:
            report = ours(build, gguf, folder, 0, THREADS, "valid")
            loss = peft_loss(gguf, folder, folder / "valid")
            print(f"validation loss per token of the trained adapter: ours {report['loss']:.5f}, PEFT with our file "
                  f"{loss:.5f}; {json.dumps(report)}", flush=True)


if __name__ == "__main__":
    main()
