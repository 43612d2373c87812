"""shoal up and down: every team's service, supervised, and out of reach of the others."""
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys

import flow_shop
import shop
import story as stories
from handmade import EXAMPLES, Workspace
from story import Skip, request, story, tell, wait_until

NOBODY = 65534
PROGRAM = stories.SHOAL


def within_reach(world):
    """Other users get to the world's folder, and to the program, wherever it was built."""
    world.folder.chmod(0o711)
    stories.SHOAL = str(world.folder / "shoal")
    shutil.copy(PROGRAM, stories.SHOAL)
    world.env["ASAN_OPTIONS"] = "detect_leaks=0"  # its checker attaches to the process, which the fence forbids


class Swarm:
    """Support and Finance, each with an SLM in production, in a folder that other users get to."""

    def __init__(self, world):
        within_reach(world)
        self.world = world
        self.teams = [Workspace(world, team=team) for team in ("support", "finance")]
        for team in self.teams:
            team.register()
            team.shoal("promote", f"{team.team}/triage", "@1", "--why=first")
        self.folder = self.teams[0].folder
        self.keys = {team.team: team.key() for team in self.teams}

    def up(self, *flags, status=0, **options):
        return self.world.shoal("up", "--port=0", *flags, cwd=self.folder, status=status, **options)

    def down(self, **options):
        return self.world.shoal("down", cwd=self.folder, **options)

    def state(self, team):
        processes = json.loads((self.folder / ".shoal/up.json").read_text())["processes"]
        return next(p for p in processes if p["name"] == team)

    def decide(self, team):
        port = int(self.state(team)["address"].rsplit(":", 1)[1])
        return request(port, "POST", "/v1/slms/triage/decisions",
                       {"input": {"text": EXAMPLES["issue"]["delivery"], "tier": "standard"}},
                       {"authorization": f"Bearer {self.keys[team]}"})


def swarm(function):
    """A story with a Swarm that is down at its end, whatever happens."""
    def tells(world):
        s = Swarm(world)
        try:
            function(s)
        finally:
            s.down(status=None)
    tells.__name__ = function.__name__
    return story(tells)


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@swarm
def up_starts_every_team_and_down_stops_them(s):
    table = s.up().out
    assert re.search(r"^support\s+http://127.0.0.1:\d+\s+running\s+triage @1$", table, re.M), table
    assert [s.decide(team).status for team in ("support", "finance")] == [200, 200]
    pids = [s.state(team)["pid"] for team in ("support", "finance")]
    again = s.up()
    assert "runs already" in again.err and again.out == table, again.err
    s.world.shoal("new", "team", "sales", cwd=s.folder)
    assert re.search(r"^sales +- +- +new: shoal down, then shoal up$", s.up().out, re.M)
    s.down()
    assert not any(is_alive(pid) for pid in pids)
    assert "Nothing runs" in s.down().err
    logs = s.folder / ".shoal/logs"
    assert stat.S_IMODE(logs.stat().st_mode) == 0o700
    assert "support ended with status 0" in (logs / "up.log").read_text()


@swarm
def a_service_that_is_killed_comes_back_at_its_address(s):
    s.up()
    before = s.state("support")
    os.kill(before["pid"], signal.SIGKILL)
    wait_until("it starts again", lambda: s.state("support")["starts"] == 2 and s.state("support")["state"] == "running")
    after = s.state("support")
    assert after["address"] == before["address"] and after["ended"] == "was killed by signal 9", after
    assert s.decide("support").status == 200 and s.state("finance")["starts"] == 1


@swarm
def a_supervisor_that_is_killed_takes_the_services_along_and_up_starts_anew(s):
    s.up()
    before = s.state("support")["pid"]
    os.kill(int((s.folder / ".shoal/up.lock").read_text()), signal.SIGKILL)
    s.up()
    assert s.state("support")["pid"] != before and not is_alive(before)
    assert s.decide("support").status == 200


@swarm
def a_service_that_cannot_start_is_named_with_its_log_and_nothing_stays(s):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = s.world.shoal("up", f"--port={port}", cwd=s.folder, status=None)
    assert failed.status != 0 and "support does not start" in failed.err and str(port) in failed.err, failed.err
    assert not (s.folder / ".shoal/up.json").exists()
    s.up()  # and the next time it does


@swarm
def the_coordinator_s_keys_are_made_once_and_are_the_owner_s(s):
    s.up()
    path = s.folder / ".shoal/keys/support.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    key = path.read_text()
    s.down()
    s.up()
    assert path.read_text() == key and key.startswith("slm1_")
    listed = s.teams[0].shoal("key", "list", "--team=support").out
    assert listed.count("coordinator") == 1 and "flow" in listed, listed


