from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from src.weights.convert_options import parse_options
from src.weights.input_format import InputFormat, OutputFormat, recognise_input, recognise_output
from src.weights.read_input import read_input
from tests.weights.convert_samples import (
    CONFIG,
    call,
    config_file,
    convert,
    google,
    hugging,
    refused,
    same,
    saved,
    tree,
)
from tests.weights.names_samples import weights_of


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "required: --input, --output"),
        (["--input", "a", "--output", "b", "--verfy", "true"], "did you mean --verify"),
        (["--input", "a", "--output", "b", "--verify", "maybe"], "neither true nor false"),
        (["--input", "a", "--output", "b", "--input_format", "onnx"], "invalid choice"),
        (["--input", "", "--output", "b"], "the path is empty"),
        (["--input", "a", "--output", "b.zip"], "does not tell what to write"),
        (["--input", "a", "--output", "b.zip", "--output_format", "ckpt"], "does not end in .ckpt"),
        (["--input", "a", "--output", "b/", "--output_format", "tensorflow"], "is a folder"),
        (["--input", "nowhere/a", "--output", "b.ckpt"], "no such file, folder or TensorFlow checkpoint"),
    ],
)
def test_wrong_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = call(*words)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1
    assert tree(tmp_path) == set()


def test_the_words_of_verify() -> None:
    given = ["--input", "a", "--output", "b"]
    assert [parse_options([*given, "--verify", word]).verify for word in ("AUTO", "1", "False")] == [
        "auto",
        "true",
        "false",
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a.ckpt", OutputFormat.CKPT),
        ("a/b.safetensors", OutputFormat.SAFETENSORS),
        ("hf/", OutputFormat.HUGGINGFACE),
        ("albert.v2/", OutputFormat.HUGGINGFACE),
        ("hf", OutputFormat.HUGGINGFACE),
        ("tf/model.ckpt-best", OutputFormat.TENSORFLOW),
        ("tf/model.index", OutputFormat.TENSORFLOW),
    ],
)
def test_the_name_of_the_output_tells_its_format(text: str, kind: OutputFormat) -> None:
    assert recognise_output(text) is kind


def test_inputs_that_are_two_things_or_none(tmp_path: Path) -> None:
    google(tmp_path / "both")
    hugging(tmp_path / "hf")
    shutil.copy(tmp_path / "hf" / "model.safetensors", tmp_path / "both")
    assert "TensorFlow and of HF" in refused(tmp_path / "both", tmp_path / "x.ckpt")
    convert(tmp_path / "both", tmp_path / "x.ckpt", "--input_format", "tensorflow")
    saved(tmp_path / "one" / "w.ckpt", weights_of(CONFIG))
    assert "name the file: w.ckpt" in refused(tmp_path / "one", tmp_path / "y.ckpt")
    (tmp_path / "none").mkdir()
    assert "no weights of a known format" in refused(tmp_path / "none", tmp_path / "y.ckpt")
    (tmp_path / "w.h5").write_bytes(b"x")
    assert "not known from its name" in refused(tmp_path / "w.h5", tmp_path / "y.ckpt")
    (tmp_path / "torch.ckpt").write_bytes(b"PK\x03\x04 and more")
    assert "a file of PyTorch" in refused(tmp_path / "torch.ckpt", tmp_path / "y.ckpt")
    shutil.copy(tmp_path / "both" / "model.ckpt-best.index", tmp_path / "old.ckpt")
    assert "format V1" in refused(tmp_path / "old.ckpt", tmp_path / "y.ckpt")
    google(tmp_path / "same")
    for path in (tmp_path / "same").glob("model.ckpt-best*"):
        path.rename(path.with_name(path.name.replace("-best", "")))
    assert recognise_input(tmp_path / "same" / "model.ckpt") is InputFormat.TENSORFLOW
    shutil.copy(tmp_path / "one" / "w.ckpt", tmp_path / "same" / "model.ckpt")
    assert "--input_format" in refused(tmp_path / "same" / "model.ckpt", tmp_path / "y.ckpt")


