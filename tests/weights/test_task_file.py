from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.common.errors import CheckpointError
from src.tasks.assets import TASK_FILE
from src.weights.read_input import read_input
from src.weights.task_file import RUN_FILE, TaskFile, find_task_file, read_task_file
from tests.weights.convert_samples import CONFIG, config_file, convert, refused, saved, tree
from tests.weights.names_samples import weights_of

LABELS = ["O", "B-ORT", "I-ORT"]
TAGGER = "AlbertForTokenClassification"


def huggingface(folder: Path, architecture: str = TAGGER, lower: bool = False) -> Path:
    """Write a fine-tuned folder of HF transformers with a WordPiece tokenizer; return it."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{index}" for index in range(15))]
    (folder.parent / "in").mkdir(parents=True)
    (folder.parent / "in" / "vocab.txt").write_text("\n".join(words) + "\n")
    saved(folder.parent / "in" / "w.ckpt", weights_of(CONFIG, "dense_1"))
    config_file(folder.parent / "in")
    content = {"labels": LABELS, "architecture": architecture, "do_lower_case": lower}
    (folder.parent / "in" / "w.task.json").write_text(json.dumps(content))
    convert(folder.parent / "in" / "w.ckpt", folder, "--verify", "false")
    return folder


@pytest.mark.parametrize("output", ["w.ckpt", "w.safetensors"])
def test_names_of_classes_go_through_a_checkpoint_and_back(tmp_path: Path, output: str) -> None:
    source = huggingface(tmp_path / "hf")
    config = json.loads((source / "config.json").read_text())
    assert config["id2label"] == {"0": "O", "1": "B-ORT", "2": "I-ORT"}
    assert config["architectures"] == [TAGGER]
    assert json.loads((source / "tokenizer_config.json").read_text())["do_lower_case"] is False
    convert(source, tmp_path / "ours" / output, "--verify", "false")
    assert tree(tmp_path / "ours") == {output, "w.yaml", "w.task.json", "vocab.txt"}
    convert(tmp_path / "ours" / output, tmp_path / "back", "--verify", "false")
    for name in tree(source):
        assert (tmp_path / "back" / name).read_bytes() == (source / name).read_bytes(), name


def test_what_the_heads_tell_needs_no_file(tmp_path: Path) -> None:
    config_file(tmp_path)
    saved(tmp_path / "in.ckpt", weights_of(CONFIG, "cls1", "cls2"))
    convert(tmp_path / "in.ckpt", tmp_path / "hf", "--verify", "false")
    convert(tmp_path / "hf", tmp_path / "out" / "w.ckpt", "--verify", "false")
    assert tree(tmp_path / "out") == {"w.ckpt", "w.yaml"}
    assert TaskFile(architecture="AlbertForMaskedLM").text() == ""


def test_the_files_of_a_run_are_taken(tmp_path: Path) -> None:
    run = tmp_path / "run"
    saved(run / "checkpoints" / "classifier-best.ckpt", weights_of(CONFIG, "dense_1"))
    config_file(run / "checkpoints")
    (run / "assets").mkdir()
    (run / "assets" / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nword\n")
    told = {"kind": "token_classification", "labels": LABELS, "do_lower_case": False, "vocabulary": "vocab.txt"}
    (run / "assets" / TASK_FILE).write_text(json.dumps(told))
    convert(run / "checkpoints" / "classifier-best.ckpt", tmp_path / "hf", "--verify", "false")
    read = read_input(tmp_path / "hf")
    assert (read.labels, read.architecture) == (tuple(LABELS), TAGGER)
    assert read.tokenizer is not None
    assert read.tokenizer.file == tmp_path / "hf" / "vocab.txt"
    assert read.tokenizer.do_lower_case is False
    assert RUN_FILE == TASK_FILE


def test_an_earlier_file_is_replaced_or_removed_with_the_weights(tmp_path: Path) -> None:
    source = huggingface(tmp_path / "hf")
    target = tmp_path / "ours" / "w.ckpt"
    convert(source, target, "--verify", "false")
    convert(target, target.with_suffix(".safetensors"))
    target.unlink()
    plain = saved(tmp_path / "plain" / "in.ckpt", weights_of(CONFIG))
    config_file(plain.parent)
    assert "the file is there already" in refused(plain, target)
    convert(plain, target, "--overwrite", "true")
    assert find_task_file(target) is None


def test_a_folder_in_the_place_of_the_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    config_file(tmp_path)
    saved(tmp_path / "in.ckpt", weights_of(CONFIG))
    (tmp_path / "out" / "w.task.json").mkdir(parents=True)
    assert "a folder stands where a file is needed" in refused(tmp_path / "in.ckpt", tmp_path / "out" / "w.ckpt")
    assert tree(tmp_path / "out") == {"w.task.json"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the file is no JSON"),
        ("[]", "no JSON object"),
        ('{"labels": "O"}', "labels is no list of names"),
        ('{"labels": [1, 2]}', "labels is no list of names"),
        ('{"do_lower_case": "no"}', "do_lower_case is not true or false"),
        ('{"tokenizer": "../vocab.txt"}', "tokenizer is no name of a file beside it"),
        ('{"tokenizer": 5}', "tokenizer is no name of a file beside it"),
        ('{"architecture": 5}', "do_lower_case is not true or false, or architecture no name"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "w.task.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_task_file(path)
    assert str(path) in str(caught.value)


def test_two_checkpoints_in_one_folder_keep_their_own_tokenizers(tmp_path: Path) -> None:
    for name in ("one", "two"):
        source = huggingface(tmp_path / name / "hf", lower=name == "one")
        if name == "two":
            text = (source / "vocab.txt").read_text()
            (source / "vocab.txt").write_text(text.replace("w1\n", "other\n"))
        (source / "vocab.txt").rename(tmp_path / name / "in" / f"vocab-{name}.txt")
        (tmp_path / name / "in" / "vocab.txt").unlink()
        (tmp_path / name / "in" / "w.task.json").unlink()
        convert(tmp_path / name / "in" / "w.ckpt", tmp_path / "weights" / f"{name}.ckpt")
    assert tree(tmp_path / "weights") == {
        f"{name}{part}" for name in ("one", "two") for part in (".ckpt", ".yaml", ".task.json")
    } | {"vocab-one.txt", "vocab-two.txt"}
    for name in ("one", "two"):
        tokenizer = read_input(tmp_path / "weights" / f"{name}.ckpt").tokenizer
        assert tokenizer is not None
        assert tokenizer.file == tmp_path / "weights" / f"vocab-{name}.txt"


def test_a_tokenizer_that_was_removed_is_looked_for(tmp_path: Path) -> None:
    source = huggingface(tmp_path / "hf")
    convert(source, tmp_path / "ours" / "w.ckpt", "--verify", "false")
    (tmp_path / "ours" / "vocab.txt").rename(tmp_path / "ours" / "vocab-mine.txt")
    tokenizer = read_input(tmp_path / "ours" / "w.ckpt").tokenizer
    assert tokenizer is not None
    assert tokenizer.file == tmp_path / "ours" / "vocab-mine.txt"


def test_more_names_than_classes_are_refused_on_the_way_to_huggingface(tmp_path: Path) -> None:
    config_file(tmp_path)
    saved(tmp_path / "w.ckpt", weights_of(CONFIG, "dense_1"))
    (tmp_path / "w.task.json").write_text(json.dumps({"labels": ["a", "b"]}))
    assert "2 names of classes, and 3 outputs" in refused(tmp_path / "w.ckpt", tmp_path / "hf")
    assert not (tmp_path / "hf").exists()
