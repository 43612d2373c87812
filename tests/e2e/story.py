"""Stories: the real program, driven as a person or an application would, checked from outside.

    from story import story, tell

    @story
    def a_wrong_digest_is_refused_and_nothing_is_kept(world):
        result = world.shoal("pull", "file:tampered", status=1)
        ...

    tell()

Each story gets a world: an empty folder, a SHOAL_HOME in it, and no SHOAL_* setting of the caller. What it started is
stopped when it ends. The output is TAP. Python's standard library only.
"""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

STORIES = []
SOURCE = pathlib.Path(os.environ.get("SHOAL_SOURCE", pathlib.Path(__file__).parents[2])).resolve()
SHOAL = os.environ.get("SHOAL", SOURCE / "build/src/cli/shoal")
WAIT_S = 120  # for something that must happen; not a measurement


class Skip(Exception):
    pass


def story(function):
    STORIES.append(function)
    return function


def test_base():
    """The folder of the real base, or the story is skipped."""
    base = os.environ.get("SHOAL_TEST_BASE", "")
    if not (pathlib.Path(base) / "model.safetensors").is_file() or not base:
        raise Skip("SHOAL_TEST_BASE names no folder with a model.safetensors")
    return pathlib.Path(base)


def needs_failpoints(world):
    """The story is skipped with a program that was built without them."""
    probe = world.shoal("config", status=None, env={"SHOAL_FAILPOINT_LOG": str(world.folder / "probe")})
    if probe.status != 0 and "failpoint" in probe.err:
        raise Skip("this build has no failpoints (-Dfailpoints=true)")


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def json(self):
        return json.loads(self.out)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class World:
    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SHOAL_")}
        self.env["SHOAL_HOME"] = str(self.home)
        self.processes = []

    def shoal(self, *arguments, status=0, env=None, stdin=None, cwd=None):
        """Runs a command to its end; status None: any."""
        done = subprocess.run([SHOAL, *map(str, arguments)], cwd=cwd or self.folder, env={**self.env, **(env or {})},
                              input=stdin, capture_output=True, text=True, timeout=10 * WAIT_S)
        assert status is None or done.returncode == status, \
            f"shoal {' '.join(map(str, arguments))}: status {done.returncode}, expected {status}\n{done.stdout}{done.stderr}"
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments, env=None, cwd=None):
        """Starts a command that stays; its outputs go to files in the world's folder."""
        log = open(self.folder / f"process-{len(self.processes)}.log", "w+b")
        process = subprocess.Popen([SHOAL, *map(str, arguments)], cwd=cwd or self.folder,
                                   env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT)
        process.log = log.name
        self.processes.append(process)
        return process

    def wait_for_port(self, process):
        """Until the line "team T: http://HOST:PORT" is there; sets process.port."""
        def has_line():
            found = re.search(r"^team \S+: http://\S+:(\d+)$", open(process.log).read(), re.M)
            process.port = int(found.group(1)) if found else None
            return found
        wait_until("the service says its port", has_line, process)

    def stop(self, process, sign=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(sign)
        return process.wait(timeout=WAIT_S)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def request(place, method, path, body=None, headers=None, timeout=WAIT_S):
    """One HTTP request; place is a port on loopback, or the path of a UNIX socket. A dict becomes JSON."""
    connection = (http.client.HTTPConnection("127.0.0.1", place, timeout=timeout) if isinstance(place, int)
                  else UnixConnection(place, timeout))
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers.setdefault("content-type", "application/json")
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


def wait_until(what, condition, process=None):
    """Polls until condition() is true; fails when the process dies before."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if condition():
            return
        if process and process.poll() is not None:
            raise AssertionError(f"{what}: the process ended with {process.returncode}:\n" + open(process.log).read())
        time.sleep(0.02)
    raise AssertionError(f"{what}: not after {WAIT_S} s" + (":\n" + open(process.log).read() if process else ""))


def tell():
    """Runs the stories, or those named in the arguments, and ends the program."""
    wanted = [s for s in STORIES if not sys.argv[1:] or s.__name__ in sys.argv[1:]]
    failed = 0
    print(f"1..{len(wanted)}", flush=True)
    for number, function in enumerate(wanted, 1):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="shoal-story-"))
        world = World(folder)
        title = function.__name__
        try:
            function(world)
            line = f"ok {number} - {title}"
        except Skip as skip:
            # On the gate a story that cannot run is a failure.
            is_gate = os.environ.get("CI") == "true"
            failed += is_gate
            line = f"not ok {number} - {title}: {skip}" if is_gate else f"ok {number} - {title} # SKIP {skip}"
        except Exception:
            failed += 1
            line = "".join("# " + text + "\n" for text in traceback.format_exc().splitlines())
            line += f"not ok {number} - {title}"
        finally:
            world.close()
            shutil.rmtree(folder, ignore_errors=True)
        print(line, flush=True)
    sys.exit(1 if failed else 0)
