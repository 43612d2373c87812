"""kill -9 of a build at every failpoint it passes and at random moments: started again it goes on, and it ends in the one
version that a build left alone ends in.
"""
import collections
import os
import random
import signal
import threading

import shop
from story import needs_failpoints, story, tell

ROUNDS = int(os.environ.get("STORY_CRASH_ROUNDS", "6"))  # of random moments; 50 by hand
CANDIDATES = "linear, frozen, finetuned"


def parts(world, folder):
    """What the only version is made of, its times apart."""
    versions = world.shoal("list", "support/triage", "--json", cwd=folder).json()["versions"]
    assert len(versions) == 1, versions
    manifest = world.shoal("show", "support/triage", "@1", "--json", cwd=folder).json()["lineage"][0]["manifest"]
    return {k: manifest[k] for k in ("adapter", "dataset", "spec", "base", "calibration")}


@story
def at_every_failpoint_of_a_build_the_next_start_ends_in_the_same_version(world):
    needs_failpoints(world)
    log = world.folder / "passed"
    folder = shop.make(world, "alone", CANDIDATES)
    world.shoal("build", "support/triage", cwd=folder, env={"SHOAL_FAILPOINT_LOG": str(log)})
    alone = parts(world, folder)
    passages = collections.Counter(log.read_text().split())
    assert {"build.stage_recorded", "train.after_checkpoint", "registry.before_register_commit"} <= set(passages)

    for name, count in sorted(passages.items()):
        for at in sorted({1, count // 2 + 1, count}):
            crash = f"{name}=crash@{at}"
            folder = shop.make(world, f"{name}-{at}", CANDIDATES)
            died = world.shoal("build", "support/triage", cwd=folder, status=None, env={"SHOAL_FAILPOINT": crash})
            assert died.status == -signal.SIGKILL, (crash, died.status, died.err)
            world.shoal("build", "support/triage", cwd=folder)
            assert parts(world, folder) == alone, crash
            assert not list(folder.rglob("*.tmp-*")), crash


@story
def killed_at_random_moments_a_build_ends_in_the_same_version(world):
    folder = shop.make(world, "alone", CANDIDATES)
    world.shoal("build", "support/triage", cwd=folder)
    alone = parts(world, folder)
    seed = int(os.environ.get("TEST_SEED", random.randrange(1 << 30)))
    rng = random.Random(seed)
    for turn in range(ROUNDS):
        folder = shop.make(world, f"turn-{turn}", CANDIDATES)
        for _ in range(3):  # killed three times on its way
            process = world.start("build", "support/triage", cwd=folder)
            killer = threading.Timer(rng.uniform(0.02, 1.2), process.kill)
            killer.start()
            process.wait()
            killer.cancel()
        world.shoal("build", "support/triage", cwd=folder)
        assert parts(world, folder) == alone, (seed, turn)


tell()
