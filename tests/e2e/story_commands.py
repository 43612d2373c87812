"""What a person meets first: help, settings, mistakes."""
import re

from story import SOURCE, story, tell


@story
def help_lists_every_command_and_each_has_an_example(world):
    overview = world.shoal("--help").out
    names = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", overview, re.M)
    assert len(names) >= 4, overview
    for name in names:
        text = world.shoal(*name.split(), "--help").out
        assert f"usage: shoal {name}" in text and "example\n  " in text, text


@story
def a_group_of_commands_has_help_of_its_own(world):
    text = world.shoal("model", "--help").out
    assert "model show" in text and "pull" not in text, text


@story
def a_misspelt_command_is_answered_with_the_one_that_was_meant(world):
    result = world.shoal("pul", "x", status=2)
    assert result.err == "shoal: unknown command 'pul'\n       did you mean: shoal pull\n", result.err


@story
def a_misspelt_option_is_answered_with_the_one_that_was_meant(world):
    result = world.shoal("pull", "x", "--print-pth", status=2)
    assert "did you mean: --print-path" in result.err, result.err


@story
def a_missing_argument_is_wrong_usage(world):
    result = world.shoal("pull", status=2)
    assert "usage: shoal pull NAME" in result.err, result.err


@story
def a_setting_comes_from_its_default_then_the_environment_then_the_flag(world):
    def source(result):
        return {row["name"]: (row["value"], row["source"]) for row in result.json()}["cpu"]

    assert source(world.shoal("config", "--json")) == ("auto", "default")
    assert source(world.shoal("config", "--json", env={"SHOAL_CPU": "scalar"})) == ("scalar", "environment")
    assert source(world.shoal("config", "--json", "--cpu=avx2", env={"SHOAL_CPU": "scalar"})) == ("avx2", "flag")


@story
def a_setting_with_a_value_it_does_not_take_is_refused_by_its_name(world):
    flag = world.shoal("config", "--threads=0", status=2)
    assert "--threads '0': expected a number from 1 to 256" in flag.err, flag.err
    variable = world.shoal("config", status=2, env={"SHOAL_CPU": "mmx"})
    assert "SHOAL_CPU 'mmx': expected auto|scalar|avx2|avx512|vnni" in variable.err, variable.err


@story
def the_secret_key_is_never_shown(world):
    result = world.shoal("config", env={"SHOAL_KEY": "hunter2"})
    assert "hunter2" not in result.out and "(set)" in result.out, result.out


@story
def the_manual_has_the_table_of_settings_that_the_program_has(world):
    table = world.shoal("config", "--markdown").out
    assert table in (SOURCE / "docs/operations.md").read_text(), table


@story
def the_workspace_is_found_upwards(world):
    deep = world.folder / "shop/support"
    deep.mkdir(parents=True)
    (world.folder / "shop/shoal.yaml").write_text("name: shop\n")
    rows = {row["name"]: row["value"] for row in world.shoal("config", "--json", cwd=deep).json()}
    assert rows["workspace"] == str((world.folder / "shop").resolve()), rows


@story
def the_version_names_the_code(world):
    first, second = world.shoal("--version").out, world.shoal("--version").out
    assert first == second and re.fullmatch(r"shoal \d+\.\d+\.\d+ \(src-[0-9a-f]{16}\)\n", first), first


@story
def an_error_under_json_is_json(world):
    import json
    error = json.loads(world.shoal("pull", "no-such-base", "--json", status=1).err)["error"]
    assert error["code"] == "not_found" and "next" in error, error


@story
def a_new_workspace_team_and_slm_lead_to_answers_by_what_each_says_is_next(world):
    assert "Next: cd acme, and shoal new team TEAM" in world.shoal("new", "workspace", "acme").err
    acme = world.folder / "acme"
    assert "0 errors" in world.shoal("check", cwd=acme).out
    for team in ("support", "finance"):
        assert f"Next: shoal new slm {team}/SLM" in world.shoal("new", "team", team, cwd=acme).err
    assert "shoal build support/inbox" in world.shoal("new", "slm", "support/inbox", cwd=acme).err
    assert "1 spec checked, 0 errors" in world.shoal("check", cwd=acme).out
    assert "next: shoal promote support/inbox @1" in world.shoal("build", "support/inbox", cwd=acme).out
    world.shoal("promote", "support/inbox", "@1", cwd=acme)
    answer = world.shoal("decide", "support/inbox", "--json", cwd=acme,
                         stdin='{"text": "the invoice is wrong, I need it today", "tier": "business"}').json()
    assert answer["output"] == {"topic": "billing", "urgent": True}, answer


@story
def a_new_team_leaves_the_rest_of_shoal_yaml_as_it_is(world):
    for before, after in (("organisation: a\nteams:\n  x: {}\n  # about y\n  y: {description: d}\n\n# end\n",
                           "organisation: a\nteams:\n  x: {}\n  # about y\n  y: {description: d}\n"
                           "  z:\n    description: what this team does\n\n# end\n"),
                          ("teams: {}\norganisation: a\n",
                           "teams:\n  z:\n    description: what this team does\norganisation: a\n")):
        (world.folder / "shoal.yaml").write_text(before)
        world.shoal("new", "team", "z")
        assert (world.folder / "shoal.yaml").read_text() == after
        assert "already" in world.shoal("new", "team", "z", status=1).err
    other = "organisation: a\nteams: {x: {}}\n"
    (world.folder / "shoal.yaml").write_text(other)
    assert "by hand" in world.shoal("new", "team", "z", status=1).err
    assert (world.folder / "shoal.yaml").read_text() == other


@story
def new_refuses_what_is_there_and_names_that_cannot_be(world):
    world.shoal("new", "workspace", "acme")
    assert "already" in world.shoal("new", "workspace", "acme", status=1).err
    for name in ("a/b", "Support", "a_b"):
        refused = world.shoal("new", "team", name, cwd=world.folder / "acme", status=2).err
        assert f"'{name}' is no name: lower-case letters, digits and '-'" in refused
    assert "shoal new team x" in world.shoal("new", "slm", "x/y", cwd=world.folder / "acme", status=1).err


tell()
