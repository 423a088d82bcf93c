"""What run_squad_v1.py must refuse: each with one line, and nothing is written."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.entry.bad_input.conftest import Samples
from tests.entry.bad_input.support import check_error, flip, snapshot, write
from tests.entry.runs import arguments, call
from tests.entry.squad_support import LENGTH, NETWORK, TRAINING, WORDS, SquadFiles, answer, make_squad_data

LONG_QUESTION = " ".join(["was"] * (LENGTH - 3))


class Refused(Protocol):
    """Run ``run_squad_v1.py``, which must end with one clear error and leave no file."""

    def __call__(self, keys: dict[str, Any], *fragments: object) -> str: ...


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SquadFiles:
    return make_squad_data(tmp_path_factory.mktemp("squad"))


@pytest.fixture(scope="module")
def trained(files: SquadFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the best checkpoint of a run with the head span."""
    run = tmp_path_factory.mktemp("trained") / "run"
    answer(TRAINING, files.keys("v2 span", "train", "dev"), {"train_steps": 1, "run_dir": run})
    return run / "checkpoints" / "squad-best.ckpt"


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    def run(keys: dict[str, Any], *fragments: object) -> str:
        before = snapshot(tmp_path)
        outcome = call("run_squad_v1", arguments(NETWORK, TRAINING, {"run_dir": tmp_path / "run"}, keys))
        assert outcome.out == ""
        message = check_error(outcome.err, outcome.status, fragments)
        assert snapshot(tmp_path) == before
        return message

    return run


def edited(path: Path, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """Return a json file after a change of its first paragraph."""
    content = json.loads(path.read_text())
    change(content["data"][0]["paragraphs"][0])
    return json.dumps(content).encode()


def set_question(text: str) -> Callable[[dict[str, Any]], Any]:
    return lambda paragraph: paragraph["qas"][0].update(question=text)


# Of the dev file of v1.1: its content or a change, further keys, fragments of the error.
EVALUATION: dict[str, tuple[bytes | Callable[[dict[str, Any]], Any], dict[str, Any], list[str]]] = {
    "cut off": (b'{"version": "1.1", "data": [', {}, [":1, column 29", "not valid json", "mend the file"]),
    "empty": (b"", {}, ["the file is empty"]),
    "a list": (b"[]", {}, ["holds a list, not an object", "data[].paragraphs[]"]),
    "not UTF-8": (b'{"data": "\xff"}', {}, [":1", "not UTF-8", "save the file"]),
    "id twice": (
        lambda paragraph: paragraph["qas"].append(paragraph["qas"][0]),
        {},
        ["data[0].paragraphs[0].qas[2]", "'0 who'", "own id"],
    ),
    "no passage": (lambda paragraph: paragraph.update(context=" "), {}, ["data[0].paragraphs[0]", "context is empty"]),
    "no answer": (
        lambda paragraph: paragraph["qas"][1].update(answers=[]),
        {},
        ["question 0 where has no answer to compare with", "test_json_path"],
    ),
    "as in v2.0": (
        lambda paragraph: paragraph["qas"][1].update(answers=[], is_impossible=True),
        {},
        ["1 questions of", "version_2_with_negative", "set it to true"],
    ),
    "long question": (
        set_question(LONG_QUESTION),
        {"max_query_length": LENGTH},
        [
            "question 0 who",
            f"{LENGTH - 3} tokens",
            "albert_net_cfg.seq_length",
            f"lower max_query_length to at most {LENGTH - 4}",
        ],
    ),
}

KEYS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "beam without v2.0": ("v1", {"squad_head": "beam"}, ["squad_head", "the head beam is that of SQuAD v2.0", "span"]),
    "no vocabulary": ("v1", {"vocab_file_path": ""}, ["without a vocabulary", "set spm_model_file"]),
    "no file to evaluate": ("v1", {"eval_json_path": ""}, ["do_eval needs eval_json_path", "give the path"]),
    "no file to predict": ("v1", {"do_predict": True}, ["do_predict needs test_json_path"]),
    "unknown head": ("v2 span", {"squad_head": "pointer"}, ["squad_head", "'pointer'", "span"]),
    "three outputs": ("v1", {"num_class": 3}, ["num_class", "3"]),
    "no answers listed": ("v1", {"n_best_size": 0}, ["n_best_size"]),
    "nothing to start from": ("v1", {"from_scratch": False}, ["load_pretrain_checkpoint_path", "from_scratch"]),
}


@pytest.mark.parametrize("name", EVALUATION)
def test_evaluation_file(name: str, files: SquadFiles, refused: Refused, tmp_path: Path) -> None:
    change, keys, fragments = EVALUATION[name]
    content = change if isinstance(change, bytes) else edited(files.questions("v1.1", "dev"), change)
    path = write(tmp_path / "dev.json", content)
    refused({**files.keys("v1", "train", "dev"), "eval_json_path": path, **keys}, path, *fragments)


@pytest.mark.parametrize("name", KEYS)
def test_keys(name: str, files: SquadFiles, refused: Refused) -> None:
    variant, keys, fragments = KEYS[name]
    refused({**files.keys(variant, "train", "dev"), **keys}, *fragments)


def test_question_of_a_test_file_that_fills_the_window(files: SquadFiles, refused: Refused, tmp_path: Path) -> None:
    path = write(tmp_path / "test.json", edited(files.questions("v1.1", "test"), set_question(LONG_QUESTION)))
    keys = {**files.keys("v1", "train", "test"), "max_query_length": 64, "test_json_path": path}
    refused(keys, path, "question 0 who")


