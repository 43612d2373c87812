#!/usr/bin/env python3
"""The same dispute run again and again: its output and its trace are equal, but for ids and times.

    bench/same_dispute.py [WORKSPACE [RUNS]]

In a workspace whose SLMs are in production (build/demo, which ./dev demo leaves behind) and while its `shoal up` runs.
Says how many different outputs and traces there were, which should be 1, and how long a run took.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from flow_shop import trace  # noqa: E402

SHOAL = os.environ.get("SHOAL", str(ROOT / "build/src/cli/shoal"))
DISPUTE = ROOT / "examples/ecommerce/orchestrators/dispute.json"


def main():
    workspace = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/demo"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    outputs, traces, seconds = set(), set(), []
    for _ in range(count):
        began = time.monotonic()
        done = subprocess.run([SHOAL, "flow", "run", "billing-dispute", "--json"], cwd=workspace, text=True,
                              input=DISPUTE.read_text(), capture_output=True, check=True)
        seconds.append(time.monotonic() - began)
        run = json.loads(done.stdout)
        outputs.add(json.dumps(run["output"]))
        traces.add(json.dumps(trace(run)))
    print(f"{count} runs: {len(outputs)} output(s), {len(traces)} trace(s); median {statistics.median(seconds):.2f} s")
    print(min(outputs))
    return len(outputs) + len(traces) != 2


if __name__ == "__main__":
    sys.exit(main())
