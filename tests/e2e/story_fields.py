"""Open fields: checked, served, stored, replayed, corrected, asked for as a chat; a value that is not there is not answered."""
import json

from handmade import Writer
from story import request, story, tell

# Whatever it reads, it would say 12.50 of 25/12/2018 to Ana Lima, and that it is paid.
STEPS = [["\n", "payee:"], ["payee:", " Ana", " Jo"], [" Ana", " Lima", "\ntotal:"], [" Jo", "\ntotal:"],
         [" Lima", "\ntotal:"], ["\ntotal:", " 12.50", " 9.00"], [" 12.50", "\nday:"], [" 9.00", "\nday:"],
         ["\nday:", " 25/12/2018", "\nstate:"], [" 25/12/2018", "\nstate:"], ["\nstate:", " paid"], [" paid", None]]
SPEC = """slm: receipt
description: Read the receipt.
base: tiny-writer
input:
  type: object
  required: [text]
  properties:
    text: {type: string, maxLength: 100}
output:
  type: object
  required: [payee, total]
  properties:
    payee: {type: string, format: copied, maxLength: 20}
    total: {type: number, format: copied, minimum: 1}
    day: {type: string, format: date}
    state: {enum: [paid, open]}
rules:
  - {name: small, must: 'total < 100', text: It is a small amount.}
  - {name: past, when: day != null, must: 'day <= date("2026-01-01")', text: It was paid long ago.}
derived:
  due: if day = null then null else day + @"P14D"
contracts:
  - {flow: dispute, send: [text], read: [payee, total, day]}
data:
  - {path: data/rows.jsonl}
"""


def started(world, **options):
    shop = Writer(world, STEPS, slm="receipt", spec=SPEC)
    shop.register()
    shop.shoal("promote", "support/receipt", "@1")
    return shop, shop.serve(**options), shop.key("--scopes=decide,read,feedback")


def ask(process, key, method, path, body=None):
    return request(process.port, method, path, body, {"authorization": f"Bearer {key}"})


def decide(process, key, text):
    answer = ask(process, key, "POST", "/v1/slms/receipt/decisions", {"input": {"text": text}})
    assert answer.status == 200, answer.body
    return answer.json()


@story
def fields_are_checked_copied_stored_and_replayed_byte_for_byte(world):
    shop, service, key = started(world)
    shop.shoal("check", "support/receipt")
    whole = decide(service, key, "Ana Lima paid RM12.50 on 25/12/2018")
    assert whole["output"] == {"payee": "Ana Lima", "total": 12.5, "day": "2018-12-25", "state": "paid",
                               "due": "2019-01-08"}, whole
    assert whole["confidence"] == {} and whole["abstained"] is None and whole["attempt"] == 1, whole
    part = decide(service, key, "Jo: 112.50, no: 9.00. Invoice 25/12/20181")
    assert part["output"] == {"payee": "Jo", "total": 9, "state": "paid", "due": None}, part
    for decision in (whole, part):
        stored = ask(service, key, "GET", f"/v1/decisions/{decision['id']}").json()
        assert stored["output"] == decision["output"], stored
        assert "the same bytes" in shop.shoal("replay", decision["id"]).out
        assert "on scalar: the same bytes" in shop.shoal("replay", decision["id"], "--cpu=scalar").out


@story
def what_the_input_has_not_is_not_answered(world):
    shop, service, key = started(world)
    none = decide(service, key, "Ana Lima paid nothing: 0.50, on 25/12/2018")
    assert none["output"] is None and "attempt" not in none, none
    assert none["abstained"] == {"reason": "nothing_to_copy", "text": "the input has no number for 'total'",
                                 "suggestion": None}, none
    assert "the same bytes" in shop.shoal("replay", none["id"]).out


@story
def the_command_the_chat_and_feedback_know_the_fields(world):
    shop, service, key = started(world)
    (world.folder / "rows.jsonl").write_text('{"text": "Jo got 9.00"}\n')
    line = json.loads(shop.shoal("decide", "support/receipt", world.folder / "rows.jsonl").out.splitlines()[0])
    assert line["output"] == {"payee": "Jo", "total": 9, "state": "paid", "due": None}, line
    chat = ask(service, key, "POST", "/v1/chat/completions",
               {"model": "receipt", "messages": [{"role": "user", "content": '{"text": "Jo got 9.00"}'}]})
    assert json.loads(chat.json()["choices"][0]["message"]["content"])["total"] == 9, chat.body
    decision = decide(service, key, "Jo got 9.00, or 12.50")
    feedback = f"/v1/decisions/{decision['id']}/feedback"
    for wrong in ({"payee": "Jo", "total": "9", "state": "paid"}, {"payee": "Jo", "total": 9, "state": "paid", "day": "25/12/2018"}):
        assert ask(service, key, "POST", feedback, {"output": wrong}).status == 400, wrong
    right = ask(service, key, "POST", feedback, {"output": {"payee": "Jo", "total": 9, "state": "paid"}})
    assert right.status == 201, right.body


tell()
