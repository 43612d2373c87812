"""Two teams of one workspace, each with its own service, files and keys."""
from handmade import EXAMPLES, Workspace, decide
from story import request, story, tell


def two_teams(world):
    """Support and Finance, each with an SLM of its own in production. Finance's is called like Support's."""
    teams = [Workspace(world, team=team) for team in ("support", "finance")]
    for team in teams:
        team.register()
        team.shoal("promote", f"{team.team}/triage", "@1", "--why=first")
    return teams


@story
def the_services_of_two_teams_run_side_by_side_and_know_only_their_own(world):
    support, finance = two_teams(world)
    keys = [support.key(), finance.key()]
    services = [support.serve(), finance.serve()]
    ids = []
    for service, key in zip(services, keys):
        answer = decide(service, key, EXAMPLES["issue"]["delivery"])
        assert answer.status == 200, answer.body
        ids.append(answer.json()["id"])
    assert decide(services[1], keys[0], "hello").status == 401, "a key of Support opened Finance"
    foreign, unknown = (request(services[1].port, "GET", f"/v1/decisions/{name}",
                                headers={"authorization": f"Bearer {keys[1]}"}) for name in (ids[0], "dec_0"))
    assert foreign.status == unknown.status == 404, (foreign.body, unknown.body)


@story
def a_list_of_the_workspace_asks_every_team_with_and_without_its_service(world):
    support, finance = two_teams(world)
    without = support.shoal("list").out
    service = finance.serve()
    assert support.shoal("list").out == without
    assert "support/triage" in without and "finance/triage" in without, without
    support.register(scale=3.0, at=1_790_000_001_000)
    support.shoal("promote", "support/triage", "@2", "--why=sharper")
    assert "@2" not in finance.shoal("list", "finance/triage").out, "a version of Support was registered at Finance"
    assert world.stop(service) == 0


@story
def a_team_s_state_lies_in_its_folder_alone(world):
    support, finance = two_teams(world)
    state = support.folder / ".shoal"
    assert [p.name for p in state.iterdir()] == ["teams"], list(state.iterdir())
    files = [sorted(p.name for p in (state / "teams" / team).iterdir()) for team in ("support", "finance")]
    assert files[0] == files[1] and {"artifacts", "record.db", "registry.db"} <= set(files[0]), files


tell()
