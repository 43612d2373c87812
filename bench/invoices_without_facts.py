#!/usr/bin/env python3
"""finance/invoice-check without facts: the same rows and rules, but the model reads the invoice alone and not what is on file.

    python3 bench/invoices_without_facts.py SHOAL [TOKENS]

builds it in a temporary workspace and says how many of its answers to the test rows are right when it answers every one. The rules still
strike out what arithmetic and look-up decide. TOKENS is what training may read (200,000 unless told, about seven CPU minutes; the example's
own limit is 1,500,000); the base must have been pulled.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

EXAMPLE = pathlib.Path(__file__).resolve().parent.parent / "examples/ecommerce"
SHOAL, TOKENS = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else "200000"
SLM = "finance/invoice-check"


def share_right(rows, answers):
    return sum(row["output"]["decision"] == answer for row, answer in zip(rows, answers)) / len(rows)


with tempfile.TemporaryDirectory() as folder:
    workspace = pathlib.Path(folder) / "ecommerce"
    shutil.copytree(EXAMPLE, workspace)
    spec = workspace / SLM / "slm.yaml"
    text = spec.read_text(encoding="utf-8")
    for key, value in {"show": "[vendor, lines, terms, notes]", "  candidates": "[finetuned]", "  budget_tokens": TOKENS}.items():
        text, n = re.subn(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
        assert n == 1, key
    spec.write_text(text, encoding="utf-8")
    subprocess.run([SHOAL, "build", SLM, "--quiet", f"--workspace={workspace}"])
    for name in ("test_unseen", "test_written"):
        file = workspace / SLM / f"data/{name}.jsonl"
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        said = subprocess.run([SHOAL, "decide", SLM, file, "--version=@1", "--quiet", f"--workspace={workspace}"], check=True,
                              capture_output=True, text=True).stdout
        decided = [json.loads(line) for line in said.splitlines()]
        answers = [(row["output"] or row["abstained"]["suggestion"])["decision"] for row in decided]
        halves = [[i for i, row in enumerate(rows) if row["output"]["decision"] == label] for label in ("approved", "rejected")]
        recalls = [share_right([rows[i] for i in half], [answers[i] for i in half]) for half in halves]
        print(f"{name}: accuracy {share_right(rows, answers):.3f}, balanced {sum(recalls) / 2:.3f}")
