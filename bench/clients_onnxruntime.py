#!/usr/bin/env python3
"""The peer of bench/serve_bench.py: the same tickets through onnxruntime int8, without a server.

    VENV/bin/python bench/clients_onnxruntime.py BASE_DIR [--requests 2000]

VENV and BASE_DIR as in encoder_vs_onnxruntime.py. 32 clients each wait for their answer, as there. A ticket is tokenised,
encoded and pooled; what the team service does besides (HTTP, keys, facts, rules, storing the answer before it is sent)
the peer is spared. Two ways to use two cores, of which the better one counts: two workers with a session of one thread
each, and one session of two threads.
"""
import argparse
import concurrent.futures
import json
import pathlib
import statistics
import tempfile
import threading
import time

import numpy
import onnxruntime
import transformers

from encoder_vs_onnxruntime import export

CLIENTS = 32
ROWS = pathlib.Path(__file__).resolve().parent.parent / "examples/ecommerce/support/ticket-triage/data/test.jsonl"


def session_of(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def measure(model, tokenizer, texts, workers, threads, requests):
    local = threading.local()

    def answer(text):
        if not hasattr(local, "session"):
            local.session = session_of(model, threads)
        encoded = tokenizer(text, return_tensors="np", truncation=True, max_length=512)
        feed = {name: encoded[name].astype(numpy.int64) for name in ("input_ids", "attention_mask")}
        mean = local.session.run(None, feed)[0].mean(axis=1)
        return mean / numpy.linalg.norm(mean, axis=1, keepdims=True)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(answer, texts[:50]))
        times, lock, numbers = [], threading.Lock(), iter(range(requests))

        def client():
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                begun = time.monotonic()
                pool.submit(answer, texts[number % len(texts)]).result()
                times.append(time.monotonic() - begun)

        clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
        begun = time.monotonic()
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        seconds = time.monotonic() - begun
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"onnxruntime {onnxruntime.__version__}, {workers} workers of {threads} threads, {CLIENTS} clients: "
          f"{requests / seconds:.1f} tickets/s, p50 {1e3 * statistics.median(times):.1f} ms, p99 {1e3 * p99:.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("--requests", type=int, default=2000)
    args = parser.parse_args()
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.base)
    inputs = [json.loads(line)["input"] for line in ROWS.open()]
    texts = ["\n".join(f"{name}: {value}" for name, value in row.items()) for row in inputs]
    with tempfile.TemporaryDirectory() as folder:
        model = export(args.base, pathlib.Path(folder))
        measure(model, tokenizer, texts, 2, 1, args.requests)
        measure(model, tokenizer, texts, 1, 2, args.requests)


if __name__ == "__main__":
    main()
