#!/usr/bin/env python3
"""1,000 runs in flight at once: memory of the coordinator, and steps per second, over two team services with tiny SLMs.

    bench/flow_runs.py [RUNS]

Each run waits until all are started, then calls both teams (five decisions). RSS is read every 50 ms.
"""
import concurrent.futures
import json
import pathlib
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests/e2e"))
from flow_shop import CALLS, FLOW, Shop  # noqa: E402
from story import World  # noqa: E402

WAIT_S = 20


def rss_kib(process):
    lines = open(f"/proc/{process.pid}/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    flow = FLOW.replace("do:\n", f"do:\n  - together: {{wait: PT{WAIT_S}S}}\n", 1)
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        world = World(pathlib.Path(folder))
        try:
            shop = Shop(world, flow)
            shop.serve()
            shop.coordinate()
            measure(shop, count)
        finally:
            world.close()


def measure(shop, count):
    before, peak, done = rss_kib(shop.coordinator), [0], threading.Event()

    def watch():
        while not done.wait(0.05):
            peak[0] = max(peak[0], rss_kib(shop.coordinator))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        runs = [answer.json()["id"] for answer in pool.map(lambda n: shop.start(f"run {n}"), range(count))]
    started = time.monotonic()
    in_flight = started - began < WAIT_S
    while shop.ask("GET", "/v1/runs?status=running").json()["runs"]:
        time.sleep(0.1)
    ended = time.monotonic()
    done.set()
    watcher.join()
    statuses = {shop.show(run)["status"] for run in runs}
    steps = sum(len(shop.show(run)["steps"]) for run in runs[:1]) * count
    busy = ended - max(began + WAIT_S, started)
    print(json.dumps({"runs": count, "all_in_flight_at_once": in_flight, "statuses": sorted(statuses),
                      "start_s": round(started - began, 2), "busy_s": round(busy, 2),
                      "steps_per_s": round(steps / busy), "decisions_per_s": round(count * CALLS / busy),
                      "rss_mib_before": round(before / 1024, 1), "rss_mib_peak": round(peak[0] / 1024, 1),
                      "more_mib": round((peak[0] - before) / 1024, 1)}))


if __name__ == "__main__":
    main()