@swarm
def the_command_line_builds_on_while_a_team_s_user_has_its_folder(s):
    """What root makes in the folder while the service runs is of use to the service."""
    if os.geteuid() != 0:
        raise Skip("only root has users to give")
    s.up("--boundary=users")
    team = s.teams[0]
    team.processes.append(Running())
    team.register(scale=3.0, at=1_790_000_001_000)
    team.shoal("promote", "support/triage", "@2", "--why=sharper")
    assert s.decide("support").status == 200
    assert "@2" in s.up().out
    decision = s.decide("support").json()
    team.shoal("feedback", "add", decision["id"], "--output=" + json.dumps({"issue": "other", "urgent": False}))
    team.shoal("feedback", "export", "support/triage", str(s.folder / "rows.jsonl"))
    assert len((s.folder / "rows.jsonl").read_text().splitlines()) == 1


@story
def a_build_by_root_gives_versions_that_the_team_s_user_serves(world):
    if os.geteuid() != 0:
        raise Skip("only root has users to give")
    within_reach(world)
    folder = shop.make(world, candidates="linear, frozen")
    try:
        world.shoal("up", "--port=0", "--boundary=users", cwd=folder)
        world.shoal("build", "support/triage", cwd=folder)
        world.shoal("promote", "support/triage", "@1", cwd=folder)
        assert "triage @1" in world.shoal("up", cwd=folder).out
        user = (folder / ".shoal/teams/support").stat().st_uid
        for path in (folder / ".shoal/teams/support").rglob("*"):
            assert not path.is_dir() or path.stat().st_uid == user, path
        world.shoal("down", cwd=folder)
        world.shoal("up", "--port=0", "--boundary=landlock", cwd=folder)
        assert "triage @1" in world.shoal("up", cwd=folder).out
    finally:
        world.shoal("down", cwd=folder)


def flow_crosses(world, boundary):
    """A run over both teams; the coordinator calls them with its own keys, and has no business in their folders."""
    within_reach(world)
    shop = flow_shop.Shop(world)
    secret = shop.folder / ".shoal/teams/coordinator"
    try:
        up = world.shoal("up", "--port=0", f"--boundary={boundary}", cwd=shop.folder)
        assert re.search(r"^coordinator\s+http://127.0.0.1:\d+\s+running\s+flows: dispute$", up.out, re.M), up.out
        run = world.shoal("flow", "run", "dispute", "--json", cwd=shop.folder, stdin=json.dumps(flow_shop.INPUT)).json()
        assert run["status"] == "succeeded", run
        assert stat.S_IMODE((secret / "teams.json").stat().st_mode) == 0o600
        processes = json.loads((shop.folder / ".shoal/up.json").read_text())["processes"]
        for p in processes:
            assert "Seccomp:\t2" in pathlib.Path(f"/proc/{p['pid']}/status").read_text(), p
        folders = {(shop.folder / ".shoal/teams" / p["name"]).stat().st_uid for p in processes}
        assert len(folders) == (3 if boundary == "users" else 1), folders
    finally:
        world.shoal("down", cwd=shop.folder, status=None)


@story
def a_flow_runs_over_two_teams_and_a_coordinator_of_users_of_their_own(world):
    if os.geteuid() != 0:
        raise Skip("only root has users to give")
    flow_crosses(world, "users")


@story
def a_flow_runs_over_two_teams_and_a_coordinator_behind_landlock(world):
    flow_crosses(world, "landlock")


class Running:
    """Says to Workspace.register() that a service has the files."""

    def poll(self):
        return None


# What one team's user tries on another team; prints what succeeded.
ATTEMPTS = """
import json, os, pathlib, socket, sys
me, folder, pid, workspace = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
os.setgroups([]); os.setresgid(me, me, me); os.setresuid(me, me, me)
def tried(name, action):
    try:
        action()
        print(name)
    except OSError:
        pass
tried("list the folder", lambda: os.listdir(folder))
for name in ("record.db", "registry.db", "artifacts", "lock"):
    tried("open " + name, lambda: os.open(folder / name, os.O_RDONLY))
tried("connect to the socket", lambda: socket.socket(socket.AF_UNIX).connect(str(folder / "admin.sock")))
for name in ("mem", "maps", "environ", "fd"):
    tried("open /proc/PID/" + name, lambda: os.listdir(f"/proc/{pid}/fd") if name == "fd" else open(f"/proc/{pid}/{name}").read(1))
tried("signal", lambda: os.kill(int(pid), 0))
tried("read the keys", lambda: os.listdir(workspace / ".shoal/keys"))
tried("read the logs", lambda: os.listdir(workspace / ".shoal/logs"))
"""


