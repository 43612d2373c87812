"""An SLM that answers a set of reasons: nested input, facts out of a table, slices, built, served, replayed, corrected."""
import json
import random

import shop
from story import request, story, tell

SPEC = """slm: check
base: tiny
input:
  type: object
  required: [vendor, lines]
  properties:
    vendor: {type: string}
    lines:
      type: array
      items:
        type: object
        required: [text, price]
        properties: {text: {type: string}, price: {type: number}}
output:
  type: object
  properties:
    decision: {enum: [approved, rejected]}
    reasons: {type: array, uniqueItems: true, items: {enum: [vendor, billing, delivery, defect]}}
tables:
  vendors: {path: data/vendors.csv, key: id, columns: {id: string, name: string}}
facts:
  on_file: vendors[id = vendor]
  known: count(on_file) = 1
rules:
  - {name: R1, must: '(decision = "rejected") = (count(reasons) > 0)', text: A rejection has a reason.}
  - {name: R2, must: 'list contains(reasons, "vendor") = not(known)', text: A vendor must be on file.}
derived:
  n: count(reasons)
show: [known, lines]
data:
  - {path: data/rows.jsonl}
split: {validation: 0.25, test: 0.25}
training: {candidates: [linear, frozen, finetuned, blend], epochs: 1}
slices:
  two: tags.kind = "two" and count(output.reasons) > 1
gates:
  - {metric: set_f1, min: 0.5, above: majority, not_worse_margin: 0.2}
  - {metric: accuracy, field: decision, slice: two, min: 0.9}
  - {metric: rule_violations, max: 0}
"""


def rows(count=360, seed=11):
    rng = random.Random(seed)
    for n in range(count):
        found = [issue for issue in shop.WORDS if rng.random() < 0.35]
        known = rng.random() < 0.8
        lines = [{"text": " ".join(rng.sample(shop.FILLERS, 3)), "price": n + 0.5}]
        lines += [{"text": rng.choice(shop.WORDS[issue]), "price": 3} for issue in found]
        reasons = found[::-1] + ([] if known else ["vendor"])  # in data the order does not matter
        yield {"id": f"r{n}", "input": {"vendor": f"v{n % 9}" if known else "x1", "lines": lines},
               "output": {"decision": "rejected" if reasons else "approved", "reasons": reasons},
               "tags": {"kind": "two" if len(reasons) > 1 else "one"}}


def make(world):
    folder = shop.make(world)  # pulls the tiny base; its own SLM is not built here
    slm = folder / "support/check"
    (slm / "data").mkdir(parents=True)
    (slm / "data/rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (slm / "data/vendors.csv").write_text("id,name\n" + "".join(f"v{n},Vendor {n}\n" for n in range(300)))
    (slm / "slm.yaml").write_text(SPEC)
    return folder


@story
def a_set_is_built_served_replayed_and_corrected(world):
    folder = make(world)
    first = world.shoal("build", "support/check", "--json", cwd=folder).json()
    assert first["accepted"], first
    world.shoal("promote", "support/check", "@1", cwd=folder)
    shown = world.shoal("show", "support/check", cwd=folder).out
    assert "set-F1" in shown and "slice two: " in shown, shown

    key = world.shoal("key", "create", "tester", "--team=support", cwd=folder).out.strip()
    service = world.start("serve", "--team=support", "--port=0", cwd=folder)
    world.wait_for_port(service)
    headers = {"authorization": f"Bearer {key}"}

    def ask(method, path, body=None):
        answer = request(service.port, method, path, body, headers)
        assert answer.status in (200, 201), answer.body
        return answer.json()

    fields = ask("GET", "/v1/slms")["slms"][0]["fields"]
    assert [field.get("set", False) for field in fields] == [False, True], fields
    lines = [{"text": "you charged twice", "price": 3}, {"text": "courier lost it", "price": 9.99}]
    d = ask("POST", "/v1/slms/check/decisions", {"input": {"vendor": "x7", "lines": lines}})
    assert d["output"] == {"decision": "rejected", "reasons": ["vendor", "billing", "delivery"], "n": 3}, d
    assert 0 < d["confidence"]["reasons"] <= d["confidence"]["decision"] + 1e-9 and d["facts"]["known"] is False, d
    assert "the same bytes" in world.shoal("replay", d["id"], "--cpu=scalar", cwd=folder).out
    assert "vendor, billing, delivery" in world.shoal("show", d["id"], cwd=folder).out
    ask("POST", f"/v1/decisions/{d['id']}/feedback", {"output": {"decision": "rejected", "reasons": ["delivery", "vendor"]}})
    second = world.shoal("build", "support/check", "--json", cwd=folder).json()
    assert second["number"] == 2 and second["version"] != first["version"], second


tell()
