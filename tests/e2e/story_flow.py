"""Runs of a flow over two teams' services, as a person and an application see them."""
import http.client
import http.server
import json
import sqlite3
import threading
import time
import urllib.error
import urllib.request

from flow_shop import CALLS, FLOW, INPUT, Shop, trace
from story import request, story, tell, wait_until


def decisions(shop):
    """Idempotency keys of the decisions of both teams; read when no service runs."""
    found = []
    for team in ("support", "finance"):
        db = sqlite3.connect(shop.folder / f".shoal/teams/{team}/record.db")
        found += [row[0] for row in db.execute("select idempotency_key from decision")]
        db.close()
    return found


@story
def a_run_goes_through_both_teams_and_its_trace_shows_every_step(world):
    shop = Shop(world)
    world.shoal("check", cwd=shop.folder)
    shop.serve()
    shop.coordinate()
    done = world.shoal("flow", "run", "dispute", json.dumps(INPUT), "--json", cwd=shop.folder).json()
    assert done["status"] == "succeeded" and done["output"]["rejected"] == 2, done
    assert [s["step"] for s in done["steps"]][:4] == ["triage", "begin", "invoices", "check"], done["steps"]
    assert [s["index"] for s in done["steps"] if s["step"] == "check"] == [0, 1, 2]

    tree = world.shoal("flow", "show", done["id"], cwd=shop.folder).out
    for line in ("├─ triage  support/triage", "check[2]  finance/check", "← text  the tax is wrong", "→ verdict  rejected",
                 "└─ again  support/triage", "= issue "):
        assert line in tree, tree
    assert done["id"] in world.shoal("flow", "list", "dispute", cwd=shop.folder).out
    assert world.shoal("flow", "list", "--status=failed", cwd=shop.folder).out.strip() == "no runs"
    missing = world.shoal("flow", "show", "run_none", cwd=shop.folder, status=1)
    assert "no run 'run_none'" in missing.err, missing.err


@story
def a_trace_shows_a_principal_the_teams_that_know_it_and_says_which_do_not(world):
    """What crosses by contract is in the trace; inputs and outputs are asked of the teams, with the viewer's own key."""
    shop = Shop(world)
    shop.serve()
    shop.coordinate()
    run = shop.start().json()["id"]
    assert shop.wait(run)["status"] == "succeeded"
    admin = shop.support.key("--scopes=admin")
    seen = world.shoal("flow", "show", run, cwd=shop.folder, env={"SHOAL_KEY": admin}).out
    finance = seen[seen.index("├─ invoices"):seen.index("└─ again")]
    support = seen.replace(finance, "")
    assert "← text  my card was charged twice" in support and "→ issue " in support, seen
    assert "not yours" not in support, support
    assert finance.count("(not yours to see: ") == len(INPUT["invoices"]), seen
    for secret in ("the amounts are right", "the tax is wrong", "←", "→", "approved", "rejected"):
        assert secret not in finance, (secret, seen)

    nobody = world.shoal("flow", "show", run, cwd=shop.folder, env={"SHOAL_KEY": shop.keys["support"]}).out
    assert nobody.count("(not yours to see: ") == CALLS and "←" not in nobody and "charged" not in nobody, nobody
    world.stop(shop.services["finance"])
    lost = world.shoal("flow", "show", run, cwd=shop.folder).out  # no key: the files, as the system's user
    assert "the tax is wrong" in lost, lost


@story
def one_idempotency_key_is_one_run_and_a_hundred_equal_runs_are_equal(world):
    shop = Shop(world)
    shop.serve()
    shop.coordinate()
    first = shop.start("k")
    assert first.status == 202, first.body
    again = shop.start("k")
    assert again.status == 200 and again.json()["id"] == first.json()["id"], again.body
    assert shop.start("k", input={**INPUT, "complaint": "other"}).status == 409
    wrong = shop.start(input={"complaint": 7})
    assert wrong.status == 400 and "complaint" in wrong.body, wrong.body
    assert shop.start(flow="nothing").status == 404

    runs = [shop.start().json()["id"] for _ in range(100)]
    traces = {json.dumps(trace(shop.wait(run)), sort_keys=True) for run in runs}
    assert len(traces) == 1, traces
    shop.wait(first.json()["id"])
    for service in shop.services.values():
        world.stop(service)
    keys = decisions(shop)
    assert len(keys) == len(set(keys)) == 101 * CALLS, (len(keys), len(set(keys)))


