"""One team's service: decisions, their replay, keys, promotion while it runs."""
import concurrent.futures
import json
import signal

from handmade import EXAMPLES, Workspace, decide
from story import needs_failpoints, request, story, tell, wait_until


def served(world, *flags, env=None, **version):
    """A workspace with a version in production, a running service and a key."""
    ws = Workspace(world)
    number = ws.register(**version)["number"]
    ws.shoal("promote", "support/triage", f"@{number}", "--why=first")
    key = ws.key()
    return ws, ws.serve(*flags, env=env), key


@story
def a_decision_has_output_confidence_facts_rules_and_version(world):
    ws, service, key = served(world)
    answer = decide(service, key, EXAMPLES["issue"]["delivery"], total=1200)
    assert answer.status == 200, answer.body
    d = answer.json()
    assert d["output"]["issue"] == "delivery" and d["output"]["urgent"] is True, d
    assert set(d["confidence"]) == {"issue", "urgent"} and d["abstained"] is None, d
    assert d["facts"] == {"large": True} and d["rules"] == [
        {"id": "R1", "result": "holds", "text": "A large order is urgent."}], d
    assert d["version"] == ws.admin("show", {"slm": "triage", "ref": "production"})["version"]["version"]
    assert list(d)[0] == "id" and "model_ms" in d and "due" in d["output"], d


@story
def a_low_confidence_is_an_abstention_with_a_suggestion(world):
    _, service, key = served(world, threshold=0.99, scale=0.5)
    d = decide(service, key, "hello").json()
    assert d["output"] is None and d["abstained"]["reason"] == "low_confidence", d
    assert d["abstained"]["suggestion"]["issue"] in EXAMPLES["issue"], d


@story
def a_wrong_input_is_refused_with_everything_that_is_wrong(world):
    _, service, key = served(world)
    answer = request(service.port, "POST", "/v1/slms/triage/decisions",
                     {"input": {"tier": "gold", "colour": 1}}, {"authorization": f"Bearer {key}"})
    assert answer.status == 400, answer.body
    messages = " ".join(p["message"] for p in answer.json()["error"]["problems"])
    assert all(word in messages for word in ("text", "tier", "colour")), messages


@story
def one_key_is_one_decision(world):
    _, service, key = served(world)
    first = decide(service, key, "where is my parcel", idempotency="k1")
    again = decide(service, key, "where is my parcel", idempotency="k1")
    assert first.body == again.body
    assert decide(service, key, "where is my card", idempotency="k1").status == 409


@story
def a_request_whose_time_is_up_is_answered_504_and_never_decided(world):
    needs_failpoints(world)
    log = world.folder / "passed"
    _, service, key = served(world, env={"SHOAL_FAILPOINT": "serve.received=sleep:1000", "SHOAL_FAILPOINT_LOG": str(log)})
    n_received = lambda: log.read_text().split().count("serve.received")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(decide, service, key, "where is my parcel")
        wait_until("the worker is busy", n_received, service)
        late = decide(service, key, "where is my card", headers={"shoal-time-left-ms": "100"})
        assert late.status == 504 and late.json()["error"]["code"] == "timeout", late.body
        assert first.result().status == 200
    assert decide(service, key, "where is my card").status == 200
    assert n_received() == 2


@story
def a_decision_is_replayed_to_the_same_bytes_on_every_row_with_and_without_the_service(world):
    ws, service, key = served(world)
    d = decide(service, key, "refund me, my parcel is late", total=3).json()
    assert "the same bytes" in ws.shoal("replay", d["id"]).out
    assert "on scalar: the same bytes" in ws.shoal("replay", d["id"], "--cpu=scalar").out
    world.stop(service)
    assert "on scalar: the same bytes" in ws.shoal("replay", d["id"], "--cpu=scalar").out
    shown = ws.shoal("show", d["id"], "--json").json()
    assert shown["answer"]["output"] == d["output"], shown


