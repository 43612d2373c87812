"""From the team's files to a served decision: builds with the program, as a person would make them."""
import json
import signal
import time

import shop
from story import needs_failpoints, request, story, tell


def build(world, folder, *flags, status=0, env=None):
    return world.shoal("build", "support/triage", "--json", *flags, cwd=folder, status=status, env=env).json()


def serve(world, folder, **options):
    process = world.start("serve", "--team=support", "--port=0", cwd=folder, **options)
    world.wait_for_port(process)
    return process


def decide(process, key, text, tier="standard"):
    answer = request(process.port, "POST", "/v1/slms/triage/decisions", {"input": {"text": text, "tier": tier}},
                     {"authorization": f"Bearer {key}"})
    assert answer.status == 200, answer.body
    return answer.json()


@story
def a_spec_and_rows_become_a_served_decision_with_its_lineage(world):
    folder = shop.make(world)
    first = build(world, folder)
    assert first["accepted"] and first["number"] == 1, first
    world.shoal("promote", "support/triage", "@1", cwd=folder)
    key = world.shoal("key", "create", "tester", "--team=support", cwd=folder).out.strip()
    service = serve(world, folder)
    d = decide(service, key, "hello my lamp arrived broken thanks")
    assert d["output"] == {"issue": "defect", "urgent": False} and d["version"] == first["version"], d
    assert decide(service, key, "hello my lamp arrived broken thanks", "business")["output"]["urgent"] is True
    shown = world.shoal("show", "support/triage", cwd=folder).out
    for part in ("spec", "rows", "adapter", "report", "code", "majority", "rules only", "<- production"):
        assert part in shown, (part, shown)
    assert "the same bytes" in world.shoal("replay", d["id"], "--cpu=scalar", cwd=folder).out


@story
def a_base_that_is_not_here_is_named_with_the_command_that_gets_it(world):
    folder = shop.make(world, candidates="frozen")
    spec = folder / "support/triage/slm.yaml"
    spec.write_text(spec.read_text().replace("base: tiny", "base: smollm2-135m-instruct"))
    refused = world.shoal("build", "support/triage", cwd=folder, status=1).err
    assert "base 'smollm2-135m-instruct' is not in" in refused, refused
    assert "shoal pull smollm2-135m-instruct gets it" in refused, refused


@story
def the_same_build_again_is_the_same_version(world):
    folder = shop.make(world)
    assert build(world, folder)["version"] == build(world, folder)["version"]
    assert len(world.shoal("list", "support/triage", "--json", cwd=folder).json()["versions"]) == 1


@story
def a_version_that_misses_a_gate_is_registered_as_rejected_and_refused_production(world):
    folder = shop.make(world, minimum="1.0", candidates="linear")
    spec = folder / "support/triage/slm.yaml"
    spec.write_text(spec.read_text().replace("field: issue, min: 1.0", "field: urgent, min: 1.0"))
    rows = list(shop.rows())
    for row in rows[::5]:  # labels that nobody could learn
        row["output"]["urgent"] = not row["output"]["urgent"] or row["input"]["tier"] == "business"
    (folder / "support/triage/data/rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    result = build(world, folder, status=1)
    assert not result["accepted"] and any("accuracy" in r for r in result["reasons"]), result["reasons"]
    refused = world.shoal("promote", "support/triage", "@1", cwd=folder, status=1)
    assert "rejected" in refused.err and "which gate it missed" in refused.err, refused.err


@story
def a_change_of_rules_alone_keeps_the_weights(world):
    folder = shop.make(world)
    build(world, folder)
    spec = folder / "support/triage/slm.yaml"
    spec.write_text(spec.read_text().replace("A business customer is urgent.", "Business customers are always urgent."))
    assert build(world, folder)["number"] == 2
    manifests = [world.shoal("show", "support/triage", ref, "--json", cwd=folder).json()["lineage"][0]["manifest"]
                 for ref in ("@1", "@2")]
    assert manifests[0]["adapter"] == manifests[1]["adapter"] and manifests[0]["spec"] != manifests[1]["spec"]


@story
def feedback_makes_a_challenger_that_is_held_against_production(world):
    folder = shop.make(world)
    first = build(world, folder)
    world.shoal("promote", "support/triage", "@1", cwd=folder)
    key = world.shoal("key", "create", "tester", "--team=support", cwd=folder).out.strip()
    service = serve(world, folder)
    d = decide(service, key, "the hinge squeaks")
    world.shoal("feedback", "add", d["id"], '--output={"issue":"defect","urgent":false}', cwd=folder)
    second = build(world, folder)  # while the service runs: it has the files
    assert second["accepted"] and second["number"] == 2, second
    lineage = world.shoal("show", "support/triage", "@2", "--json", cwd=folder).json()["lineage"]
    assert [a["version"]["number"] for a in lineage] == [2, 1], lineage
    assert lineage[0]["manifest"]["dataset"] != lineage[1]["manifest"]["dataset"]
    assert "production" in world.shoal("show", "support/triage", "@2", cwd=folder).out
    world.shoal("promote", "support/triage", "@2", "--why=learnt", cwd=folder)
    assert decide(service, key, "the hinge squeaks")["version"] == second["version"] != first["version"]
    assert "production is now @1" in world.shoal("rollback", "support/triage", cwd=folder).out
    assert decide(service, key, "the hinge squeaks")["version"] == first["version"]


@story
def a_broken_spec_is_refused_before_anything_begins(world):
    folder = shop.make(world)
    spec = folder / "support/triage/slm.yaml"
    spec.write_text(spec.read_text().replace("must: urgent = true", "must: urgentt = true"))
    checked = world.shoal("check", cwd=folder, status=1).out
    assert "slm.yaml:17:11: error" in checked and "urgentt" in checked, checked
    result = world.shoal("build", "support/triage", cwd=folder, status=1)
    assert "urgentt" in result.err, result.err
    assert "no SLM" in world.shoal("build", "support/triagge", cwd=folder, status=1).err


@story
def a_build_that_is_interrupted_says_how_to_go_on_and_goes_on(world):
    needs_failpoints(world)
    folder = shop.make(world)
    process = world.start("build", "support/triage", cwd=folder, env={"SHOAL_FAILPOINT": "train.after_step=sleep:200"})
    log = process.log
    end = time.monotonic() + 60
    while "train.finetuned evaluation" not in open(log).read() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    assert world.stop(process, signal.SIGINT) == 1
    assert "shoal build support/triage goes on from here" in open(log).read(), open(log).read()
    assert build(world, folder)["accepted"]


tell()
