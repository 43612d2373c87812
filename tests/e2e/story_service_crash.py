"""kill -9 of the service at every failpoint it passes, and at random moments: what was acknowledged is there, and
nothing is there twice.
"""
import collections
import http.client
import json
import os
import random
import signal
import sqlite3
import threading
import time

from handmade import Workspace, decide
from story import needs_failpoints, request, story, tell

ROUNDS = int(os.environ.get("STORY_CRASH_ROUNDS", "10"))  # of random moments; 50 and more by hand


class Client:
    """Sends the same requests, each under its own idempotency key, until each has been acknowledged once."""

    def __init__(self, ws, key, name):
        self.ws, self.key = ws, key
        self.texts = {f"{name}-{n}": f"my order {n} is late" for n in range(6)}
        self.acknowledged = {}  # idempotency key -> the bytes of the answer
        self.feedback = {}      # idempotency key of the feedback -> id
        self.promoted = []      # (why, version) acknowledged

    def run(self, service, promote=None):
        """One pass; ends at the first broken connection. True: all done."""
        try:
            for name, text in self.texts.items():
                answer = decide(service, self.key, text, idempotency=name)
                assert answer.status == 200, answer.body
                # A repeated request is given the stored answer: the very bytes, if it was acknowledged before.
                assert self.acknowledged.setdefault(name, answer.body) == answer.body
            first = next(iter(self.texts))
            answer = request(service.port, "POST", f"/v1/decisions/{self.id_of(first)}/feedback",
                             {"output": {"issue": "billing", "urgent": False}},
                             {"authorization": f"Bearer {self.key}", "idempotency-key": "f-" + first})
            assert answer.status in (200, 201), answer.body
            assert self.feedback.setdefault("f-" + first, answer.json()["id"]) == answer.json()["id"]
            if promote:
                number, why = promote
                self.ws.admin("promote", {"slm": "triage", "ref": f"@{number}", "alias": "production", "why": why})
                self.promoted.append((why, number))
            return True
        except (OSError, http.client.HTTPException) as broken:
            self.broken = broken
            return False

    def id_of(self, name):
        return json.loads(self.acknowledged[name])["id"]


def rows(ws, query):
    """Out of the record, when no service runs."""
    db = sqlite3.connect(ws.folder / ".shoal/teams/support/record.db")
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def prepare(world):
    ws = Workspace(world)
    first = ws.register()
    ws.register(scale=3.0, at=1_790_000_001_000, parent=first["version"])
    ws.shoal("promote", "support/triage", "@1", "--why=begin")
    return ws, ws.key()


def check(ws, client):
    """After a restart: every acknowledged thing is there, once."""
    ids = dict(rows(ws, "select idempotency_key, id from decision where idempotency_key is not null"))
    counts = rows(ws, "select idempotency_key, count(*) from decision group by idempotency_key having count(*) > 1")
    assert counts == [], counts
    for name in client.acknowledged:
        assert ids.get(name) == client.id_of(name), (name, ids)
    feedback = [row[0] for row in rows(ws, "select id from feedback")]
    for identifier in client.feedback.values():
        assert feedback.count(identifier) == 1, (identifier, feedback)


@story
def at_every_failpoint_of_the_service_nothing_acknowledged_is_lost_and_nothing_happens_twice(world):
    needs_failpoints(world)
    ws, key = prepare(world)
    log = world.folder / "passed"
    service = ws.serve(env={"SHOAL_FAILPOINT_LOG": str(log)})
    assert Client(ws, key, "list").run(service, promote=(2, "list"))
    world.stop(service)
    passages = collections.Counter(log.read_text().split())
    assert {"serve.decided", "record.before_decision_commit", "serve.answered"} <= set(passages), passages

    # At the first passage, and at the third: then something has been acknowledged already.
    crashes = [f"{name}=crash@{at}" for name, count in sorted(passages.items()) for at in (1, 3) if at <= count]
    crashed = []
    for turn, crash in enumerate(crashes):
        number, name = turn % 2 + 1, crash.replace("=", "-")
        client = Client(ws, key, name)
        service = world.start("serve", "--team=support", "--port=0", cwd=ws.folder,
                              env={"SHOAL_FAILPOINT": crash})
        try:
            world.wait_for_port(service)
            client.run(service, promote=(number, name))
        except AssertionError:
            assert service.poll() == -signal.SIGKILL, name  # it died while it started
        if service.poll() is None:  # passed only at the end
            world.stop(service)
        if service.wait() == -signal.SIGKILL:
            crashed.append(crash)
        again = ws.serve()
        assert client.run(again, promote=(number, name)), (name, client.broken)
        changes = ws.admin("history", {"slm": "triage", "alias": "production"})["changes"]
        assert sum(c["why"] == name for c in changes) <= 1, (name, changes)
        assert ws.admin("show", {"slm": "triage", "ref": "production"})["version"]["number"] == number, name
        world.stop(again)
        check(ws, client)
    # The third passage of what a start passes may not come in a start that finds its files made.
    assert len(crashed) >= 0.7 * len(crashes), (crashes, crashed)


@story
def killed_at_random_moments_nothing_acknowledged_is_lost_and_nothing_happens_twice(world):
    ws, key = prepare(world)
    seed = int(os.environ.get("TEST_SEED", random.randrange(1 << 30)))
    rng = random.Random(seed)
    for turn in range(ROUNDS):
        client = Client(ws, key, f"{seed}-{turn}")
        service = ws.serve()
        killer = threading.Timer(rng.uniform(0, 0.25), service.kill)
        killer.start()
        while client.run(service) and service.poll() is None:
            time.sleep(0.001)
        killer.join()
        service.wait()
        again = ws.serve()
        assert client.run(again), (seed, turn, client.broken)
        world.stop(again)
        check(ws, client)


tell()
