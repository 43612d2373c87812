#!/usr/bin/env python3
"""The team service under load, on the real base and the real tickets.

    bench/serve_bench.py --base FOLDER                     decisions/s and latencies at 1 to 32 clients
    bench/serve_bench.py --base FOLDER --determinism       the same bytes whatever the load, threads and kernel row
    bench/serve_bench.py --workspace FOLDER --determinism vnni=10000 scalar=200

The version served is made by hand in a second (heads that are the base's vectors of the labels' names, spec of
examples/ecommerce/support/ticket-triage): its speed is that of any frozen or fine-tuned version, its answers are no good.
--base holds config.json, vocab.txt and model.safetensors: all-minilm-l6-v2, or what tools/tiny_base.py makes. --workspace
is a copy of examples/ecommerce in which ticket-triage was built and promoted, with its base in $SHOAL_HOME; the service
keeps its decisions there.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/e2e"))
from story import World, request  # noqa: E402

EXAMPLE = HERE.parent / "examples/ecommerce/support/ticket-triage"
FIELDS = {"issue_type": ["billing", "refund", "delivery", "return", "defect", "order_change", "account",
                         "product_question", "other"],
          "priority": ["urgent", "high", "normal", "low"]}


class Workspace:
    """One that exists, with a production version of ticket-triage."""

    def __init__(self, world, folder):
        self.world, self.folder = world, folder
        world.env["SHOAL_HOME"] = os.environ["SHOAL_HOME"]
        self.key = self.create_key()

    def create_key(self):
        return self.shoal("key", "create", f"bench-{time.time_ns()}", "--team=support").out.strip()

    def shoal(self, *arguments):
        return self.world.shoal(*arguments, cwd=self.folder)

    def serve(self, cpu, threads):
        process = self.world.start("serve", "--team=support", "--port=0", f"--cpu={cpu}", f"--threads={threads}",
                                   cwd=self.folder)
        self.world.wait_for_port(process)
        return process

    def load(self, process, clients, requests):
        # sla_due is counted from the recorded time
        out = subprocess.run([sys.executable, HERE / "serve_load.py", f"--port={process.port}", f"--key={self.key}",
                              "--slm=ticket-triage", f"--rows={EXAMPLE / 'data/test.jsonl'}", f"--clients={clients}",
                              f"--requests={requests}", "--ignore=output.sla_due",
                              "--ignore=abstained.suggestion.sla_due"],
                             capture_output=True, text=True, check=True).stdout
        return json.loads(out)


class HandmadeWorkspace(Workspace):
    def __init__(self, world, base):
        self.world, self.folder = world, world.folder / "shop"
        slm = self.folder / "support/ticket-triage"
        shutil.copytree(EXAMPLE, slm)
        (self.folder / "shoal.yaml").write_text("organisation: a shop\nteams:\n  support: {description: answers}\n")
        self.base = base.name
        world.shoal("pull", f"file:{base}", f"--name={self.base}")
        self.register((slm / "slm.yaml").read_bytes())
        self.key = self.create_key()

    def put(self, data):
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / ".shoal/teams/support/artifacts/sha256" / digest[:2] / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return digest

    def adapter(self, base):
        rows = [self.world.shoal("model", "embed", self.base, label.replace("_", " ")).json()
                for labels in FIELDS.values() for label in labels]
        weight = b"".join(struct.pack("<f", x) for row in rows for x in row)
        fields = [{"name": name, "labels": labels} for name, labels in FIELDS.items()]
        header = {"__metadata__": {"format": "shoal-adapter/1", "kind": "frozen", "base": base,
                                   "fields": json.dumps(fields)},
                  "heads.weight": {"dtype": "F32", "shape": [len(rows), len(rows[0])], "data_offsets": [0, len(weight)]},
                  "heads.bias": {"dtype": "F32", "shape": [len(rows)],
                                 "data_offsets": [len(weight), len(weight) + 4 * len(rows)]}}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + weight + bytes(4 * len(rows))

    def register(self, spec):
        base = self.put((self.world.home / f"bases/{self.base}.json").read_bytes())
        manifest = {"adapter": self.put(self.adapter(base)), "base": base,
                    "calibration": {name: {"temperature": 1, "threshold": 0} for name in FIELDS},
                    "created_by": "os:bench", "created_ms": 1_790_000_000_000, "dataset": self.put(b"no rows\n"),
                    "engine_build": "by hand", "format": 1, "parent": None, "report": self.put(b"{}\n"),
                    "slm": "ticket-triage", "spec": self.put(spec), "tables": {}, "team": "support"}
        process = self.serve("auto", 1)
        socket = self.folder / ".shoal/teams/support/admin.sock"
        for operation, arguments in (
                ("register", {"manifest": manifest, "verdict": "accepted", "reasons": []}),
                ("promote", {"slm": "ticket-triage", "ref": "@1", "alias": "production", "why": "to be measured"})):
            answer = request(socket, "POST", f"/admin/{operation}", arguments)
            assert answer.status == 200, answer.body
        self.world.stop(process)


def first_decision(workspace):
    row = json.loads(open(EXAMPLE / "data/test.jsonl", encoding="utf-8").readline())
    started = time.monotonic()
    process = workspace.serve("auto", os.cpu_count())
    answer = request(process.port, "POST", "/v1/slms/ticket-triage/decisions", {"input": row["input"]},
                     {"authorization": f"Bearer {workspace.key}"})
    seconds = time.monotonic() - started
    assert answer.status == 200, answer.body
    workspace.world.stop(process)
    return seconds


def measure(workspace, args):
    print(f"start to first decision: {min(first_decision(workspace) for _ in range(3)) * 1e3:.0f} ms")
    for threads in sorted({1, os.cpu_count()}):
        process = workspace.serve("auto", threads)
        workspace.load(process, 4, 100)
        for clients in (1, 8, 32):
            r = workspace.load(process, clients, args.requests)
            print(f"{threads} threads, {clients:2} clients: {r['decisions_per_s']:7.1f} decisions/s, "
                  f"p50 {r['p50_ms']:.1f} ms, p99 {r['p99_ms']:.1f} ms")
        workspace.world.stop(process)


def check_determinism(workspace, args):
    """Every run's digests, each over a hundred decisions, against those of the run that goes furthest."""
    expected, by = [], ""
    for cpu, requests in args.determinism:
        for threads in args.threads:
            for clients in args.clients:
                try:
                    process = workspace.serve(cpu, threads)
                except AssertionError as refused:
                    print(f"{cpu}: not on this machine: {refused}")
                    break
                r = workspace.load(process, clients, requests)
                workspace.world.stop(process)
                run, digests = f"{cpu}, {threads} threads, {clients} clients", r["digests"]
                print(f"{run}: {requests} decisions, {r['decisions_per_s']:.0f}/s, "
                      f"{hashlib.sha256(''.join(digests).encode()).hexdigest()[:16]}", flush=True)
                for block, (got, other) in enumerate(zip(digests, expected)):
                    if got != other:
                        sys.exit(f"{run}: decisions {100 * block} to {100 * block + 99} differ from those of {by}")
                if len(digests) > len(expected):
                    expected, by = digests, run
    print("the same bytes in every run")


