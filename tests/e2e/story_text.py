"""An SLM that writes: served, stored, asked again, replayed; what breaks a rule is written once more, then nobody gets it."""
import concurrent.futures
import json

from handmade import Writer
from story import needs_failpoints, request, story, tell, wait_until

# "Dear Ilse. We refund!"; when it must not go on with "We": "Dear Ilse. They wait!"
STEPS = [["\n", "Dear"], ["Dear", " Ilse", " you"], [" Ilse", "."], [" you", "."], [".", " We", " They"],
         [" We", " refund"], [" They", " wait"], [" refund", "!"], [" wait", "!"], ["!", None]]
SPEC = """slm: reply
description: Answer the customer.
base: tiny-writer
input:
  type: object
  required: [customer]
  properties:
    customer: {type: string, maxLength: 100}
    refund: {type: boolean}
    angry: {type: boolean}
output:
  type: object
  properties:
    reply: {type: string, format: text, maxLength: 200}
rules:
  - {name: refund, must: 'refund = true or not(contains(reply, "refund"))', text: A refund is promised when there is one.}
  - {name: sorry, must: 'angry != true or contains(reply, "sorry")', text: We are sorry for who is angry.}
data:
  - {path: data/rows.jsonl}
"""


def ask(process, key, slm="reply", **values):
    answer = request(process.port, "POST", f"/v1/slms/{slm}/decisions", {"input": values},
                     {"authorization": f"Bearer {key}"})
    assert answer.status == 200, answer.body
    return answer.json()


def started(world, scopes="decide,read", **options):
    shop = Writer(world, STEPS, slm="reply", spec=SPEC)
    shop.register()
    shop.shoal("promote", "support/reply", "@1")
    return shop, shop.serve(**options), shop.key(f"--scopes={scopes}")


@story
def a_text_is_served_stored_and_replayed_byte_for_byte(world):
    shop, service, key = started(world)
    first = ask(service, key, customer="Ilse", refund=True)
    assert first["output"] == {"reply": "Dear Ilse. We refund!"} and first["attempt"] == 1, first
    stored = request(service.port, "GET", f"/v1/decisions/{first['id']}", headers={"authorization": f"Bearer {key}"})
    assert stored.json()["output"] == first["output"] and stored.json()["attempt"] == 1, stored.body
    second = ask(service, key, customer="Ilse", refund=False)
    for decision in (first, second):
        assert "the same bytes" in shop.shoal("replay", decision["id"]).out
        assert "on scalar: the same bytes" in shop.shoal("replay", decision["id"], "--cpu=scalar").out


@story
def a_text_that_breaks_a_rule_is_written_again_then_a_person_is_asked(world):
    shop, service, key = started(world)
    again = ask(service, key, customer="Ilse")
    assert again["output"] == {"reply": "Dear Ilse. They wait!"} and again["attempt"] == 2, again
    assert again["abstained"] is None and {r["result"] for r in again["rules"]} == {"holds"}, again
    none = ask(service, key, customer="Ilse", angry=True)
    assert none["output"] is None and none["attempt"] == 2, none
    assert none["abstained"]["reason"] == "rules_conflict" and "'sorry'" in none["abstained"]["text"], none


@story
def the_command_writes_what_the_service_writes(world):
    shop, service, key = started(world)
    served = ask(service, key, customer="Jo", refund=True)
    (world.folder / "rows.jsonl").write_text('{"customer": "Jo", "refund": true}\n')
    lines = shop.shoal("decide", "support/reply", world.folder / "rows.jsonl").out
    assert json.loads(lines.splitlines()[0])["output"] == served["output"] == {"reply": "Dear you. We refund!"}, lines


@story
def a_text_is_listed_corrected_and_asked_for_as_a_chat(world):
    shop, service, key = started(world, scopes="decide,read,feedback")
    ask_as = lambda method, path, body=None: request(service.port, method, path, body, {"authorization": f"Bearer {key}"})
    listed = ask_as("GET", "/v1/slms").json()
    assert "reply" in json.dumps(listed), listed
    decision = ask(service, key, customer="Ilse", refund=True)
    right = ask_as("POST", f"/v1/decisions/{decision['id']}/feedback", {"output": {"reply": "Dear Ilse. We refund it!"}})
    wrong = ask_as("POST", f"/v1/decisions/{decision['id']}/feedback", {"output": {"reply": 7}})
    assert right.status == 201 and wrong.status == 400, (right.body, wrong.body)
    chat = ask_as("POST", "/v1/chat/completions",
                  {"model": "reply", "messages": [{"role": "user", "content": '{"customer": "Ilse", "refund": true}'}]})
    content = json.loads(chat.json()["choices"][0]["message"]["content"])
    assert content["reply"] == "Dear Ilse. We refund!", chat.body


@story
def while_a_text_is_written_the_service_answers_others_and_promotes(world):
    needs_failpoints(world)
    log = world.folder / "passed"
    shop, service, key = started(world, env={"SHOAL_FAILPOINT": "serve.writing=sleep:3000", "SHOAL_FAILPOINT_LOG": str(log)})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, service, key, customer="Ilse", refund=True)
        wait_until("the scribe is busy", lambda: "serve.writing" in log.read_text().split(), service)
        assert request(service.port, "GET", "/v1/slms", headers={"authorization": f"Bearer {key}"}).status == 200
        shop.register(at=1_790_000_000_001)
        shop.shoal("promote", "support/reply", "@2")
        assert not slow.done()
        first = slow.result()
    second = ask(service, key, customer="Ilse", refund=True)
    assert first["output"] == second["output"] and first["version"] != second["version"], (first, second)


@story
def texts_that_are_asked_for_together_are_those_asked_for_alone(world):
    shop, service, key = started(world)
    rows = [{"customer": name, "refund": n % 2 == 0} for n, name in enumerate(["Ilse", "Jo", "Ilse B", "Ann"] * 4)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        together = list(pool.map(lambda row: ask(service, key, **row), rows))
    for row, answer in zip(rows, together):
        alone = ask(service, key, **row)
        assert all(alone[k] == answer[k] for k in ("output", "abstained", "rules", "attempt")), (row, alone, answer)
    world.stop(service)


tell()
