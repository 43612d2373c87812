#!/usr/bin/env python3
"""The int8 decoder beside llama.cpp, in one run: tokens per second, their ratio, and where greedy texts part.

    VENV/bin/python bench/decoder_vs_llamacpp.py MODEL.gguf build/bench/decoder_bench build/src/cli/shoal [ROUNDS]

VENV has xllamacpp (llama.cpp's own server, on the file as it is). Both use one thread and alternate; printed are the
medians of the rounds. For each prompt both go on greedily for 48 tokens: where they first differ, the gap between the
two best logits of ours is printed, because only a small one may decide otherwise.
"""
import json
import os
import statistics
import subprocess
import sys
import urllib.request

import xllamacpp

PREFILL, DECODE = 512, 64
PROMPTS = ["The capital of France is", "Once upon a time", "An invoice is", "To return a parcel, the customer",
           "def fibonacci(n):\n", "Dear customer, thank you for your message about", "The three primary colours are",
           "In 1969, the first man", "A refund takes", "Water boils at"]


class Peer:
    def __init__(self, model):
        params = xllamacpp.CommonParams()
        params.model.path = model
        params.n_ctx = 2048
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.n_parallel = 1
        params.warmup = True
        params.verbosity = 0
        self.server = xllamacpp.Server(params)

    def complete(self, prompt, n_tokens):
        body = {"prompt": prompt, "n_predict": n_tokens, "temperature": 0, "cache_prompt": False, "ignore_eos": True,
                "return_tokens": True}
        request = urllib.request.Request(self.server.listening_address + "/completion", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return json.loads(urllib.request.urlopen(request).read())


def speed(peer, bench, model, rounds):
    ours, theirs = [], []
    ids = [i * 7919 % 49152 for i in range(PREFILL)]
    for _ in range(rounds):
        ours.append(json.loads(subprocess.check_output([bench, "speed", model, str(PREFILL), str(DECODE)])))
        timings = peer.complete(ids, DECODE)["timings"]
        theirs.append({"prefill": timings["prompt_per_second"], "decode": timings["predicted_per_second"]})
    for what in ("prefill", "decode"):
        a, b = (statistics.median(r[what] for r in runs) for runs in (ours, theirs))
        print(f"{what}: ours {a:.0f} tokens/s, llama.cpp {b:.0f}, ratio {a / b:.2f} ({rounds} rounds, one thread, "
              f"kernels {ours[0]['cpu']}, load {os.getloadavg()[0]:.1f})")


def greedy(peer, shoal, model):
    equal = 0
    for prompt in PROMPTS:
        ours = json.loads(subprocess.check_output([shoal, "model", "generate", model, prompt, "--tokens=48", "--json"]))
        theirs = peer.complete(prompt, 48)["tokens"]
        n = next((i for i, (a, b) in enumerate(zip(ours["ids"], theirs)) if a != b), None)
        if n is None:
            equal += 1
            continue
        common = json.loads(subprocess.check_output([shoal, "model", "generate", model, prompt, f"--tokens={n}", "--json"]))
        likely = json.loads(subprocess.check_output([shoal, "model", "logits", model, prompt + common["text"], "--json"]))
        place = next((k for k, t in enumerate(likely) if t["id"] == theirs[n]), None)
        gap = likely[0]["logit"] - likely[place]["logit"] if place is not None else float("inf")
        print(f"  {prompt!r}: token {n + 1} differs; the peer's is our number {(place or 0) + 1}, {gap:.3f} below the best")
    print(f"greedy texts of 48 tokens: {equal} of {len(PROMPTS)} equal")


def main():
    model, bench, shoal = sys.argv[1:4]
    peer = Peer(model)
    speed(peer, bench, model, int(sys.argv[4]) if len(sys.argv) > 4 else 5)
    greedy(peer, shoal, model)


if __name__ == "__main__":
    main()