@story
def a_replay_that_differs_says_so_and_shows_where(world):
    ws, service, key = served(world)
    d = decide(service, key, "where is my parcel").json()
    world.stop(service)
    # What cannot happen by itself: the stored answer is changed behind the program's back.
    import sqlite3
    db = sqlite3.connect(ws.folder / ".shoal/teams/support/record.db")
    triggers = db.execute("select name from sqlite_master where type = 'trigger'").fetchall()
    for (name,) in triggers:
        db.execute(f"drop trigger {name}")
    changed = db.execute("update decision set answer = replace(answer, '\"delivery\"', '\"billing\"')").rowcount
    db.commit()
    db.close()
    assert changed == 1
    result = ws.shoal("replay", d["id"], status=1)
    assert "OTHER BYTES" in result.out and '- output: {"issue":"billing"' in result.out, result.out


@story
def keys_have_scopes_and_can_be_revoked_while_the_service_runs(world):
    ws, service, _ = served(world)
    reader = ws.key("--scopes=read")
    assert decide(service, reader, "hello").status == 403
    assert decide(service, "slm1_no", "hello").status == 401
    key = ws.key()
    assert decide(service, key, "hello").status == 200
    ws.shoal("key", "revoke", key.split("_")[1], "--team=support")
    assert decide(service, key, "hello").status == 401
    assert "revoked" in ws.shoal("key", "list", "--team=support").out


@story
def a_promotion_takes_effect_at_once_and_a_rollback_too(world):
    ws, service, key = served(world)
    first = decide(service, key, "hello").json()["version"]
    number = ws.register(scale=3.0, parent=first, at=1_790_000_001_000)["number"]
    ws.shoal("promote", "support/triage", f"@{number}", "--why=sharper")
    second = decide(service, key, "hello").json()["version"]
    assert second != first
    assert "production is now @1" in ws.shoal("rollback", "support/triage", "--why=too sharp").out
    assert decide(service, key, "hello").json()["version"] == first
    history = ws.shoal("history", "support/triage", "--json").json()["changes"]
    assert [c["why"] for c in history] == ["too sharp", "sharper", "first"], history
    assert history[0]["rollback"] and history[0]["principal"].startswith("os:"), history
    tree = ws.shoal("show", "support/triage", "@2").out
    assert "`-- from     @1 accepted" in tree, tree
    listed = ws.shoal("list").out
    assert "@1 accepted" in listed and "<- production" in listed, listed


@story
def a_rejected_version_never_gets_to_production(world):
    ws, service, key = served(world)
    ws.register(scale=1.0, verdict="rejected", at=1_790_000_002_000)
    result = ws.shoal("promote", "support/triage", "@2", status=1)
    assert "reject" in result.err and "shoal show support/triage @2" in result.err, result.err
    ws.shoal("promote", "support/triage", "@2", "--alias=candidate")
    world.stop(service)
    assert "reject" in ws.shoal("promote", "support/triage", "@2", status=1).err


@story
def the_file_command_gives_the_bytes_of_the_service(world):
    ws, service, key = served(world)
    inputs = [{"text": t, "tier": "standard"} for t in ("where is my parcel", "charged twice", "thanks")]
    served_answers = [decide(service, key, i["text"]).json() for i in inputs]
    (ws.folder / "rows.jsonl").write_text("".join(json.dumps({"id": n, "input": i}) + "\n"
                                                  for n, i in enumerate(inputs)))
    (ws.folder / "rows.csv").write_text("id,text,tier\n" + "".join(f"{n},{i['text']},standard\n"
                                                                   for n, i in enumerate(inputs)))
    for name in ("rows.jsonl", "rows.csv"):
        lines = [json.loads(line) for line in ws.shoal("decide", "support/triage", name).out.splitlines()]
        for mine, theirs in zip(lines, served_answers, strict=True):
            for member in ("confidence", "abstained", "facts", "rules"):
                assert mine[member] == theirs[member], (name, member, mine, theirs)
            assert mine["output"]["issue"] == theirs["output"]["issue"]
    world.stop(service)
    one = ws.shoal("decide", "support/triage", stdin=json.dumps(inputs[0])).out
    assert "issue         delivery" in one and "confidence" in one, one