@story
def who_waits_for_a_run_waits_on_when_the_coordinator_is_killed(world):
    shop = Shop(world, FLOW.replace("do:\n", "do:\n  - pause: {wait: PT2S}\n", 1))
    shop.serve()
    shop.coordinate()
    done = {}
    waiter = threading.Thread(target=lambda: done.update(
        world.shoal("flow", "run", "dispute", json.dumps(INPUT), "--json", cwd=shop.folder).json()))
    waiter.start()
    wait_until("the run begins", lambda: shop.ask("GET", "/v1/runs").json()["runs"], shop.coordinator)
    shop.coordinator.kill()
    shop.coordinator.wait()
    shop.coordinate()
    waiter.join()
    assert done["status"] == "succeeded", done


@story
def a_flow_with_errors_is_refused_by_name_and_the_others_run(world):
    shop = Shop(world)
    (shop.folder / "flows/half").mkdir()
    (shop.folder / "flows/half/flow.yaml").write_text("flow: half\nsteps: 3\n")
    shop.serve()
    shop.coordinate()
    refused = world.shoal("flow", "run", "half", "{}", cwd=shop.folder, status=1)
    assert "half/flow.yaml:2:1: unknown key 'steps'" in refused.err and "shoal check" in refused.err, refused.err
    assert shop.wait(shop.start().json()["id"])["status"] == "succeeded"
    assert "read when the coordinator starts" in world.shoal("flow", "run", "other", "{}", cwd=shop.folder, status=1).err


@story
def keys_scopes_events_and_cancelling(world):
    shop = Shop(world, FLOW.replace("do:\n", "do:\n  - pause: {wait: PT1H}\n", 1))
    shop.serve()
    shop.coordinate()
    port = shop.coordinator_port()
    key = world.shoal("key", "create", "webshop", "--team=coordinator", "--scopes=flow,read",
                      cwd=shop.folder).out.strip()
    bearer = {"authorization": f"Bearer {key}"}
    assert request(port, "GET", "/v1/flows").status == 401
    assert request(port, "GET", "/v1/flows", headers=bearer).json()["flows"][0]["flow"] == "dispute"
    assert request(port, "POST", "/admin/principal_list", {}, bearer).status == 404
    started = request(port, "POST", "/v1/flows/dispute/runs", {"input": {**INPUT, "received": "2020-01-01T00:00:00Z"}},
                      bearer)
    assert started.status == 202, started.body
    run = started.json()["id"]
    wait_until("the wait begins", lambda: len(shop.show(run)["steps"][0]["attempts"]) == 1, shop.coordinator)

    events = request(port, "GET", f"/v1/runs/{run}/events", headers=bearer)
    assert events.headers["Content-Type"] == "text/event-stream", events.headers
    assert "id: 0\nevent: started" in events.body and "id: 1\nevent: begun" in events.body
    assert run in world.shoal("flow", "list", "--overdue", cwd=shop.folder).out

    later = {}
    watcher = threading.Thread(target=lambda: later.update(
        answer=request(port, "GET", f"/v1/runs/{run}/events", headers={**bearer, "last-event-id": "1"})))
    watcher.start()
    world.shoal("flow", "cancel", run, cwd=shop.folder)
    watcher.join()
    assert "event: cancelled" in later["answer"].body, later["answer"].body
    assert shop.wait(run)["status"] == "cancelled"
    end = request(port, "GET", f"/v1/runs/{run}/events", headers={**bearer, "last-event-id": "3"})
    assert end.status == 204, end.body
    assert request(port, "POST", f"/v1/runs/{run}/cancel", {}, bearer).status == 409
    world.shoal("key", "revoke", key[5:17], "--team=coordinator", cwd=shop.folder)
    assert request(port, "GET", "/v1/flows", headers=bearer).status == 401


