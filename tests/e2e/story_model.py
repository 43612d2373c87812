"""Anyone can look inside a model."""
import json
import math
import subprocess
import sys

from story import SOURCE, story, tell


def tiny_base(world):
    folder = world.folder / "tiny"
    subprocess.run([sys.executable, SOURCE / "tools/tiny_base.py", folder], check=True)
    return folder


@story
def a_model_shows_its_shape_and_its_tensors(world):
    shown = world.shoal("model", "show", tiny_base(world), "--json").json()
    assert shown["config"]["layers"] == 2 and shown["config"]["width"] == 64, shown["config"]
    names = {t["name"]: t["shape"] for t in shown["tensors"]}
    assert names["encoder.layer.1.output.dense.weight"] == [64, 128], names
    text = world.shoal("model", "show", world.folder / "tiny/model.safetensors").out
    assert "bert: 2 layers, 64 wide" in text and "F32  64 x 128      encoder.layer.0.output" in text, text


@story
def a_pulled_base_is_found_by_its_name(world):
    world.shoal("pull", f"file:{tiny_base(world)}", "--name=mini")
    assert "bases/mini/model.safetensors" in world.shoal("model", "show", "mini").out
    missing = world.shoal("model", "show", "tinny", status=1)
    assert "'tinny' is neither a file nor a pulled base" in missing.err and "shoal pull tinny" in missing.err


@story
def a_text_is_shown_as_the_model_sees_it(world):
    base = tiny_base(world)
    pieces = [t["piece"] for t in world.shoal("model", "tokenize", base, "My PARCEL is late!", "--json").json()]
    assert pieces == ["[CLS]", "my", "parcel", "is", "late", "!", "[SEP]"], pieces
    assert world.shoal("model", "tokenize", base, stdin="late\n").out.split() == ["2", "[CLS]",
                                                                                 *world.shoal("model", "tokenize", base,
                                                                                              "late").out.split()[2:]]


@story
def a_text_has_the_same_vector_to_the_last_bit_on_every_kernel_row(world):
    base = tiny_base(world)
    best = world.shoal("model", "embed", base, "where is my parcel")
    assert world.shoal("model", "embed", base, "where is my parcel", "--cpu=scalar").out == best.out
    vector = best.json()
    assert len(vector) == 64 and abs(math.fsum(x * x for x in vector) - 1) < 1e-5


@story
def int8_stays_close_to_f32(world):
    base = tiny_base(world)
    int8, f32 = (world.shoal("model", "embed", base, "where is my parcel", *flags).json() for flags in ([], ["--f32"]))
    assert math.fsum(a * b for a, b in zip(int8, f32)) > 0.995


@story
def a_text_over_the_positions_is_an_error_and_never_cut(world):
    result = world.shoal("model", "embed", tiny_base(world), "late " * 600, status=1)
    assert "602 tokens, the model 512 positions" in result.err, result.err


@story
def names_inside_a_model_cannot_write_to_the_terminal(world):
    folder = world.folder / "evil"
    folder.mkdir()
    header = json.dumps({"a\u001b[31mb": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\0\0")
    text = world.shoal("model", "show", folder).out
    assert "\x1b" not in text and "u001b" in text, repr(text)


tell()