@story
def a_file_with_broken_rows_answers_the_others(world):
    ws, _, _ = served(world)
    (ws.folder / "rows.jsonl").write_text('{"text":"where is my parcel","tier":"standard"}\nnot json\n'
                                          '{"text":"hello","tier":"gold"}\n')
    result = ws.shoal("decide", "support/triage", "rows.jsonl", status=1)
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert rows[0]["output"] and rows[1]["error"]["line"] == 2 and rows[2]["error"]["problems"], rows
    assert "3 rows: 1 answered, 0 abstained, 2 refused" in result.err, result.err


@story
def a_base_whose_bytes_have_changed_decides_nothing(world):
    ws = Workspace(world)
    ws.register()
    ws.shoal("promote", "support/triage", "@1", "--why=begin")
    case = json.dumps({"text": "my card was charged twice", "tier": "standard"})
    ws.shoal("decide", "support/triage", stdin=case)
    for name in ("config.json", "vocab.txt", "model.safetensors"):
        path = world.home / "bases/tiny" / name
        right = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
        refused = ws.shoal("decide", "support/triage", stdin=case, status=1)
        assert f"base 'tiny': {name} has the digest" in refused.err, refused.err
        path.write_bytes(right)
    ws.shoal("decide", "support/triage", stdin=case)


@story
def feedback_becomes_rows_of_a_dataset(world):
    ws, service, key = served(world)
    right = decide(service, key, "where is my parcel").json()["id"]
    wrong = decide(service, key, "thanks for the help").json()["id"]
    head = {"authorization": f"Bearer {key}"}
    assert request(service.port, "POST", f"/v1/decisions/{right}/feedback", {"verdict": "right"}, head).status == 201
    ws.shoal("feedback", "add", wrong, "--output", '{"issue":"billing","urgent":true}', "--comment=see the invoice")
    for _ in range(2):  # with the service, then without
        ws.shoal("feedback", "export", "support/triage", "out.jsonl")
        rows = {r["id"]: r for r in map(json.loads, (ws.folder / "out.jsonl").read_text().splitlines())}
        assert rows[right]["output"]["issue"] == "delivery" and rows[wrong]["output"]["issue"] == "billing", rows
        world.stop(service)
    wrong_label = ws.shoal("feedback", "add", wrong, '--output={"issue":"weather","urgent":true}', status=1)
    assert "issue" in wrong_label.err, wrong_label.err
    assert ws.shoal("feedback", "add", wrong, "--right", "--wrong", status=2)


@story
def decisions_are_the_same_whatever_else_is_in_the_batch(world):
    _, service, key = served(world)
    texts = [f"my order {n} is {w}" for n, w in enumerate(("late", "lost", "broken", "wrong") * 8)]

    def core(answer):
        d = answer.json()
        return {k: d[k] for k in ("confidence", "abstained", "facts", "rules", "version")}

    alone = [core(decide(service, key, t)) for t in texts]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda t: core(decide(service, key, t)), texts))
    assert alone == together


@story
def the_second_service_of_a_team_is_refused(world):
    ws, _, _ = served(world)
    result = ws.shoal("serve", "--team=support", "--port=0", status=75)
    assert "running already" in result.err, result.err


@story
def sigterm_ends_the_service_with_everything_answered(world):
    _, service, key = served(world)
    decide(service, key, "hello")
    assert world.stop(service, signal.SIGTERM) == 0


@story
def an_adapter_shows_what_it_thinks_of_a_text(world):
    ws = Workspace(world)
    ws.register()
    (ws.folder / "adapter.safetensors").write_bytes(ws.last_adapter)
    scores = ws.shoal("model", "logits", "adapter.safetensors", f"text: {EXAMPLES['issue']['other']}\ntier: standard\n",
                      "--base=tiny", "--json").json()
    assert max(scores["issue"], key=scores["issue"].get) == "other", scores
    assert "--base=NAME" in ws.shoal("model", "logits", "adapter.safetensors", "x", status=1).err


tell()