@swarm
def as_root_each_team_has_a_user_and_no_other_team_gets_to_it(s):
    if os.geteuid() != 0:
        raise Skip("only root has users to give")
    assert "a user for each" in s.up("--boundary=users").err
    users = {}
    for team in s.teams:
        folder = s.folder / ".shoal/teams" / team.team
        users[team.team] = folder.stat().st_uid
        status = pathlib.Path(f"/proc/{s.state(team.team)['pid']}/status").read_text()
        assert re.search(rf"^Uid:\t{users[team.team]}\t{users[team.team]}\t", status, re.M), status
        assert re.search(r"^Groups:\t *$", status, re.M) and re.search(r"^CapPrm:\t0+$", status, re.M), status
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.rglob("*"):
            assert path.lstat().st_uid == users[team.team], path
    assert users["support"] != users["finance"] and 0 not in users.values(), users

    def attempts(by, on):
        done = subprocess.run([sys.executable, "-c", ATTEMPTS, str(users[by]), s.folder / ".shoal/teams" / on,
                               str(s.state(on)["pid"]), s.folder], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()
    assert attempts("support", "finance") == [] == attempts("finance", "support")
    assert {"open record.db", "connect to the socket", "signal"} <= set(attempts("finance", "finance"))


def fenced(s):
    """What the kernel says of the services, and what one of them can do for us when its owner asks."""
    for team in s.teams:
        status = pathlib.Path(f"/proc/{s.state(team.team)['pid']}/status").read_text()
        opened = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{s.state(team.team)['pid']}/fd").iterdir()]
        allowed = str(s.folder / ".shoal/teams" / team.team), "/dev/null", str(s.folder / f".shoal/logs/{team.team}.log")
        foreign = [name for name in opened if name.startswith("/") and not name.startswith(allowed + (str(s.world.home),))]
        assert not foreign, foreign  # nothing was inherited: keys, other teams' files, a terminal
        for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"):
            assert line in status, (line, status)
    support = s.teams[0]
    theirs = s.folder / ".shoal/teams/finance/planted"
    answer = request(support.socket, "POST", "/admin/feedback_export", {"slm": "triage", "path": str(theirs)})
    assert answer.status >= 400 and not theirs.exists(), answer.body
    ours = s.folder / ".shoal/teams/support/planted"
    answer = request(support.socket, "POST", "/admin/feedback_export", {"slm": "triage", "path": str(ours)})
    assert answer.status == 200 and ours.exists(), answer.body


@swarm
def behind_landlock_a_service_writes_in_its_own_folder_alone(s):
    assert "Landlock" in s.up("--boundary=landlock").err
    fenced(s)
    assert s.decide("support").status == 200
    team = s.teams[0]
    team.processes.append(Running())
    team.register(scale=3.0, at=1_790_000_001_000)  # a version is opened behind the fence
    team.shoal("promote", "support/triage", "@2", "--why=sharper")
    assert s.decide("support").status == 200 and "@2" in s.up().out


def as_nobody(s, before=None):
    """up by a user who is not root; only root can try that."""
    if os.geteuid() != 0:
        return s.up()
    for path in [s.world.folder, *s.world.folder.rglob("*")]:
        os.lchown(path, NOBODY, NOBODY)
    return subprocess.run([stories.SHOAL, "up", "--port=0"], cwd=s.folder, env=s.world.env, user=NOBODY, group=NOBODY, extra_groups=[],
                          capture_output=True, text=True, preexec_fn=before)


@swarm
def who_is_not_root_gets_landlock(s):
    done = as_nobody(s)
    assert done.returncode == 0 and "Landlock" in done.stderr, done.stderr
    fenced(s)
    assert s.decide("finance").status == 200


def without_landlock():
    """In a child before exec: the kernel answers as one that has no Landlock (ENOSYS)."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)]
    filters = b"".join(c.to_bytes(2, "little") + bytes([t, f]) + k.to_bytes(4, "little") for c, t, f, k in code)
    buffer = ctypes.create_string_buffer(filters)
    program = len(code).to_bytes(8, "little") + ctypes.addressof(buffer).to_bytes(8, "little")
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.create_string_buffer(program)) == 0


@swarm
def where_teams_cannot_be_kept_apart_nothing_starts(s):
    if os.geteuid() != 0:
        raise Skip("the story becomes another user, which root alone can")
    refused = as_nobody(s, before=without_landlock)
    assert refused.returncode == 1, refused.stderr
    assert "teams cannot be kept apart here: only root can" in refused.stderr and "Landlock" in refused.stderr, refused.stderr
    assert not (s.folder / ".shoal/up.json").exists()


@swarm
def without_landlock_users_keep_teams_apart_when_nobody_else_may_read_their_rows(s):
    if os.geteuid() != 0:
        raise Skip("only root has users to give")

    def up():
        return subprocess.run([stories.SHOAL, "up", "--port=0", "--boundary=users"], cwd=s.folder, env=s.world.env,
                              capture_output=True, text=True, preexec_fn=without_landlock)
    refused = up()
    assert refused.returncode == 1 and "chmod 700" in refused.stderr, refused.stderr
    for team in ("support", "finance"):
        (s.folder / team).chmod(0o700)
    started = up()
    assert started.returncode == 0 and "a user for each." in started.stderr, started.stderr
    assert s.decide("support").status == 200


tell()
