"""kill -9 of the coordinator at every failpoint it passes, and of any process at random moments: every run that was
acknowledged ends, in one way, no step takes effect twice, and the webhook is told of every end.
"""
import collections
import http.client
import http.server
import json
import os
import random
import signal
import sqlite3
import threading
import time

from flow_shop import CALLS, FLOW, Shop, trace
from story import needs_failpoints, story, tell

ROUNDS = int(os.environ.get("STORY_CRASH_ROUNDS", "10"))  # of random moments; 50 by hand
RUNS = 4


class Client:
    """Starts the same runs, each under its own idempotency key, until each has been acknowledged."""

    def __init__(self, shop, name):
        self.shop = shop
        self.runs = {f"{name}-{n}": None for n in range(RUNS)}

    def run(self):
        """One pass; ends at the first broken connection. True: all are acknowledged, have ended, and that is told."""
        try:
            for key, known in self.runs.items():
                answer = self.shop.start(key)
                assert answer.status in (200, 202), answer.body
                self.runs[key] = known or answer.json()["id"]
                assert self.runs[key] == answer.json()["id"], (key, known, answer.body)
            while any(self.shop.show(run)["status"] == "running" for run in self.runs.values()):
                time.sleep(0.02)
            while "\nshoal_runs_untold 0\n" not in self.shop.ask("GET", "/metrics").body:
                time.sleep(0.02)
            return True
        except (OSError, http.client.HTTPException):
            return False

    def finish(self):
        while not self.run():
            assert self.shop.coordinator.poll() is None, open(self.shop.coordinator.log).read()


class Receiver:
    """A webhook: what it was told, by run."""

    def __init__(self):
        told = self.told = collections.defaultdict(list)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                told[self.headers["idempotency-key"]].append(body)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def check_told(shop, receiver, runs):
    """After all have stopped: every end was told, in the same bytes however often, and that it was is recorded once."""
    for run in runs:
        assert len(set(receiver.told[run])) == 1, (run, receiver.told[run])
    db = sqlite3.connect(shop.folder / ".shoal/teams/coordinator/runs.db")
    assert db.execute("select count(*) from run where told = 0").fetchall() == [(0,)]
    assert db.execute("select count(*) from event where kind = 7 group by run").fetchall() == [(1,)] * len(runs)
    db.close()


def check_effects(shop, runs):
    """After all have stopped: each run's steps were decided once, and nothing else was."""
    keys = collections.Counter()
    for team in ("support", "finance"):
        db = sqlite3.connect(shop.folder / f".shoal/teams/{team}/record.db")
        keys.update(row[0] for row in db.execute("select idempotency_key from decision"))
        db.close()
    assert max(keys.values()) == 1, keys.most_common(3)
    per_run = collections.Counter(key.split("/")[0] for key in keys)
    assert per_run == {run: CALLS for run in runs}, (per_run, runs)
    db = sqlite3.connect(shop.folder / ".shoal/teams/coordinator/runs.db")
    assert db.execute("select count(*) from run where status = 0").fetchall() == [(0,)]
    assert db.execute("select count(*) from (select 1 from event where kind in (2, 3) group by run, step, visit, attempt"
                      " having count(*) > 1)").fetchall() == [(0,)]
    db.close()


def ids(shop):
    db = sqlite3.connect(shop.folder / ".shoal/teams/coordinator/runs.db")
    found = [row[0] for row in db.execute("select id from run")]
    db.close()
    return found


def assert_equal_ends(shop, client, ends):
    for run in client.runs.values():
        shown = trace(shop.show(run))
        ends.add(json.dumps({k: shown[k] for k in ("status", "output", "error")}, sort_keys=True))
    assert len(ends) == 1, ends


@story
def at_every_failpoint_of_the_coordinator_every_run_ends_and_no_step_happens_twice(world):
    needs_failpoints(world)
    receiver = Receiver()
    shop = Shop(world, f"webhook: http://127.0.0.1:{receiver.server.server_port}/ended\n" + FLOW)
    shop.serve()
    log, ends = world.folder / "passed", set()
    shop.coordinate(env={"SHOAL_FAILPOINT_LOG": str(log)})
    client = Client(shop, "list")
    assert client.run()
    assert_equal_ends(shop, client, ends)
    world.stop(shop.coordinator)
    passages = collections.Counter(log.read_text().split())
    assert {"runs.before_commit", "runs.after_commit", "coordinator.before_call",
            "coordinator.after_call", "coordinator.told"} <= set(passages), passages

    # At the first passage, at the third, and in the middle of the calls.
    crashes = [f"{name}=crash@{at}" for name, count in sorted(passages.items()) for at in (1, 3, 7, 12) if at <= count]
    killed = 0
    for crash in crashes:
        client = Client(shop, crash.replace("=", "-"))
        try:
            shop.coordinate(env={"SHOAL_FAILPOINT": crash})
            client.run()
        except AssertionError:
            assert shop.coordinator.poll() == -signal.SIGKILL, crash  # it died while it started
        if shop.coordinator.poll() is None:  # not passed so often this time
            world.stop(shop.coordinator)
        killed += shop.coordinator.wait() == -signal.SIGKILL
        shop.coordinate()
        client.finish()
        assert_equal_ends(shop, client, ends)
        world.stop(shop.coordinator)
    assert killed >= 0.7 * len(crashes), (killed, crashes)
    for service in shop.services.values():
        world.stop(service)
    check_effects(shop, ids(shop))
    check_told(shop, receiver, ids(shop))
    assert max(len(told) for told in receiver.told.values()) > 1  # it was killed between the telling and its record
    receiver.server.shutdown()


@story
def whichever_process_is_killed_at_random_moments_every_run_ends_and_no_step_happens_twice(world):
    shop, ends = Shop(world), set()
    seed = int(os.environ.get("TEST_SEED", random.randrange(1 << 30)))
    rng = random.Random(seed)
    shop.serve()
    shop.coordinate()
    for turn in range(ROUNDS):
        client = Client(shop, f"{seed}-{turn}")
        victim = rng.choice(["coordinator", "support", "finance"])
        process = shop.coordinator if victim == "coordinator" else shop.services[victim]
        pass_ = threading.Thread(target=client.run)
        pass_.start()
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.wait()
        if victim == "coordinator":
            shop.coordinate()
        else:
            shop.serve(victim)
        pass_.join()
        client.finish()
        assert_equal_ends(shop, client, ends)
    world.stop(shop.coordinator)
    for service in shop.services.values():
        world.stop(service)
    check_effects(shop, ids(shop))


tell()
