"""Orchestrators of today call two teams' SLMs: the examples with the real packages, and the OpenAI SDK's own checks.

SHOAL_CLIENTS names a folder with the virtual environments openai/ and crewai/ (./dev test --all makes it).
"""
import json
import os
import pathlib
import subprocess

from handmade import Workspace, Writer
from story import SOURCE, Skip, story, tell

TRIAGE = """slm: ticket-triage
base: tiny
input:
  type: object
  required: [subject, body, channel, tier]
  properties:
    subject: {type: string, maxLength: 300}
    body: {type: string, minLength: 1, maxLength: 8000}
    channel: {enum: [email, chat, form]}
    tier: {enum: [standard, business]}
output:
  type: object
  properties:
    issue_type: {enum: [billing, delivery, other]}
    priority: {enum: [high, normal]}
show: [body]
data:
  - {path: data/rows.jsonl}
training:
  candidates: [linear, frozen]
gates:
  - {metric: accuracy, min: 0.5}
"""
INVOICE = """slm: invoice-check
base: tiny
input:
  type: object
  required: [number, net, tax_rate, tax, notes]
  properties:
    number: {type: string, maxLength: 40}
    net: {type: number}
    total: {type: number}
    tax_rate: {type: number}
    tax: {type: number}
    notes: {type: string, maxLength: 400}
output:
  type: object
  properties:
    decision: {enum: [approved, rejected]}
facts:
  tax_is_right: tax = net * tax_rate
rules:
  - name: R1
    must: tax_is_right or decision = "rejected"
    text: An invoice with wrong tax is rejected.
show: [notes]
data:
  - {path: data/rows.jsonl}
training:
  candidates: [linear, frozen]
gates:
  - {metric: accuracy, min: 0.5}
"""
REPLY = """slm: reply-draft
description: Answer the customer.
base: tiny-writer
input:
  type: object
  required: [subject, body, findings]
  properties:
    subject: {type: string, maxLength: 300}
    body: {type: string, minLength: 1, maxLength: 8000}
    customer: {type: string, maxLength: 100}
    findings:
      type: object
      properties:
        issue_type: {enum: [billing, delivery, other]}
        priority: {enum: [high, normal]}
        invoice_number: {type: string, maxLength: 40}
        invoice_decision: {enum: [approved, rejected]}
        billed_total: {type: string, maxLength: 40}
output:
  type: object
  properties:
    reply: {type: string, format: text, maxLength: 200}
rules:
  - {name: greeting, must: 'customer = null or contains(reply, customer)', text: The customer is addressed by name.}
data:
  - {path: data/rows.jsonl}
"""
STEPS = [["\n", "Dear"], ["Dear", " Ilse", " you"], [" Ilse", "."], [" you", "."], [".", " Thanks"], [" Thanks", "!"],
         ["!", None]]
TICKET = {"subject": "Order 5512", "body": "my card was charged twice", "channel": "email", "tier": "standard"}
WRONG_TAX = {"number": "INV-1042", "net": 100, "tax_rate": 0.19, "tax": 21, "total": 121, "notes": "as ordered"}


def environment(name):
    """The Python of a virtual environment with real clients, or the story is skipped."""
    python = pathlib.Path(os.environ.get("SHOAL_CLIENTS", "")) / name / "bin/python"
    if not python.is_file():
        raise Skip(f"SHOAL_CLIENTS names no folder with {name}/bin/python")
    return python


