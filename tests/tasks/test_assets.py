from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from src.common.errors import CheckpointError, ConfigError, DataError
from src.config.sections import NetworkConfig
from src.data.manifest import TokenizerInfo
from src.data.tokenization import load_tokenizer
from src.tasks.assets import (
    TaskDescription,
    check_trained_task,
    check_vocabulary,
    load_saved_tokenizer,
    load_task_tokenizer,
    pretraining_description,
    read_task_description,
    save_assets,
)

NETWORK = NetworkConfig(hidden_size=32, num_attention_heads=2, seq_length=16, hidden_dropout_prob=0.25)


@dataclass(frozen=True)
class Vocabulary:
    vocab_file_path: str = ""
    spm_model_file: str = ""
    do_lower_case: bool = True


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nGood\n")
    return path


@pytest.fixture
def description() -> TaskDescription:
    return TaskDescription(
        kind="classification",
        task_name="SST-2",
        labels=("bad", "gut\u00e9"),
        length=16,
        buckets=(8, 16),
        network=NETWORK.model_dump(mode="json"),
        spm_model="",
        vocabulary="",
        do_lower_case=False,
    )


def made_with(path: Path, lower: bool = True) -> TokenizerInfo:
    return TokenizerInfo.model_validate(load_tokenizer(path, "", lower).fingerprint())


def test_a_run_keeps_its_description_and_its_tokenizer(
    tmp_path: Path, vocabulary: Path, description: TaskDescription
) -> None:
    folder = tmp_path / "assets"
    save_assets(folder, Vocabulary(str(vocabulary)), description)
    moved = Path(shutil.move(folder, tmp_path / "moved"))
    vocabulary.unlink()
    found = read_task_description(moved)
    assert found == replace(description, vocabulary="vocab.txt")
    assert found.network_config() == NETWORK
    # The case that the run was trained with, whatever the default is.
    assert load_saved_tokenizer(moved, found).tokenize("Good good") == ["Good", "good"]


def test_a_run_without_tokenizer_says_so(
    tmp_path: Path, description: TaskDescription, caplog: pytest.LogCaptureFixture
) -> None:
    save_assets(tmp_path, Vocabulary(), description)
    assert "will not hold its tokenizer" in caplog.text
    with pytest.raises(ConfigError, match="--vocab_file_path"):
        load_saved_tokenizer(tmp_path, read_task_description(tmp_path))


def test_the_records_decide_over_case(vocabulary: Path) -> None:
    config = Vocabulary(str(vocabulary), do_lower_case=True)
    cased = load_task_tokenizer(config, made_with(vocabulary, lower=False))
    assert cased is not None
    assert cased.tokenize("Good") == ["Good"]
    lowered = load_task_tokenizer(config, None)
    assert lowered is not None
    assert lowered.tokenize("Good") == ["good"]
    assert load_task_tokenizer(Vocabulary(), made_with(vocabulary)) is None


def test_another_vocabulary_than_that_of_the_records_is_refused(tmp_path: Path, vocabulary: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(vocabulary.read_text() + "film\n")
    with pytest.raises(DataError, match="vocab_file_path") as caught:
        load_task_tokenizer(Vocabulary(str(other)), made_with(vocabulary))
    assert caught.value.where == str(other)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": 3},
        {"kind": "guess"},
        {"network": {"hidden_size": "many"}},
        {"unknown": 1},
        {"buckets": None},
    ],
)
def test_damaged_descriptions(
    tmp_path: Path, description: TaskDescription, change: dict[str, object], vocabulary: Path
) -> None:
    save_assets(tmp_path, Vocabulary(str(vocabulary)), description)
    path = tmp_path / "task.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigError, match="damaged") as caught:
        read_task_description(tmp_path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(("buckets", "kept"), [((), (16,)), ((8, 16), (8, 16))])
def test_a_pre_training_run(tmp_path: Path, vocabulary: Path, buckets: tuple[int, ...], kept: tuple[int, ...]) -> None:
    description = pretraining_description(NETWORK, 16, buckets, do_lower_case=True, tokenizer_sha256="a")
    save_assets(tmp_path, Vocabulary(str(vocabulary)), description)
    found = read_task_description(tmp_path)
    assert (found.kind, found.labels, found.length, found.buckets) == ("pretraining", (), 16, kept)
    assert (found.network_config(), found.vocabulary, found.tokenizer_sha256) == (NETWORK, "vocab.txt", "a")
    with pytest.raises(CheckpointError, match="kind pretraining there, classification in the data"):
        check_trained_task(tmp_path, "classification", None, "")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kind": "classification"}', "\udcff"])
def test_files_that_are_no_description(tmp_path: Path, content: str) -> None:
    (tmp_path / "task.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match="damaged"):
        read_task_description(tmp_path)


def test_a_missing_description(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no task\.json"):
        read_task_description(tmp_path)


@pytest.mark.parametrize(
    ("kind", "labels", "sha256", "named"),
    [
        ("regression", (), "a", "kind"),
        ("classification", ("gut\u00e9", "bad"), "a", "classes"),
        ("classification", ("bad", "gut\u00e9"), "b", "vocabulary"),
    ],
)
def test_data_of_another_task(
    tmp_path: Path,
    vocabulary: Path,
    description: TaskDescription,
    kind: str,
    labels: tuple[str, ...],
    sha256: str,
    named: str,
) -> None:
    save_assets(tmp_path, Vocabulary(str(vocabulary)), replace(description, tokenizer_sha256="a"))
    with pytest.raises(CheckpointError, match=named):
        check_trained_task(tmp_path, kind, labels, sha256)
    check_trained_task(tmp_path, "classification", description.labels, "a")
    # Data of other tools name neither classes nor vocabulary.
    check_trained_task(tmp_path, "classification", None, "")


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    check_trained_task(tmp_path, "classification", ("a", "b"), "c")


def test_vocabulary_of_the_command_line(tmp_path: Path, vocabulary: Path, description: TaskDescription) -> None:
    tokenizer = load_tokenizer(vocabulary, "", do_lower_case=True)
    check_vocabulary(tokenizer, replace(description, network={**description.network, "vocab_size": 7}), "given.txt")
    with pytest.raises(DataError, match=r"given\.txt: the vocabulary has 7 entries, the network 30000"):
        check_vocabulary(tokenizer, description, "given.txt")
    check_vocabulary(tokenizer, replace(description, tokenizer_sha256=tokenizer.fingerprint()["sha256"]), "given.txt")
    with pytest.raises(DataError, match=r"given\.txt"):
        check_vocabulary(tokenizer, replace(description, tokenizer_sha256="0"), "given.txt")
