#!/usr/bin/env python3
"""The demo, stopped at random moments and started again until it ends: bench/demo_stops.py DEMO FOLDER [STOPS [LEAST MOST]]

Every other stop is Ctrl-C, the others kill -9 of the demo with what it started, after LEAST to MOST seconds. At the end
each SLM has the versions of one undisturbed demo, and there is one run of the flow.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHOAL = os.environ.setdefault("SHOAL", str(ROOT / "build/src/cli/shoal"))


def main():
    demo, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    stops = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    least, most = map(float, sys.argv[4:6]) if len(sys.argv) > 5 else (1, 60)
    rng = random.Random(7)
    for n in range(stops):
        with open(f"{folder}.log", "w") as log:
            process = subprocess.Popen([demo, folder], stdout=log, stderr=log, start_new_session=True)
            try:
                process.wait(rng.uniform(least, most))
                print(f"{n}: it ended by itself with {process.returncode}")
                continue
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL if n % 2 else signal.SIGINT)
                process.wait()
        at = [line for line in open(f"{folder}.log", errors="replace") if line.strip()][-1:]
        print(f"{n}: {'killed' if n % 2 else 'stopped'} at {at[0].strip().splitlines()[-1][:90] if at else 'its start'}", flush=True)
    subprocess.run([demo, folder], check=True, stdout=subprocess.DEVNULL)
    listed = json.loads(subprocess.run([SHOAL, "list", "--json"], cwd=folder, capture_output=True, check=True).stdout)
    versions = {f"{team}/{v['slm']}@{v['number']} {v['verdict']}" for team in listed for v in listed[team]["versions"]}
    print(*sorted(versions), sep="\n")
    subprocess.run([SHOAL, "up", "--port=0"], cwd=folder, check=True, capture_output=True)
    try:
        runs = subprocess.run([SHOAL, "flow", "list"], cwd=folder, capture_output=True, text=True, check=True).stdout
    finally:
        subprocess.run([SHOAL, "down"], cwd=folder, capture_output=True)
    print(runs.strip())
    return 0 if runs.count("run_") == 1 and len(versions) <= 4 else 1


if __name__ == "__main__":
    sys.exit(main())
