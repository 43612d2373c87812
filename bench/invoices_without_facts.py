#!/usr/bin/env python3
"""finance/invoice-check without facts: the same rows and rules, but the model reads the invoice alone and not what is on file.

    python3 bench/invoices_without_facts.py SHOAL [TOKENS]

builds it in a temporary workspace. The rules still strike out what arithmetic and look-up decide. TOKENS (200,000, about two CPU minutes)
is what training may read; the base must have been pulled.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

EXAMPLE = pathlib.Path(__file__).resolve().parent.parent / "examples/ecommerce"
SHOAL, TOKENS = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else "200000"

with tempfile.TemporaryDirectory() as folder:
    workspace = pathlib.Path(folder) / "ecommerce"
    shutil.copytree(EXAMPLE, workspace)
    spec = workspace / "finance/invoice-check/slm.yaml"
    text = spec.read_text(encoding="utf-8")
    for key, value in {"show": "[vendor, lines, terms, notes]", "  candidates": "[finetuned]", "  budget_tokens": TOKENS}.items():
        text, n = re.subn(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
        assert n == 1, key
    spec.write_text(text, encoding="utf-8")
    subprocess.run([SHOAL, "build", "finance/invoice-check", "--quiet", f"--workspace={workspace}"])
