#!/usr/bin/env python3
"""Our training beside PyTorch, transformers and scikit-learn, on the same rows.

    PYTHON bench/train_vs_pytorch.py BUILD_DIR BASE_DIR DATA_DIR/banking77 [speed] [cpu] [frozen] [full] [lora]

PYTHON is a virtual environment with torch, transformers and scikit-learn. Build train_files first:
    ninja -C BUILD_DIR bench/train_files

speed   tokens/s of steps on all weights, batches of 32 rows, 2 threads, ours and PyTorch's alternately, three times
        each; the medians and their ratio. PyTorch pads each batch to its longest row; only real tokens count. Its
        malloc keeps what it has (page faults would take most of its time), see ENVIRONMENT.
cpu     the same by tokens per second of CPU time and on one thread: what can be compared while others use the machine.
frozen  accuracy on the test rows of the frozen encoder with a logistic head, beside scikit-learn's
        LogisticRegression(C=10) on the vectors of transformers.
full    accuracy of all weights after 3 epochs; lora: of LoRA r = 16. Minutes.

A tenth of the training rows of each label, drawn with seed 1, is the validation part.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from labelled_rows import read, split

THREADS, BATCH, SPEED_TOKENS, CPU_TOKENS = 2, 32, 30000, 8000
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "4000000000",
               "MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_TOP_PAD_": "200000000",
               "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def mean_of(model, encoded):
    mask = encoded["attention_mask"].unsqueeze(-1).float()
    return (model(**encoded).last_hidden_state * mask).sum(1) / mask.sum(1)


def load(base):
    import torch
    import transformers

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", THREADS)))
    torch.manual_seed(1)
    return transformers.AutoTokenizer.from_pretrained(base), transformers.AutoModel.from_pretrained(base)


def pytorch_steps(base, path, n_tokens):
    """Tokens/s of AdamW on all weights, after two steps of warming up."""
    import torch

    tokenizer, model = load(base)
    rows = read(path)
    labels = {label: i for i, label in enumerate(sorted({row["output"] for row in rows}))}
    head = torch.nn.Linear(model.config.hidden_size, len(labels))
    parameters = [*model.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW([{"params": model.parameters(), "lr": 1e-4},
                                   {"params": head.parameters(), "lr": 5e-4}], weight_decay=0.01)
    model.train()
    seen, begun = 0, None
    for step in range(len(rows) // BATCH):
        if step == 2:
            seen, begun, cpu = 0, time.monotonic(), time.process_time()
        batch = rows[step * BATCH:(step + 1) * BATCH]
        encoded = tokenizer([row["input"] for row in batch], padding=True, return_tensors="pt")
        features = 16 * torch.nn.functional.normalize(mean_of(model, encoded))
        target = torch.tensor([labels[row["output"]] for row in batch])
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(features), target).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        seen += int(encoded["attention_mask"].sum())
        if seen >= n_tokens and begun:
            break
    print(json.dumps({"tokens_per_s": seen / (time.monotonic() - begun),
                      "tokens_per_cpu_s": seen / (time.process_time() - cpu)}))


def sklearn_answers(base, train, test):
    import torch
    from sklearn.linear_model import LogisticRegression

    tokenizer, model = load(base)
    model.eval()

    def vectors(rows):
        parts = []
        with torch.no_grad():
            for at in range(0, len(rows), 64):
                encoded = tokenizer([row["input"] for row in rows[at:at + 64]], padding=True, return_tensors="pt")
                parts.append(torch.nn.functional.normalize(mean_of(model, encoded)))
        return torch.cat(parts).numpy()

    head = LogisticRegression(C=10, max_iter=1000).fit(vectors(train), [row["output"] for row in train])
    return list(head.predict(vectors(test)))


def ours(build, base, paths, method, tokens=0, threads=THREADS):
    arguments = [build / "bench" / "train_files", base, *paths, method, str(threads), "3", "0.1", str(tokens)]
    run = subprocess.run([str(a) for a in arguments], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def compare_speed(build, base, paths, measure, tokens, threads):
    mine, peer = [], []
    environment = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    for _ in range(3):
        mine.append(ours(build, base, paths, "full", tokens, threads)[measure])
        run = subprocess.run([sys.executable, __file__, "--pytorch", str(base), str(paths[0]), str(tokens)],
                             check=True, capture_output=True, text=True, env=environment)
        peer.append(json.loads(run.stdout)[measure])
    a, b = statistics.median(mine), statistics.median(peer)
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"training, {measure}, {threads} threads: ours {a:.0f} {sorted(map(round, mine))}, PyTorch {b:.0f} "
          f"{sorted(map(round, peer))}, ratio {a / b:.2f}; {cpu}, load {os.getloadavg()[0]:.1f}", flush=True)


def accuracy(answers, rows):
    return sum(a == row["output"] for a, row in zip(answers, rows)) / len(rows)


def main():
    if sys.argv[1] == "--pytorch":
        pytorch_steps(sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4]))
        return
    build, base, data = map(pathlib.Path, sys.argv[1:4])
    parts = sys.argv[4:] or ["speed", "frozen"]
    train, validation = split(read(data / "train.jsonl"))
    test = read(data / "test.jsonl")
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / name for name in ("train", "validation", "test", "answers")]
        for path, rows in zip(paths, (train, validation, test)):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        # Few rows are enough for speed: the features of all would take longer than the steps.
        few = [pathlib.Path(folder) / name for name in ("few", "few_validation", "few_validation", "few_answers")]
        for path, rows in zip(few[:2], (train[:2000], validation[:100])):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        if "speed" in parts:
            compare_speed(build, base, few, "tokens_per_s", SPEED_TOKENS, THREADS)
        if "cpu" in parts:
            compare_speed(build, base, few, "tokens_per_cpu_s", CPU_TOKENS, 1)
        for method in ("frozen", "full", "lora"):
            if method not in parts:
                continue
            report = ours(build, base, paths, method)
            print(f"{data.name}, {method}: accuracy {accuracy(paths[3].read_text().splitlines(), test):.4f} of "
                  f"{len(test)} test rows; {json.dumps(report)}", flush=True)
            if method == "frozen":
                print(f"{data.name}, scikit-learn: accuracy {accuracy(sklearn_answers(base, train, test), test):.4f}",
                      flush=True)


if __name__ == "__main__":
    main()
