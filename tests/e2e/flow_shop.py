"""Two teams, each with a tiny SLM, and a flow over both: support's triage, then finance's check, with a round back."""
import json
import sys

from handmade import SPEC, Workspace
from story import request, wait_until

TRIAGE = SPEC + """contracts:
  - {flow: dispute, send: [text, tier], read: [issue, urgent]}
"""
CHECK = """slm: check
description: a tiny one, for tests
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
    verdict: {enum: [approved, rejected]}
show: [text, tier]
data:
  - {path: data/rows.jsonl}
contracts:
  - {flow: dispute, send: [text, tier], read: [verdict]}
"""
CHECK_EXAMPLES = {"verdict": {"approved": "the amounts are right", "rejected": "the tax is wrong"}}
FLOW = """flow: dispute
input:
  type: object
  required: [complaint, invoices]
  properties:
    complaint: {type: string}
    invoices: {type: array, items: {type: string}}
    received: {type: string, format: date-time}
due: ${ if input.received = null then now() + @"P1D" else input.received + @"PT1H" }
budgets: {steps: 60, hops: 20, time: PT10M}
on_budget: {issue: '${ triage.issue }'}
do:
  - triage:
      call: slm
      with: {slm: support/triage, input: {text: '${ input.complaint }', tier: standard}}
      retry: {attempts: 20, delay: PT0.1S, max_delay: PT2S}
  - begin: {set: {rejected: 0}}
  - invoices:
      for: {each: invoice, in: '${ input.invoices }', at: i}
      do:
        - check:
            call: slm
            with: {slm: finance/check, input: {text: '${ invoice }', tier: standard}}
            retry: {attempts: 20, delay: PT0.1S, max_delay: PT2S}
        - verdict: {switch: [{bad: {when: '${ check.verdict = "rejected" }', then: count}}, {good: {then: continue_on}}]}
        - count: {set: {rejected: '${ rejected + 1 }'}}
        - continue_on: {set: {seen: true}}
  - again:
      call: slm
      with: {slm: support/triage, input: {text: '${ input.complaint }', tier: business}}
      retry: {attempts: 20, delay: PT0.1S, max_delay: PT2S}
output: {issue: '${ triage.issue }', urgent: '${ again.urgent }', rejected: '${ rejected }'}
"""
INPUT = {"complaint": "my card was charged twice",
         "invoices": ["the amounts are right", "the tax is wrong", "the tax is wrong"]}
CALLS = 2 + len(INPUT["invoices"])


class Shop:
    def __init__(self, world, flow=FLOW, threads=1):
        self.world = world
        self.support = Workspace(world, spec=TRIAGE)
        self.finance = Workspace(world, team="finance", slm="check", spec=CHECK, examples=CHECK_EXAMPLES)
        self.folder = self.support.folder
        for ws, slm in ((self.support, "support/triage"), (self.finance, "finance/check")):
            ws.register()
            ws.shoal("promote", slm, "@1", "--why=begin")
        (self.folder / "flows/dispute").mkdir(parents=True)
        (self.folder / "flows/dispute/flow.yaml").write_text(flow)
        self.keys = {ws.team: ws.key("--scopes=flow") for ws in (self.support, self.finance)}
        self.services, self.ports = {}, {}

    def serve(self, *teams, env=None):
        for team in teams or ("support", "finance"):
            self.services[team] = self.world.start("serve", f"--team={team}", f"--port={self.ports.get(team, 0)}",
                                                   "--threads=1", cwd=self.folder, env=env)
            self.world.wait_for_port(self.services[team])
            self.ports[team] = self.services[team].port
        self.write_teams()

    def write_teams(self):
        folder = self.folder / ".shoal/teams/coordinator"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "teams.json"
        path.write_text(json.dumps({team: {"url": f"http://127.0.0.1:{port}", "key": self.keys[team]}
                                    for team, port in self.ports.items()}))
        path.chmod(0o600)

    def coordinate(self, env=None, port=0):
        self.coordinator = self.world.start("coordinate", f"--port={port}", cwd=self.folder, env=env)
        wait_until("the coordinator says its port", lambda: "coordinator: http" in open(self.coordinator.log).read(),
                   self.coordinator)
        return self.coordinator

    def coordinator_port(self):
        return int(open(self.coordinator.log).read().rsplit(":", 1)[1])

    @property
    def socket(self):
        return self.folder / ".shoal/teams/coordinator/admin.sock"

    def ask(self, method, path, body=None, headers=None):
        return request(self.socket, method, path, body, headers)

    def start(self, key=None, flow="dispute", input=None):
        body = {"input": input or INPUT}
        if key:
            body["idempotency_key"] = key
        return self.ask("POST", f"/v1/flows/{flow}/runs", body)

    def show(self, run):
        answer = self.ask("GET", f"/v1/runs/{run}")
        assert answer.status == 200, answer.body
        return answer.json()

    def wait(self, run):
        """The run when it has ended."""
        wait_until(f"{run} ends", lambda: self.show(run)["status"] != "running", self.coordinator)
        return self.show(run)


def trace(run):
    """What of a run does not depend on ids and times."""
    steps = [{k: v for k, v in step.items() if k not in ("at", "attempts")} |
             {"attempts": [{"result": a["result"], "output": a.get("answer", {}).get("output")}
                           for a in step.get("attempts", [])]} for step in run["steps"]]
    return {"status": run["status"], "output": run.get("output"), "error": run.get("error"), "steps": steps}
