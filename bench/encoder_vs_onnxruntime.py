#!/usr/bin/env python3
"""The int8 encoder beside onnxruntime's, in one run: rows per second and their ratio.

    VENV/bin/python bench/encoder_vs_onnxruntime.py BASE_DIR build/bench/engine_bench [--seconds 3] [--rounds 5]

VENV has torch, transformers, onnx and onnxruntime; BASE_DIR is the folder of all-minilm-l6-v2. The peer is the model
exported from transformers and quantised by onnxruntime's own quantize_dynamic (int8 weights per channel), with as many
threads as ours. Both encode the same number of texts of equal length (no padding for the peer to lose time on). Ours
and the peer alternate; a round in which other processes took over 3 % of the CPU is marked with its share, because it
says little. Printed are the medians; beside the wall clock's figures stand rows per CPU second of the process, which a
busy machine disturbs less (the peer's second thread spins while it waits: read them for one thread).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy
import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic

SHAPES = [(20, 1), (20, 32), (100, 1), (100, 32)]


class Hidden(torch.nn.Module):
    def __init__(self, base):
        super().__init__()
        self.model = transformers.BertModel.from_pretrained(base, attn_implementation="eager", add_pooling_layer=False)
        self.eval().requires_grad_(False)

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def export(base, folder):
    ids = torch.ones((2, 16), dtype=torch.long)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(Hidden(base), (ids, ids), folder / "f32.onnx", input_names=["input_ids", "attention_mask"],
                      output_names=["hidden"], dynamic_axes={"input_ids": axes, "attention_mask": axes, "hidden": axes},
                      opset_version=17, dynamo=False)
    quantize_dynamic(folder / "f32.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)
    return folder / "int8.onnx"


def cpu_times():
    """(busy, all) jiffies of the machine."""
    fields = [int(v) for v in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


class Disturbance:
    """Share of the CPU that neither this process nor its children took."""

    def __enter__(self):
        self.start, self.own = cpu_times(), sum(os.times()[:4])
        return self

    def __exit__(self, *_):
        busy, total = (b - a for a, b in zip(self.start, cpu_times()))
        own = (sum(os.times()[:4]) - self.own) * os.sysconf("SC_CLK_TCK")
        self.share = max(0.0, (busy - own) / max(1, total))


def peer_rows(session, n_tokens, n_texts, seconds):
    rng = numpy.random.default_rng(1)
    feed = {"input_ids": rng.integers(0, 30522, (n_texts, n_tokens)),
            "attention_mask": numpy.ones((n_texts, n_tokens), dtype=numpy.int64)}
    times = []
    session.run(None, feed)
    cpu_start = time.process_time()
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(times) < 3:
        start = time.monotonic()
        hidden = session.run(None, feed)[0]
        mean = hidden.mean(axis=1)
        mean /= numpy.linalg.norm(mean, axis=1, keepdims=True)
        times.append(time.monotonic() - start)
    return n_texts / statistics.median(times), n_texts * len(times) / (time.process_time() - cpu_start)


def our_rows(program, base, n_tokens, n_texts, threads, seconds):
    out = subprocess.run([program, base, str(n_tokens), str(n_texts), str(threads), ARGS.cpu, str(seconds)],
                         check=True, capture_output=True, text=True).stdout
    result = json.loads(out)
    return result["rows_per_s"], result["rows_per_cpu_s"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        model = export(ARGS.base, pathlib.Path(folder))
        for threads in (1, 2):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for n_tokens, n_texts in SHAPES:
                ours, peers, disturbed = [], [], []
                for _ in range(ARGS.rounds):
                    with Disturbance() as d:
                        ours.append(our_rows(ARGS.program, ARGS.base, n_tokens, n_texts, threads, ARGS.seconds))
                        peers.append(peer_rows(session, n_tokens, n_texts, ARGS.seconds))
                    disturbed.append(d.share)
                ratios = [sorted(a[i] / b[i] for a, b in zip(ours, peers)) for i in range(2)]
                print(json.dumps({
                    "threads": threads, "tokens": n_tokens, "batch": n_texts,
                    "ours_rows_per_s": round(statistics.median(a[0] for a in ours), 1),
                    "onnxruntime_rows_per_s": round(statistics.median(b[0] for b in peers), 1),
                    "ratio": round(statistics.median(ratios[0]), 2), "ratios": [round(r, 2) for r in ratios[0]],
                    "ours_rows_per_cpu_s": round(statistics.median(a[1] for a in ours), 1),
                    "onnxruntime_rows_per_cpu_s": round(statistics.median(b[1] for b in peers), 1),
                    "ratio_per_cpu_s": round(statistics.median(ratios[1]), 2),
                    "taken_by_others": round(max(disturbed), 2)}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("program")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", default="vnni")
    ARGS = parser.parse_args()
    print(f"onnxruntime {onnxruntime.__version__}, {onnxruntime.get_device()}")
    main()
