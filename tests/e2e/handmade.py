"""A workspace with one SLM whose versions are made by hand, without training: what serving, deciding and the registry
do can be told in seconds, on a base of half a megabyte.

The heads are the vectors that the base gives to one example per label: the example itself gets its label.
"""
import hashlib
import json
import struct
import subprocess
import sys

from story import SOURCE, request

SPEC = """slm: triage
description: a tiny one, for tests
base: tiny
input:
  type: object
  required: [text, tier]
  properties:
    text: {type: string, maxLength: 400}
    tier: {enum: [standard, business]}
    total: {type: number, minimum: 0}
output:
  type: object
  properties:
    issue: {enum: [billing, delivery, other]}
    urgent: {type: boolean}
facts:
  large: total != null and total >= 1000
rules:
  - name: R1
    when: large
    must: urgent = true
    text: A large order is urgent.
derived:
  due: now() + (if urgent then @"PT4H" else @"P1D")
show: [text, tier]
data:
  - {path: data/rows.jsonl}
training:
  candidates: [linear, frozen]
gates:
  - {metric: accuracy, min: 0.5}
"""
EXAMPLES = {"issue": {"billing": "my card was charged twice", "delivery": "where is my parcel",
                      "other": "thanks for the help"},
            "urgent": {"false": "no rush", "true": "i need it immediately"}}


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Workspace:
    """One team's part of a workspace; a second one with the same folder and another team joins it."""

    def __init__(self, world, team="support", slm="triage", spec=SPEC, examples=EXAMPLES,
                 render=lambda text: f"text: {text}\ntier: standard\n"):
        self.world, self.team, self.slm, self.spec, self.examples, self.render = world, team, slm, spec, examples, render
        self.folder = world.folder / "shop"
        self.processes = []
        folder = self.folder / team / slm
        (folder / "data").mkdir(parents=True)
        (folder / "data/rows.jsonl").write_text("")
        (folder / "slm.yaml").write_text(spec)
        organisation = self.folder / "shoal.yaml"
        teams = organisation.read_text() if organisation.exists() else "organisation: a shop\nteams:\n"
        organisation.write_text(teams + f"  {team}: {{description: answers}}\n")
        if not (world.home / "bases/tiny.json").exists():
            subprocess.run([sys.executable, SOURCE / "tools/tiny_base.py", world.folder / "tiny-base"], check=True)
            world.shoal("pull", f"file:{world.folder}/tiny-base", "--name=tiny")
        self.base = world.home / "bases/tiny.json"

    def shoal(self, *arguments, **options):
        return self.world.shoal(*arguments, cwd=self.folder, **options)

    def put(self, data):
        """Stores an artifact as the program does, but for the fsyncs."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / f".shoal/teams/{self.team}/artifacts/sha256" / digest[:2] / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(data)
            path.chmod(0o444)
        return digest

    def adapter(self, base, scale):
        fields, rows = [], []
        for name, examples in self.examples.items():
            fields.append({"name": name, "labels": list(examples)})
            for text in examples.values():
                rows.append(self.world.shoal("model", "embed", "tiny", self.render(text)).json())
        weight = b"".join(struct.pack("<f", scale * x) for row in rows for x in row)
        bias = b"".join(struct.pack("<f", 0.0) for _ in rows)
        header = {"__metadata__": {"format": "shoal-adapter/1", "kind": "frozen", "base": base,
                                   "fields": json.dumps(fields, separators=(",", ":"))},
                  "heads.weight": {"dtype": "F32", "shape": [len(rows), len(rows[0])],
                                   "data_offsets": [0, len(weight)]},
                  "heads.bias": {"dtype": "F32", "shape": [len(rows)],
                                 "data_offsets": [len(weight), len(weight) + len(bias)]}}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + weight + bias

    def register(self, scale=2.0, threshold=0.0, verdict="accepted", parent=None, at=1_790_000_000_000):
        """A version in the registry; different scales are different versions. Needs no service, and uses one."""
        base = self.put(self.base.read_bytes())
        self.last_adapter = self.adapter(base, scale)
        manifest = {"adapter": self.put(self.last_adapter), "base": base,
                    "calibration": {name: {"temperature": 1, "threshold": threshold} for name in self.examples},
                    "created_by": "os:tester", "created_ms": at, "dataset": self.put(b"no rows\n"),
                    "engine_build": "by hand", "format": 1, "parent": parent, "report": None,
                    "slm": self.slm, "spec": self.put(self.spec.encode()), "tables": {}, "team": self.team}
        arguments = {"manifest": manifest, "verdict": verdict, "reasons": [f"by hand: {verdict}"]}
        if any(p.poll() is None for p in self.processes):
            return self.admin("register", arguments)
        service = self.serve()
        answer = self.admin("register", arguments)
        self.world.stop(service)
        return answer

    @property
    def socket(self):
        return self.folder / f".shoal/teams/{self.team}/admin.sock"

    def admin(self, operation, arguments):
        answer = request(self.socket, "POST", f"/admin/{operation}", arguments)
        assert answer.status == 200, answer.body
        return answer.json()

    def serve(self, *flags, env=None):
        """Starts the service; its port is process.port."""
        process = self.world.start("serve", f"--team={self.team}", "--port=0", *flags, cwd=self.folder, env=env)
        self.processes.append(process)
        self.world.wait_for_port(process)
        return process

    def key(self, *flags):
        return self.shoal("key", "create", "tester", f"--team={self.team}", *flags).out.strip()


class Writer(Workspace):
    """An SLM that writes. Its base, tiny-writer, is a decoder that says what the steps are (tools/scripted_decoder.py); its
    version is that base as it is."""

    def __init__(self, world, steps, **options):
        super().__init__(world, examples={}, **options)
        folder = world.home / "bases/tiny-writer"
        subprocess.run([sys.executable, SOURCE / "tools/scripted_decoder.py", folder, json.dumps(steps)], check=True)
        model = (folder / "model.gguf").read_bytes()
        described = {"architecture": "llama", "name": "tiny-writer",
                     "files": {"model.gguf": {"bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}}}
        self.base = world.home / "bases/tiny-writer.json"
        self.base.write_bytes(canonical(described))

    def adapter(self, base, scale):
        header = json.dumps({"__metadata__": {"format": "shoal-adapter/1", "kind": "prompted", "base": base}}).encode()
        header += b" " * (-len(header) % 8)
        return struct.pack("<Q", len(header)) + header


def decide(process, key, text, tier="standard", idempotency=None, headers=None, **more):
    headers = {"authorization": f"Bearer {key}", **(headers or {})}
    if idempotency:
        headers["idempotency-key"] = idempotency
    return request(process.port, "POST", "/v1/slms/triage/decisions",
                   {"input": {"text": text, "tier": tier, **more}}, headers)