class Teams:
    """Support and Finance, served, with a key for each."""

    def __init__(self, world, **triage):
        examples = {"issue_type": {"billing": TICKET["body"], "delivery": "where is my parcel", "other": "thanks"},
                    "priority": {"high": "i need it immediately", "normal": "no rush"}}
        self.world = world
        self.support = Workspace(world, "support", "ticket-triage", TRIAGE, examples, lambda text: f"body: {text}\n")
        self.finance = Workspace(world, "finance", "invoice-check", INVOICE,
                                 {"decision": {"approved": "as ordered", "rejected": "void, see the new one"}},
                                 lambda text: f"notes: {text}\n")
        self.reply = Writer(world, STEPS, slm="reply-draft", spec=REPLY)
        self.support.register(**triage)
        self.finance.register()
        self.reply.register()
        for team in (self.support, self.finance, self.reply):
            team.shoal("promote", f"{team.team}/{team.slm}", "@1", "--why=first")
        self.env = {**os.environ, "NO_PROXY": "127.0.0.1", "CREWAI_STORAGE_DIR": str(world.folder / "crewai"),
                    "CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "OTEL_SDK_DISABLED": "true",
                    "CREWAI_DISABLE_VERSION_CHECK": "true", "HOME": str(world.folder)}
        for team in (self.support, self.finance):
            self.env[team.team.upper() + "_KEY"] = team.key()
            self.env[team.team.upper() + "_URL"] = f"http://127.0.0.1:{team.serve().port}"

    def run(self, python, *arguments):
        done = subprocess.run([python, *map(str, arguments)], env=self.env, capture_output=True, text=True, timeout=600,
                              cwd=self.world.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def solve(self, python, script, **changes):
        """What the example prints of the dispute; its answer is the last line, frameworks print before it."""
        dispute = self.world.folder / "dispute.json"
        dispute.write_text(json.dumps({"customer": "Ilse", "ticket": TICKET, "invoice": WRONG_TAX, **changes}))
        path = SOURCE / "examples/ecommerce/orchestrators" / script
        return json.loads(self.run(python, path, dispute).splitlines()[-1])


def dispute_is_solved(world, venv, script):
    python = environment(venv)
    teams = Teams(world)
    end = teams.solve(python, script)
    assert end["triage"]["issue_type"] == "billing", end
    assert end["check"]["decision"] == "rejected" and end["end"] == "rejected", end
    assert end["reply"] == {"reply": "Dear Ilse. Thanks!"}, end
    good = teams.solve(python, script, invoice={**WRONG_TAX, "tax": 19})
    assert good["end"] == "approved", good
    unknown = teams.solve(python, script, customer="Bo")  # the writer knows no Bo, and the rule asks for the name
    assert unknown["reply"]["abstained"]["reason"] == "rules_conflict" and unknown["end"] == "a person decides", unknown
    other = teams.solve(python, script, ticket={**TICKET, "body": "where is my parcel"})
    assert "check" not in other and other["end"] == "not billing", other


def unsure_goes_to_a_person(world, venv, script):
    python = environment(venv)
    end = Teams(world, threshold=0.99, scale=0.1).solve(python, script)
    assert end["triage"]["abstained"]["reason"] == "low_confidence" and end["end"] == "a person decides", end


@story
def the_openai_sdk_finds_models_answers_types_streams_refusals_and_errors(world):
    python = environment("openai")
    teams = Teams(world, threshold=0.99, scale=0.1)
    teams.run(python, SOURCE / "tests/e2e/openai_client.py", json.dumps(WRONG_TAX), json.dumps(TICKET))


@story
def langgraph_solves_the_dispute_over_two_teams(world):
    dispute_is_solved(world, "openai", "langgraph_flow.py")


@story
def langgraph_hands_over_what_an_slm_abstains_from(world):
    unsure_goes_to_a_person(world, "openai", "langgraph_flow.py")


@story
def autogen_solves_the_dispute_over_two_teams(world):
    dispute_is_solved(world, "openai", "autogen_team.py")


@story
def autogen_hands_over_what_an_slm_abstains_from(world):
    unsure_goes_to_a_person(world, "openai", "autogen_team.py")


@story
def crewai_solves_the_dispute_over_two_teams(world):
    dispute_is_solved(world, "crewai", "crewai_crew.py")


@story
def crewai_hands_over_what_an_slm_abstains_from(world):
    unsure_goes_to_a_person(world, "crewai", "crewai_crew.py")


tell()
