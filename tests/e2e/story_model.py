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


def tiny_decoder(world):
    folder = world.folder / "tiny-decoder"
    subprocess.run([sys.executable, SOURCE / "tools/tiny_decoder.py", folder], check=True)
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
def a_decoder_shows_its_keys_and_its_tensors(world):
    shown = world.shoal("model", "show", tiny_decoder(world), "--json").json()
    assert shown["metadata"]["llama.block_count"] == "2", shown["metadata"]
    tensors = {t["name"]: (t["type"], t["shape"]) for t in shown["tensors"]}
    assert tensors["blk.1.ffn_down.weight"] == ("Q4_1", [64, 96]), tensors
    text = world.shoal("model", "show", world.folder / "tiny-decoder/model.gguf").out
    assert "llama.attention.head_count_kv: 1" in text and "Q8_0 288 x 64      token_embd.weight" in text, text


@story
def a_text_is_shown_as_a_decoder_sees_it(world):
    tokens = world.shoal("model", "tokenize", tiny_decoder(world), "the <|im_end|>é", "--json").json()
    assert [t["piece"] for t in tokens][:3] == ["t", "he", " "] and len(tokens) == 14, tokens
    assert world.shoal("model", "tokenize", world.folder / "tiny-decoder", "the").out.endswith("'he'\n")


@story
def a_decoder_writes_the_same_tokens_on_every_kernel_row(world):
    decoder = tiny_decoder(world)
    for flags in (["--tokens=20"], ["--tokens=20", "--temperature=0.9", "--seed=3"], ["--chat", "--system=Be kind."]):
        best = world.shoal("model", "generate", decoder, "the parcel", "--json", *flags).json()
        scalar = world.shoal("model", "generate", decoder, "the parcel", "--json", "--cpu=scalar", *flags).json()
        assert best == scalar and (best["ended"] or len(best["ids"]) in (20, 64)), (best, scalar)
    one, other = (world.shoal("model", "generate", decoder, "the parcel", "--json", "--temperature=2",
                              f"--seed={seed}").json() for seed in (1, 2))
    assert one["ids"] != other["ids"]


@story
def the_next_token_is_the_one_that_generate_writes(world):
    decoder = tiny_decoder(world)
    likely = world.shoal("model", "logits", decoder, "the parcel", "--json").json()
    written = world.shoal("model", "generate", decoder, "the parcel", "--json", "--tokens=1").json()
    assert len(likely) == 20 and likely[0]["id"] == written["ids"][0], (likely[0], written)
    assert sorted((t["logit"] for t in likely), reverse=True) == [t["logit"] for t in likely]
    f32 = world.shoal("model", "logits", decoder, "the parcel", "--json", "--f32").json()
    assert abs(f32[0]["logit"] - next(t["logit"] for t in likely if t["id"] == f32[0]["id"])) < 0.5


@story
def what_does_not_fit_a_decoder_is_an_error(world):
    decoder = tiny_decoder(world)
    long = world.shoal("model", "generate", decoder, "x" * 100, status=1)
    assert "100 tokens and 64 more, the model has 128 positions" in long.err, long.err
    assert "is no encoder" in world.shoal("model", "embed", decoder, "x", status=1).err
    assert "is no decoder" in world.shoal("model", "generate", tiny_base(world), "x", status=1).err
    assert "the text is empty" in world.shoal("model", "generate", decoder, "", status=1).err
    assert "--temperature=nan" in world.shoal("model", "generate", decoder, "x", "--temperature=nan", status=2).err


@story
def names_inside_a_model_cannot_write_to_the_terminal(world):
    folder = world.folder / "evil"
    folder.mkdir()
    header = json.dumps({"a\u001b[31mb": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\0\0")
    text = world.shoal("model", "show", folder).out
    assert "\x1b" not in text and "u001b" in text, repr(text)


tell()
