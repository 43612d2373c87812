"""A version in one file: exported from one workspace, looked into with other programs, imported into another."""
import hashlib
import json
import subprocess
import tarfile

import shop
from story import request, story, tell


def made(world):
    """A workspace with a version in production, and its bundle."""
    folder = shop.make(world, candidates="finetuned")
    world.shoal("build", "support/triage", cwd=folder)
    world.shoal("promote", "support/triage", "@1", cwd=folder)
    world.shoal("export", "support/triage", "triage.shoal", cwd=folder)
    return folder, folder / "triage.shoal"


def another(world):
    """An empty workspace with two teams."""
    folder = world.folder / "elsewhere"
    folder.mkdir()
    (folder / "shoal.yaml").write_text("organisation: another shop\nteams:\n  support: {description: answers}\n"
                                       "  desk: {description: answers too}\n")
    return folder


def manifest(world, folder, slm, ref):
    return world.shoal("show", slm, ref, "--json", cwd=folder).json()["lineage"][0]["manifest"]


def artifacts(folder):
    return sorted(str(p) for p in folder.glob(".shoal/teams/*/artifacts/**/*") if p.is_file())


@story
def a_bundle_is_a_tar_archive_whose_sums_other_programs_check(world):
    folder, bundle = made(world)
    out = world.folder / "out"
    out.mkdir()
    subprocess.run(["tar", "xf", bundle], cwd=out, check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    version = world.shoal("show", "support/triage", "--json", cwd=folder).json()["version"]["version"]
    assert hashlib.sha256((out / "manifest.json").read_bytes()).hexdigest() == version
    assert (out / "slm.yaml").read_text() == (folder / "support/triage/slm.yaml").read_text()
    with tarfile.open(bundle) as archive:
        assert archive.getnames()[:2] == ["SHA256SUMS", "manifest.json"], archive.getnames()


@story
def an_imported_version_answers_as_it_did_where_it_was_made(world):
    folder, bundle = made(world)
    elsewhere = another(world)
    shown = world.shoal("import", bundle, cwd=elsewhere).out
    assert "support/triage @1 is accepted" in shown and "majority" in shown, shown
    here, there = manifest(world, elsewhere, "support/triage", "@1"), manifest(world, folder, "support/triage", "@1")
    assert here["origin"] == hashlib.sha256((json.dumps(there, sort_keys=True, separators=(",", ":"))).encode()).hexdigest()
    assert "imported" in world.shoal("show", "support/triage", cwd=elsewhere).out
    world.shoal("promote", "support/triage", "@1", cwd=elsewhere)
    rows = "".join(json.dumps(row["input"]) + "\n" for row in shop.rows(40, seed=99))
    (world.folder / "cases.jsonl").write_text(rows)
    answers = [[{k: v for k, v in json.loads(line).items() if k not in ("version", "model_ms", "id")}
                for line in world.shoal("decide", "support/triage", world.folder / "cases.jsonl", cwd=f).out.splitlines()]
               for f in (folder, elsewhere)]
    assert answers[0] == answers[1] and len(answers[0]) == 40


@story
def another_team_imports_it_while_its_service_runs(world):
    folder, bundle = made(world)
    elsewhere = another(world)
    service = world.start("serve", "--team=desk", "--port=0", cwd=elsewhere)
    world.wait_for_port(service)
    assert world.shoal("import", bundle, "--team=desk", "--json", cwd=elsewhere).json()["accepted"]
    world.shoal("promote", "desk/triage", "@1", cwd=elsewhere)
    key = world.shoal("key", "create", "tester", "--team=desk", cwd=elsewhere).out.strip()
    answer = request(service.port, "POST", "/v1/slms/triage/decisions",
                     {"input": {"text": "hello my lamp arrived broken thanks", "tier": "standard"}},
                     {"authorization": f"Bearer {key}"})
    assert answer.status == 200 and answer.json()["output"]["issue"] == "defect", answer.body


@story
def a_bundle_that_was_changed_or_has_no_place_here_leaves_nothing_behind(world):
    folder, bundle = made(world)
    elsewhere = another(world)
    whole = bundle.read_bytes()
    changed = world.folder / "changed.shoal"
    for at in (0, 300, len(whole) // 2, len(whole) - 1):
        changed.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        refused = world.shoal("import", changed, cwd=elsewhere, status=1)
        assert "changed.shoal" in refused.err, refused.err
    changed.write_bytes(whole[:-512])
    assert "cut off" in world.shoal("import", changed, cwd=elsewhere, status=1).err
    assert "no team 'sales'" in world.shoal("import", bundle, "--team=sales", cwd=elsewhere, status=1).err
    pulled = world.home / "bases"
    pulled.rename(world.home / "away")
    refused = world.shoal("import", bundle, cwd=elsewhere, status=1)
    assert "shoal pull tiny" in refused.err, refused.err
    assert artifacts(elsewhere) == [], artifacts(elsewhere)


tell()