@pytest.mark.parametrize("key", ["train_data_file_path", "eval_json_path", "vocab_file_path"])
def test_file_that_is_not_there(key: str, files: SquadFiles, refused: Refused, tmp_path: Path) -> None:
    keys = files.keys("v1", "train", "dev")
    refused({**keys, key: tmp_path / "none.file"}, tmp_path / "none.file")
    refused({**keys, key: tmp_path}, tmp_path)


def test_vocabulary(files: SquadFiles, refused: Refused, tmp_path: Path) -> None:
    other = write(tmp_path / "other.txt", "\n".join([*WORDS[:-1], "when"]) + "\n")
    keys = {**files.keys("v1", "train", "dev"), "vocab_file_path": other}
    refused(keys, other, "not the one that the records were made with (vocab.txt)", "set vocab_file_path")
    larger = write(tmp_path / "larger.txt", "\n".join([*WORDS, "when"]) + "\n")
    checkpoint = {"do_train": False, "load_finetune_checkpoint_path": tmp_path / "none.ckpt"}
    keys |= {"vocab_file_path": larger, **checkpoint}
    refused(keys, larger, f"{len(WORDS) + 1} entries, the network's vocab_size is {len(WORDS)}", "of the checkpoint")


def test_records(files: SquadFiles, samples: Samples, refused: Refused, tmp_path: Path) -> None:
    keys = files.keys("v1", "train")
    refused({**keys, "train_data_file_path": samples.records()}, samples.records(), "create_squad_data.py")
    path = files.questions("v1.1", "train")
    refused({**keys, "train_data_file_path": path}, path, "record files", f"create_squad_data.py --train_file {path}")
    for path in files.folder.glob("squad_v1.1_train.mindrecord*"):
        write(tmp_path / path.name, path.read_bytes())
    damaged = flip(tmp_path / "squad_v1.1_train.mindrecord", 5000)
    refused({**keys, "train_data_file_path": damaged}, damaged, "sha256")
    # A network that is shorter or smaller than the records.
    refused({**keys, "albert_net_cfg.seq_length": 12}, files.records("v1.1"), "12 ")
    refused({**keys, "albert_net_cfg.vocab_size": 20, "vocab_file_path": ""}, files.records("v1.1"), "outside 0..19")


def test_checkpoint_of_a_classifier(files: SquadFiles, samples: Samples, refused: Refused) -> None:
    keys = {**files.keys("v1", "dev"), "do_train": False, "load_finetune_checkpoint_path": samples.weights}
    before = snapshot(samples.run)
    refused(keys, samples.run, "trained for another task: kind classification there, squad in the data")
    assert snapshot(samples.run) == before


def test_checkpoint_of_the_other_head(files: SquadFiles, trained: Path, refused: Refused, tmp_path: Path) -> None:
    run = trained.parent.parent
    before = snapshot(run)
    keys = {**files.keys("v2 beam", "dev"), "do_train": False}
    message = f"{run}: the run was trained with squad_head span, not beam"
    refused({**keys, "load_finetune_checkpoint_path": trained}, message, "set squad_head to span")
    training = {**files.keys("v2 beam", "train", "dev"), "resume": True, "run_dir": run, "train_steps": 4}
    refused(training, message)
    assert snapshot(run) == before
    # Without its run directory only its parameters tell.
    alone = write(tmp_path / "alone" / "checkpoints" / "squad.ckpt", trained.read_bytes())
    refused({**keys, "load_finetune_checkpoint_path": alone}, alone, "missing", "start_logits.dense.weight")


def test_checkpoint_that_is_not_there(files: SquadFiles, refused: Refused, tmp_path: Path) -> None:
    keys = {**files.keys("v1", "dev"), "do_train": False}
    refused(keys, "load_finetune_checkpoint_path", "squad-best.ckpt")
    refused({**keys, "load_finetune_checkpoint_path": tmp_path / "none.ckpt"}, tmp_path / "none.ckpt")


def test_another_vocabulary_than_that_of_the_run(
    files: SquadFiles, trained: Path, refused: Refused, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.txt", "\n".join([*WORDS[:-1], "when"]) + "\n")
    keys = {**files.keys("v2 span", "dev"), "do_train": False, "load_finetune_checkpoint_path": trained}
    refused({**keys, "vocab_file_path": other}, trained.parent.parent, "vocabulary's sha256")


def test_file_of_features(files: SquadFiles, refused: Refused, tmp_path: Path) -> None:
    keys = files.keys("v1", "train", "dev")
    old = write(tmp_path / "left.pkl", pickle.dumps({"features": []}))
    refused({**keys, "predict_feature_left_file": old}, old, "pickle file of the old code", "not there yet")
    refused({**keys, "predict_feature_left_file": files.vocabulary}, files.vocabulary, "no cache of features")
    both = {**files.keys("v1", "train", "dev", "test"), "predict_feature_left_file": tmp_path / "features.npz"}
    refused(
        both, "predict_feature_left_file", files.questions("v1.1", "test"), "in one file", "name an existing folder"
    )


def test_two_files_of_one_name(files: SquadFiles, refused: Refused, tmp_path: Path) -> None:
    other = write(tmp_path / "dev-v1.1.json", files.questions("v1.1", "test").read_bytes())
    keys = {**files.keys("v1", "train", "dev", "test"), "test_json_path": other}
    refused(keys, "test_json_path", other, "have one name", "another name")


def test_nothing_to_do(files: SquadFiles, refused: Refused) -> None:
    refused({**files.keys("v1"), "do_train": False}, "there is nothing to do", "set one of them to true")