def row_and_requests(text):
    row, _, requests = text.partition("=")
    requests = int(requests or 1000)
    if requests % 100 != 0:
        raise argparse.ArgumentTypeError("a multiple of 100: digests are over a hundred decisions")
    return row, requests


def numbers(text):
    return [int(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=pathlib.Path)
    parser.add_argument("--workspace", type=pathlib.Path)
    parser.add_argument("--requests", type=int, default=1000, help="of each measurement")
    parser.add_argument("--determinism", nargs="*", type=row_and_requests, metavar="ROW=REQUESTS",
                        help="kernel rows; without any, all with 1000")
    parser.add_argument("--clients", type=numbers, default=[1, 7, 32], help="of the determinism runs")
    parser.add_argument("--threads", type=numbers, default=[1, 2], help="of the determinism runs")
    args = parser.parse_args()
    if bool(args.base) == bool(args.workspace):
        parser.error("one of --base and --workspace")
    if args.determinism == []:
        args.determinism = [(row, 1000) for row in ("vnni", "avx512", "avx2", "scalar")]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="shoal-bench-"))
    world = World(folder)
    try:
        workspace = (HandmadeWorkspace(world, args.base.resolve()) if args.base
                     else Workspace(world, args.workspace.resolve()))
        (check_determinism if args.determinism else measure)(workspace, args)
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
