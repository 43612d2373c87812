"""A workspace whose SLM is really built: a base of half a megabyte and 360 short rows in which a word or two decide, so
that a build takes seconds.
"""
import json
import random
import subprocess
import sys

from story import SOURCE

SPEC = """slm: triage
base: tiny
input:
  type: object
  required: [text, tier]
  properties:
    text: {type: string, maxLength: 400}
    tier: {enum: [standard, business]}
output:
  type: object
  properties:
    issue: {enum: [billing, delivery, defect]}
    urgent: {type: boolean}
rules:
  - name: R1
    when: tier = "business"
    must: urgent = true
    text: A business customer is urgent.
show: [text, tier]
data:
  - {path: data/rows.jsonl}
split: {validation: 0.25, test: 0.25}
training:
  candidates: [CANDIDATES]
  epochs: 1
gates:
  - {metric: accuracy, field: issue, min: MINIMUM, not_worse_margin: 0.05}
  - {metric: rule_violations, max: 0}
"""
WORDS = {"billing": ["charged twice", "invoice is wrong", "paid too much", "card was billed"],
         "delivery": ["parcel is late", "never arrived", "still waiting for the order", "courier lost it"],
         "defect": ["arrived broken", "does not work", "is damaged", "has a crack"]}
FILLERS = ["hello", "please", "thanks", "my kettle", "my lamp", "the chair", "again", "you know", "dear team", "ok",
           "since monday", "the blue one", "for my son", "as a gift", "from your shop", "it is about my order"]


def rows(count=360, seed=7):
    rng = random.Random(seed)
    for n in range(count):
        issue = list(WORDS)[n % 3]
        urgent = rng.random() < 0.4
        parts = rng.sample(FILLERS, 5)
        parts.insert(rng.randrange(4), rng.choice(WORDS[issue]))
        if urgent:
            parts.insert(rng.randrange(4), "i need it today")
        tier = "business" if urgent and rng.random() < 0.3 else "standard"
        yield {"id": f"r{n}", "input": {"text": " ".join(parts), "tier": tier},
               "output": {"issue": issue, "urgent": urgent}}


def make(world, name="shop", candidates="linear, frozen, finetuned, blend", minimum=0.6):
    """The workspace's folder; the base is pulled once per world."""
    folder = world.folder / name
    slm = folder / "support/triage"
    (slm / "data").mkdir(parents=True)
    (slm / "data/rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (slm / "slm.yaml").write_text(SPEC.replace("CANDIDATES", candidates).replace("MINIMUM", str(minimum)))
    (folder / "shoal.yaml").write_text("organisation: a shop\nteams:\n  support: {description: answers}\n")
    if not (world.home / "bases/tiny.json").exists():
        subprocess.run([sys.executable, SOURCE / "tools/tiny_base.py", world.folder / "tiny-base"], check=True)
        world.shoal("pull", f"file:{world.folder}/tiny-base", "--name=tiny")
    return folder