def test_nothing_is_overwritten_unless_asked_and_an_input_never(tmp_path: Path) -> None:
    source = google(tmp_path / "in")
    convert(source, tmp_path / "w.ckpt")
    before = (tmp_path / "w.ckpt").read_bytes()
    assert "--overwrite true" in refused(source, tmp_path / "w.ckpt")
    other = google(tmp_path / "other", config=CONFIG.model_copy(update={"vocab_size": 30}))
    convert(other, tmp_path / "w.ckpt", "--overwrite", "true")
    assert (tmp_path / "w.ckpt").read_bytes() != before
    for given in (tmp_path / "w.ckpt", tmp_path / "." / "w.ckpt"):
        assert "the place of the input" in refused(tmp_path / "w.ckpt", given, "--overwrite", "true")
    # The yaml is an input too: it is kept where it is right for the output, and never replaced.
    text = (tmp_path / "w.yaml").read_text()
    convert(tmp_path / "w.ckpt", tmp_path / "w.safetensors")
    assert "w.yaml: the output would take the place of the input" in refused(
        tmp_path / "w.ckpt", tmp_path / "w.safetensors", "--vocab_size", 40, "--overwrite", "true"
    )
    assert (tmp_path / "w.yaml").read_text() == text
    (tmp_path / "y.yaml").write_text("mine: true\n")
    assert "y.yaml: the file is there already" in refused(source, tmp_path / "y.ckpt")
    # So is Google's configuration beside the weights.
    assert "the place of the input" in refused(source, tmp_path / "in" / "out.ckpt-1", "--overwrite", "true")


def test_folders_of_hugging_face(tmp_path: Path) -> None:
    source = hugging(tmp_path / "hf")
    assert "the place of the input" in refused(source, source, "--overwrite", "true")
    convert(source, tmp_path / "out")
    assert "not empty" in refused(source, tmp_path / "out")
    (tmp_path / "out" / "vocab.txt").write_text("[PAD]\n")
    convert(source, tmp_path / "out", "--overwrite", "true")
    assert tree(tmp_path / "out") == {"config.json", "model.safetensors"}
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert "other files: notes.txt" in refused(source, tmp_path / "out", "--overwrite", "true")
    (tmp_path / "file").write_text("mine")
    assert "is a file" in refused(source, tmp_path / "file", "--output_format", "huggingface")
    assert "a file stands where" in refused(source, tmp_path / "file" / "w.ckpt")


def test_a_tokenizer_that_is_there_is_kept_or_refused(tmp_path: Path) -> None:
    source = google(tmp_path / "in")
    (tmp_path / "in" / "30k-clean.model").write_bytes(b"one")
    convert(source, tmp_path / "out" / "a.ckpt")
    convert(source, tmp_path / "out" / "b.ckpt")
    (tmp_path / "out" / "30k-clean.model").write_bytes(b"two")
    assert "30k-clean.model: the file is there" in refused(source, tmp_path / "out" / "c.ckpt")
    assert "c.ckpt" not in tree(tmp_path / "out")
    assert "30k-clean.model" in refused(source, tmp_path / "hf"), "a tokenizer that is none does not go to HF"
    convert(source, tmp_path / "in" / "beside.ckpt")


def test_the_wrong_configuration_names_the_size(tmp_path: Path) -> None:
    source = google(tmp_path / "in")
    content = json.loads((tmp_path / "in" / "albert_config.json").read_text())
    for key, value in (("hidden_size", 8), ("num_hidden_groups", 1), ("vocab_size", 21)):
        (tmp_path / "wrong.json").write_text(json.dumps({**content, key: value}))
        refused(source, tmp_path / "x.ckpt", "--config", tmp_path / "wrong.json")
    for changes in ({"inner_group_num": 10**9}, {"num_hidden_layers": 10**9, "num_hidden_groups": 10**9}):
        (tmp_path / "wrong.json").write_text(json.dumps({**content, **changes}))
        message = refused(source, tmp_path / "x.ckpt", "--config", tmp_path / "wrong.json")
        assert "000000000 layers" in message
    (tmp_path / "empty.yaml").write_text("do_train: true\n")
    assert "says nothing of the network" in refused(source, tmp_path / "x.ckpt", "--config", tmp_path / "empty.yaml")
    assert "nowhere.json" in refused(source, tmp_path / "x.ckpt", "--config", tmp_path / "nowhere.json")
    for text in ("albert_net_cfg: {hidden_size: 8.5}\n", "a: b: c\n", "albert_net_cfg:\n  x: 1\n  x: 2\n", "- 1\n"):
        (tmp_path / "bad.yaml").write_text(text)
        refused(source, tmp_path / "x.ckpt", "--config", tmp_path / "bad.yaml")
    assert tree(tmp_path) == {
        "wrong.json", "empty.yaml", "bad.yaml", "in/albert_config.json", "in/model.ckpt-best.index",
        "in/model.ckpt-best.data-00000-of-00001",
    }  # fmt: skip


