from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import AlbertError, ConfigError, DataError
from src.config.load import load_config
from src.data.tokenization import load_tokenizer
from src.tasks.squad_data import SquadData, load_squad_data, name_of
from tests.data.squad_record_samples import (
    LENGTH,
    TEXT,
    TOKENIZER,
    asked,
    foreign_row,
    squad_json,
    write_foreign,
    write_sample,
    write_vocabulary,
)

QUESTIONS = 3
FULL = r"dev\.json: question q1: seq_length 7 has no room .* raise albert_net_cfg\.seq_length to at least 9, or lower"
IMPOSSIBLE = asked("none", "who did it ?", None, is_impossible=True)


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    return write_vocabulary(tmp_path / "vocab.txt")


def load(*, keep_features: bool = True, **keys: Any) -> SquadData:
    given = {
        "albert_net_cfg.seq_length": LENGTH,
        "max_query_length": 4,
        "doc_stride": 4,
        "from_scratch": bool(keys.get("do_train")),
        "load_finetune_checkpoint_path": "x.ckpt",
        **keys,
    }
    loaded = load_config("squad", [text for key, value in given.items() for text in (f"--{key}", str(value))])
    return load_squad_data(loaded.values, loaded.network(), keep_features=keep_features)


def records(path: Path, vocabulary: Path) -> Path:
    """Write records of v2.0, cut as ``load`` cuts."""
    write_sample(path, tokenizer=load_tokenizer(vocabulary).fingerprint())
    return path


def test_only_what_the_run_needs_is_read(tmp_path: Path, vocabulary: Path) -> None:
    path = squad_json(tmp_path / "dev-v1.1.json")
    given = {"vocab_file_path": vocabulary, "eval_json_path": path, "test_json_path": tmp_path / "none.json"}
    data = load(do_eval=True, train_data_file_path=tmp_path / "none.tfrecord", **given)
    assert (data.train, data.test) == (None, None)
    assert data.evaluation is not None
    assert data.evaluation.name == "dev-v1.1"
    rows = data.evaluation.features.rows
    assert (len(data.evaluation.data.questions), data.evaluation.table.rows) == (QUESTIONS, rows)
    assert data.evaluation.summary() == f"3 in {rows} windows of {path}"
    assert data.tokenizer_sha256 == load_tokenizer(vocabulary).fingerprint()["sha256"]


def test_a_training_needs_no_vocabulary(tmp_path: Path) -> None:
    write_sample(tmp_path / "train.tfrecord")
    data = load(do_train=True, version_2_with_negative=True, train_data_file_path=tmp_path / "train.tfrecord")
    assert data.train is not None
    assert (data.train.rows, data.tokenizer, data.tokenizer_sha256) == (6, None, TOKENIZER["sha256"])
    foreign = write_foreign(tmp_path / "foreign.tfrecord", [foreign_row(), foreign_row()])
    data = load(do_train=True, train_data_file_path=foreign)
    assert data.train is not None
    assert (data.train.rows, data.tokenizer_sha256) == (2, "")


def test_records_of_the_other_version_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_sample(tmp_path / "train.tfrecord")
    keys = {"do_train": True, "train_data_file_path": tmp_path / "train.tfrecord"}
    load(**keys, version_2_with_negative=True)
    assert caplog.text == ""
    load(**keys)
    assert "was made from SQuAD v2.0, and version_2_with_negative is false" in caplog.text