def event_source(port, run, key):
    """The events of a run as an EventSource reads them: an answer that ends is no end, it comes back with the last id
    until it is told 204. Yields (id, event, data)."""
    last = None
    while True:
        ask = urllib.request.Request(f"http://127.0.0.1:{port}/v1/runs/{run}/events",
                                     headers={"accept": "text/event-stream", "authorization": f"Bearer {key}"})
        if last is not None:
            ask.add_header("last-event-id", last)
        try:
            with urllib.request.urlopen(ask, timeout=60) as stream:
                if stream.status == 204:
                    return
                fields = {}
                for line in stream:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name:
                        fields[name] = value
                        continue
                    if "data" in fields:  # a block without is for the client: when to come back
                        last = fields["id"]
                        yield int(last), fields["event"], json.loads(fields["data"])
                    fields = {}
        except (urllib.error.URLError, OSError, http.client.HTTPException):
            time.sleep(0.05)  # nobody is there: it tries again


@story
def an_event_source_reads_every_event_once_also_over_the_death_of_the_coordinator(world):
    shop = Shop(world, FLOW.replace("do:\n", "do:\n  - pause: {wait: PT2S}\n", 1))
    shop.serve()
    shop.coordinate()
    port = shop.coordinator_port()
    key = world.shoal("key", "create", "watcher", "--team=coordinator", "--scopes=read", cwd=shop.folder).out.strip()
    run = shop.start().json()["id"]
    heard = []
    watcher = threading.Thread(target=lambda: heard.extend(event_source(port, run, key)))
    watcher.start()
    wait_until("the wait begins", lambda: shop.show(run)["steps"][0]["attempts"], shop.coordinator)
    shop.coordinator.kill()
    shop.coordinator.wait()
    shop.coordinate(port=port)
    watcher.join()
    assert [number for number, _, _ in heard] == list(range(len(heard))), heard
    names = [event for _, event, _ in heard]
    assert names[:2] == ["started", "begun"] and names[-1] == "ended" and names.count("done") == CALLS + 1, names
    assert heard[-1][2]["body"]["output"] == shop.show(run)["output"], heard[-1]
    assert heard[1][2]["step"] == "pause" and all("at" in data for _, _, data in heard), heard


class Hook(http.server.BaseHTTPRequestHandler):
    calls = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Hook.calls.append((self.headers["idempotency-key"], body))
        self.send_response(500 if len(Hook.calls) == 1 else 200)  # the first one is refused
        self.end_headers()

    def log_message(self, *_):
        pass


@story
def a_webhook_is_told_until_it_has_taken_the_end(world):
    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shop = Shop(world, f"webhook: http://127.0.0.1:{server.server_port}/ended\n" + FLOW)
    shop.serve()
    shop.coordinate()
    run = shop.start().json()["id"]
    shop.wait(run)
    wait_until("the webhook is told", lambda: len(Hook.calls) == 2, shop.coordinator)
    assert {key for key, _ in Hook.calls} == {run}
    assert Hook.calls[1][1] == {"id": run, "flow": "dispute", "status": "succeeded",
                                "output": shop.show(run)["output"]}, Hook.calls
    server.shutdown()


@story
def a_call_says_how_long_its_answer_is_of_use(world):
    said = []

    class LateTeam(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            said.append(int(self.headers["shoal-time-left-ms"]))
            self.send_response(504)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), LateTeam)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shop = Shop(world, FLOW.replace("retry: {attempts: 20, delay: PT0.1S, max_delay: PT2S}", "timeout: PT50S", 1))
    shop.ports = {"support": server.server_port, "finance": server.server_port}
    shop.write_teams()
    shop.coordinate()
    end = shop.wait(shop.start().json()["id"])
    assert end["status"] == "failed" and end["error"]["type"] == "timeout", end
    assert said and all(left == 50_000 for left in said), said  # the budget of the run is ten minutes
    server.shutdown()


@story
def the_journal_and_the_coordinator_hold_nothing_that_no_contract_lets_cross(world):
    shop = Shop(world)
    shop.serve()
    shop.coordinate()
    run = shop.start().json()["id"]
    shop.wait(run)
    world.stop(shop.coordinator)
    for path in (shop.folder / ".shoal/teams/coordinator").rglob("runs.db*"):
        data = path.read_bytes()
        for canary in (b"large", b"suggestion", b"confidence", b"sla_due", b"facts"):
            assert canary not in data, (path, canary)


tell()
