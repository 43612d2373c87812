"""What an editor says of a spec, by share/schema and an outside validator, is what `shoal check` says of its form."""
import copy
import json

from story import SOURCE, Skip, story, tell

try:
    import jsonschema
    import yaml
except ImportError as missing:
    jsonschema, MISSING = None, missing

GOOD = {
    "slm": "triage",
    "input": {"type": "object", "required": ["text"],
              "properties": {"text": {"type": "string", "maxLength": 400}, "total": {"type": "number", "minimum": 0}}},
    "output": {"type": "object", "properties": {"issue": {"enum": ["billing", "other"]}, "urgent": {"type": "boolean"}}},
    "facts": {"large": "total != null and total >= 1000"},
    "rules": [{"name": "R1", "when": "large", "must": "urgent = true", "text": "A large order is urgent."}],
    "derived": {"due": "now()"},
    "data": [{"path": "rows.jsonl", "split": "train"},
             {"path": "rows.csv", "columns": {"Text": "input.text", "Issue": "output.issue", "Urgent": "output.urgent"}}],
    "split": {"validation": 0.2, "test": 0.2},
    "training": {"candidates": ["linear", "frozen"], "epochs": 2, "seed": 7},
    "gates": [{"metric": "accuracy", "field": "issue", "min": 0.5}],
}
LEAST = {name: GOOD[name] for name in ("slm", "input", "output", "data")}

# What is put where: a path of keys, and the value; None takes the member away.
RIGHT = [
    (("description",), "sorts tickets"), (("show",), ["text", "large"]), (("training", "epochs"), 100),
    (("gates", 0, "min"), 1), (("rules", 0, "when"), None), (("input", "properties", "total", "default"), 3),
]
WRONG = [
    (("slm",), None), (("input",), None), (("output",), None), (("data",), None), (("slm",), "two words"),
    (("slm",), 7), (("sml",), "triage"), (("data",), "rows.jsonl"), (("data", 0, "path"), None),
    (("data", 0, "pth"), "x"), (("data", 0, "split"), "half"), (("facts",), ["large"]), (("facts", "large"), 1),
    (("rules", 0, "name"), None), (("rules", 0, "name"), ""), (("rules",), {"R1": "true"}),
    (("training", "epochs"), 0), (("training", "epochs"), 101), (("training", "epochs"), 1.5),
    (("training", "epochs"), "2"), (("training", "candidates"), ["svm"]), (("training",), [1]),
    (("gates", 0, "metric"), "f1"), (("gates", 0, "metric"), None), (("gates", 0, "min"), "0.5"),
    (("input", "properties", "text", "type"), "strin"), (("input", "properties", "text", "pattrn"), "x"),
    (("input", "properties", "text", "maxLength"), -1), (("output", "type"), 3),
    (("tables",), {"t": {"path": "t.csv"}}), (("tables",), {"t": {"path": "t.csv", "columns": {"a": 1}}}),
]


def changed(path, value):
    spec = copy.deepcopy(GOOD)
    at = spec
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return spec


def validator(name):
    if not jsonschema:
        raise Skip(str(MISSING))
    schema = json.loads((SOURCE / "share/schema" / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check(world, spec):
    path = world.folder / "slm.yaml"
    path.write_text(json.dumps(spec))  # JSON is YAML
    return world.shoal("check", path, status=None)


@story
def specs_of_the_right_form_pass_both(world):
    judge = validator("slm.schema.json")
    for spec in [GOOD, LEAST, *(changed(*change) for change in RIGHT)]:
        judge.validate(spec)
        result = check(world, spec)
        assert result.status == 0, (result.out, spec)


@story
def specs_of_a_wrong_form_fail_both(world):
    judge = validator("slm.schema.json")
    for change in WRONG:
        spec = changed(*change)
        result = check(world, spec)
        assert result.status == 1, (change, result.out, result.err)
        assert not judge.is_valid(spec), change


@story
def every_spec_and_flow_of_the_examples_has_the_form(world):
    for kind in ("slm", "flow"):
        judge = validator(f"{kind}.schema.json")
        for path in sorted((SOURCE / "examples").rglob(f"{kind}.yaml")):
            judge.validate(yaml.safe_load(path.read_text()))


@story
def the_workspace_of_the_examples_has_no_error_its_flow_and_contracts_included(world):
    result = world.shoal("check", cwd=SOURCE / "examples/ecommerce")
    assert "1 flow checked, 0 errors" in result.out, result.out


tell()