def test_an_incomplete_backbone_is_refused(tmp_path: Path) -> None:
    arrays = weights_of(CONFIG)
    del arrays["dense.bias"]
    config_file(tmp_path)
    assert "covers 72 of 73" in refused(saved(tmp_path / "w.ckpt", arrays), tmp_path / "x.ckpt")


def test_what_google_cannot_compute_is_not_written(tmp_path: Path) -> None:
    source = hugging(tmp_path / "hf", config=CONFIG.model_copy(update={"hidden_act": "gelu_erf"}))
    assert "gelu_erf" in refused(source, tmp_path / "tf" / "m.ckpt-1")
    assert not (tmp_path / "tf").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = google(tmp_path / "in")
    before = tree(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("src.weights.output_files.replace_durably", full)
    assert "no space left" in refused(source, tmp_path / "new" / "w.ckpt")
    assert tree(tmp_path) - {"new"} == before


def samples(folder: Path) -> dict[str, tuple[Path, list[Path]]]:
    """Return, by kind, what is given to the command and the files that are mutated."""
    prefix = google(folder / "tf")
    theirs = hugging(folder / "hf")
    config_file(folder)
    checkpoint = saved(folder / "w.ckpt", weights_of(CONFIG))
    return {
        "tensorflow": (prefix, sorted((folder / "tf").iterdir())),
        "huggingface": (theirs, sorted(theirs.iterdir())),
        "mindspore": (checkpoint, [checkpoint, folder / "albert_config.json"]),
    }


def mutations(path: Path, count: int, random: np.random.RandomState) -> Iterator[bytes]:
    """Yield changed contents of a file: cut off, a flipped bit, a part overwritten; many near its begin."""
    data = path.read_bytes()
    for number in range(count):
        reach = len(data) if number % 2 else min(len(data), 400)
        place = int(random.randint(reach))
        if number % 3 == 0:
            yield data[:place]
        elif number % 3 == 1:
            yield data[:place] + bytes([data[place] ^ (1 << random.randint(8))]) + data[place + 1 :]
        else:
            yield data[:place] + random.bytes(9) + data[place + 9 :]


def test_two_hundred_mutated_files_end_in_one_line_or_in_the_same_weights(tmp_path: Path) -> None:
    random = np.random.RandomState(8)
    tried = refusals = 0
    for given, files in samples(tmp_path / "in").values():
        for file in files:
            content = file.read_bytes()
            for changed in mutations(file, 31, random):
                file.write_bytes(changed)
                tried += changed != content
                target = tmp_path / "out" / "w.safetensors"
                status, _, err = call("--input", given, "--output", target, "--verify", "false")
                assert status in (0, 2), err
                if status == 2:
                    refusals += 1
                    assert err.startswith("error: ")
                    assert err.count("\n") == 1, err
                    assert tree(tmp_path) == {f"in/{name}" for name in tree(tmp_path / "in")} | (
                        {"out"} if (tmp_path / "out").exists() else set()
                    )
                shutil.rmtree(tmp_path / "out", ignore_errors=True)
            file.write_bytes(content)
    assert tried >= 200
    assert refusals > tried // 2


def test_damage_of_values_is_found_where_the_format_has_checksums(tmp_path: Path) -> None:
    prefix = google(tmp_path / "in")
    checkpoint = saved(tmp_path / "w.ckpt", weights_of(CONFIG))
    config_file(tmp_path)
    for given, file in ((prefix, Path(f"{prefix}.data-00000-of-00001")), (checkpoint, checkpoint)):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        assert "checksum" in refused(given, tmp_path / "x.ckpt")


def test_the_weights_are_those_of_the_intact_file(tmp_path: Path) -> None:
    for kind, (given, _) in samples(tmp_path).items():
        assert same(read_input(given).weights, weights_of(CONFIG)), kind
