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


tell()