def test_records_that_were_cut_otherwise_are_told(
    tmp_path: Path, vocabulary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys: dict[str, Any] = {
        "do_train": True,
        "version_2_with_negative": True,
        "vocab_file_path": vocabulary,
        "train_data_file_path": records(tmp_path / "train.tfrecord", vocabulary),
    }
    evaluation = {"do_eval": True, "eval_json_path": squad_json(tmp_path / "dev.json")}
    load(**keys, **evaluation)
    load(**keys, doc_stride=3)
    assert caplog.text == ""
    load(**keys, **evaluation, doc_stride=3, max_query_length=5, **{"albert_net_cfg.seq_length": 20})
    assert "was made with max_seq_length 16, questions are answered with 20" in caplog.text
    assert "was made with doc_stride 4, questions are answered with 3" in caplog.text
    assert "was made with max_query_length 4, questions are answered with 5" in caplog.text


@pytest.mark.parametrize(
    ("rows", "keys", "kind", "message"),
    [
        ([IMPOSSIBLE], {}, ConfigError, r"version_2_with_negative: 1 questions of .*dev\.json have no answer"),
        ([asked("bare", "who ?", None)], {}, DataError, r"dev\.json: question bare has no answer .*test_json_path"),
        (
            [asked("bare", "who ?", None), IMPOSSIBLE],
            {"version_2_with_negative": True},
            DataError,
            "question bare has no answer",
        ),
        (None, {"albert_net_cfg.vocab_size": 10}, DataError, r"vocab\.txt: the vocabulary has 19 entries, .* is 10"),
        (None, {"albert_net_cfg.seq_length": 7, "max_query_length": 9}, ConfigError, FULL),
        (None, {"do_eval": False}, ConfigError, "do_train, do_eval, do_predict: there is nothing to do"),
    ],
)
def test_questions_that_cannot_be_scored(
    tmp_path: Path,
    vocabulary: Path,
    rows: list[dict[str, Any]] | None,
    keys: dict[str, Any],
    kind: type[AlbertError],
    message: str,
) -> None:
    path = squad_json(tmp_path / "dev.json", rows)
    with pytest.raises(kind, match=message):
        load(**{"do_eval": True, "eval_json_path": path, "vocab_file_path": vocabulary, **keys})


def test_questions_without_answers_can_be_answered(tmp_path: Path, vocabulary: Path) -> None:
    path = squad_json(tmp_path / "test.json", [asked("bare", "who ?", None), IMPOSSIBLE])
    data = load(do_predict=True, test_json_path=path, vocab_file_path=vocabulary)
    assert data.test is not None
    assert len(data.test.data.questions) == 2


def test_other_vocabulary_than_that_of_the_records(tmp_path: Path, vocabulary: Path) -> None:
    path = records(tmp_path / "train.tfrecord", vocabulary)
    other = write_vocabulary(tmp_path / "other.txt", "more")
    with pytest.raises(DataError, match=r"other\.txt: this vocabulary is not .*\(vocab\.txt\) -> set vocab_file_path"):
        load(do_train=True, train_data_file_path=path, vocab_file_path=other)


def test_features_are_kept(tmp_path: Path, vocabulary: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    keys: dict[str, Any] = {
        "do_eval": True,
        "eval_json_path": squad_json(tmp_path / "dev.json"),
        "do_predict": True,
        "test_json_path": squad_json(tmp_path / "test.json", [asked("q", "why ?", None)], context=TEXT),
        "vocab_file_path": vocabulary,
        "predict_feature_left_file": folder,
    }
    load(**keys, keep_features=False)
    assert list(folder.iterdir()) == []
    first = load(**keys)
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(times) == 2
    second = load(**keys)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    for one, other in ((first.evaluation, second.evaluation), (first.test, second.test)):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.features.token_ids, other.features.token_ids)
    load(**keys, doc_stride=3)
    assert len(list(folder.iterdir())) == 4


def test_one_file_for_the_features_of_two(tmp_path: Path, vocabulary: Path) -> None:
    one = squad_json(tmp_path / "dev.json")
    keys: dict[str, Any] = {"do_eval": True, "do_predict": True, "eval_json_path": one, "vocab_file_path": vocabulary}
    place = {"predict_feature_left_file": tmp_path / "features.npz"}
    other = squad_json(tmp_path / "test.json")
    with pytest.raises(ConfigError, match=r"features of .*dev\.json and of .*test\.json .* name an existing folder"):
        load(**keys, **place, test_json_path=other)
    load(**keys, test_json_path=other)
    assert not (tmp_path / "features.npz").exists()
    load(**keys, **place, test_json_path=one)
    assert (tmp_path / "features.npz").exists()


def test_two_files_of_one_name(tmp_path: Path, vocabulary: Path) -> None:
    (tmp_path / "other").mkdir()
    keys = {"eval_json_path": squad_json(tmp_path / "dev.json"), "vocab_file_path": vocabulary}
    with pytest.raises(ConfigError, match=r"test_json_path: .* have one name"):
        load(do_eval=True, do_predict=True, test_json_path=squad_json(tmp_path / "other" / "dev.json"), **keys)


@pytest.mark.parametrize("keep_features", [True, False])
def test_a_pickle_is_not_opened(tmp_path: Path, vocabulary: Path, keep_features: bool) -> None:
    (tmp_path / "left.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match=r"left\.pkl: this is a pickle file of the old code"):
        load(
            keep_features=keep_features,
            do_eval=True,
            eval_json_path=tmp_path / "none.json",
            vocab_file_path=vocabulary,
            predict_feature_left_file=tmp_path / "left.pkl",
        )


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/dev-v1.1.json", "dev-v1.1"), ("dev.json.gz", "dev"), ("dev", "dev"), (".json", "evaluation")],
)
def test_name(path: str, name: str) -> None:
    assert name_of(Path(path)) == name
