from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.common.errors import CheckpointError, ConfigError
from src.config.load import LoadedConfig, load_config
from src.config.squad import SquadConfig
from src.data.dataset import TrainStart
from src.data.tokenization import load_tokenizer
from src.model.heads import AlbertInference
from src.model.squad_losses import AlbertSquad
from src.runtime.process_group import ProcessGroup
from src.tasks.assets import AnswerSettings, read_task_description
from src.tasks.squad import SquadTask
from src.tasks.squad_answering import configured_answers
from tests.data.squad_record_samples import LENGTH, asked, squad_json, write_sample, write_vocabulary

ANN = 12
TINY = {
    "albert_network": "custom",
    "albert_net_cfg.vocab_size": 100,
    "albert_net_cfg.embedding_size": 8,
    "albert_net_cfg.hidden_size": 16,
    "albert_net_cfg.num_hidden_layers": 1,
    "albert_net_cfg.num_attention_heads": 2,
    "albert_net_cfg.intermediate_size": 32,
    "albert_net_cfg.max_position_embeddings": LENGTH,
    "albert_net_cfg.seq_length": LENGTH,
}
GIVEN = {**TINY, "max_query_length": 4, "doc_stride": 4, "load_finetune_checkpoint_path": "x.ckpt"}


class AnswersAnn(nn.Cell):
    """Answer every question with the name; counts its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def construct(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> Tensor:
        self.batches += 1
        hit = (input_ids.asnumpy() == ANN) & (segment_ids.asnumpy() == 1)
        return Tensor(np.repeat(hit[:, :, None], 2, axis=2).astype(np.float32))


@pytest.fixture(autouse=True)
def pynative_mode() -> Iterator[None]:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.PYNATIVE_MODE)


def load(**keys: Any) -> LoadedConfig[SquadConfig]:
    given = {**GIVEN, "from_scratch": bool(keys.get("do_train")), **keys}
    return load_config("squad", [text for key, value in given.items() for text in (f"--{key}", str(value))])


def make_task(group: ProcessGroup | None = None, **keys: Any) -> SquadTask:
    return SquadTask(load(**keys), *([group] if group else []))


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = write_vocabulary(tmp_path / "vocab.txt")
    assert path.read_text().splitlines()[ANN] == "ann"
    return path


@pytest.fixture
def evaluation(tmp_path: Path, vocabulary: Path) -> dict[str, Any]:
    path = squad_json(tmp_path / "dev-v1.1.json")
    return {"do_eval": True, "eval_json_path": path, "vocab_file_path": vocabulary}


@pytest.fixture
def training(tmp_path: Path) -> dict[str, Any]:
    write_sample(tmp_path / "train.tfrecord")
    return {"do_train": True, "version_2_with_negative": True, "train_data_file_path": tmp_path / "train.tfrecord"}


def test_every_setting_is_taken_over() -> None:
    keys: dict[str, Any] = {
        "squad_head": "beam",
        "version_2_with_negative": True,
        "max_query_length": 5,
        "doc_stride": 6,
        "max_answer_length": 7,
        "null_score_diff_threshold": -1.5,
        "start_n_top": 3,
        "end_n_top": 4,
        "n_best_size": 9,
    }
    settings = configured_answers(load(**keys, do_predict=False).values)
    assert settings == AnswerSettings("beam", True, 5, 6, 7, -1.5, 3, 4, 9)


@pytest.mark.parametrize("more", [{}, {"eval_batch_size": 1, "eval_data_shuffle": True, "bucket_list": "[12, 14]"}])
def test_score(evaluation: dict[str, Any], more: dict[str, Any]) -> None:
    task = make_task(**evaluation, **more)
    score = task.evaluate(AnswersAnn())
    # Two of the three questions ask for the name.
    assert (score.name, score.value) == ("f1", pytest.approx(200 / 3))
    assert score.report == {"exact_match": pytest.approx(200 / 3), "f1": pytest.approx(200 / 3), "total": 3}
    assert task.evaluation_name() == "dev-v1.1"


def test_first_batches_only(evaluation: dict[str, Any]) -> None:
    task = make_task(**evaluation, eval_batch_size=1)
    network = AnswersAnn()
    score = task.evaluate(network, max_batches=2)
    assert network.batches == 2
    assert score.report["total"] == 3


def test_predictions(tmp_path: Path, vocabulary: Path) -> None:
    rows = [asked(name, "who made tea ?", None) for name in ("b", "a")]
    path = squad_json(tmp_path / "test-v2.0.json", rows, version="v2.0")
    given: dict[str, Any] = {"do_predict": True, "test_json_path": path, "vocab_file_path": vocabulary}
    files = make_task(**given).predict(AnswersAnn(), tmp_path / "out")
    folder = tmp_path / "out" / "test-v2.0"
    assert files == [folder / "predictions.json", folder / "nbest_predictions.json"]
    assert list(json.loads(files[0].read_text()).items()) == [("b", "Ann"), ("a", "Ann")]
    assert {len(row) for row in json.loads(files[1].read_text()).values()} == {20}
    task = make_task(**given, version_2_with_negative=True, null_score_diff_threshold=-5, n_best_size=2)
    files = task.predict(AnswersAnn(), tmp_path / "other")
    assert [file.name for file in files] == ["predictions.json", "nbest_predictions.json", "null_odds.json"]
    # The odds are -2, above the threshold.
    assert json.loads(files[0].read_text()) == {"b": "", "a": ""}
    # A process that only takes its part in the work.
    assert task.predict(AnswersAnn(), None) == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["other", "out"]


def test_what_is_not_there_cannot_be_asked_for(evaluation: dict[str, Any], training: dict[str, Any]) -> None:
    evaluating, learning = make_task(**evaluation), make_task(**training)
    for call, data in (
        (lambda: evaluating.steps_per_epoch(), "training"),
        (lambda: learning.evaluate(AnswersAnn()), "evaluation"),
        (lambda: learning.predict(AnswersAnn(), None), "test"),
    ):
        with pytest.raises(ValueError, match=f"without {data} data"):
            call()


def test_training_data(training: dict[str, Any], tmp_path: Path) -> None:
    task = make_task(**training, train_batch_size=2, accumulation_steps=2, train_data_shuffle=False)
    assert (task.steps_per_epoch(), task.data.train is not None and task.data.train.rows) == (2, 6)
    assert task.place_of(3).startswith(str(tmp_path / "train.tfrecord"))
    identity = task.data_identity()
    assert json.loads(json.dumps(identity)) == identity
    # How an update is made of micro-batches is free; head and rows are not.
    assert make_task(**training, train_batch_size=4, train_data_shuffle=False).data_identity() == identity
    assert make_task(**training, train_batch_size=2, train_data_shuffle=False).data_identity() != identity
    beam = make_task(**training, train_batch_size=4, train_data_shuffle=False, squad_head="beam")
    assert beam.data_identity() != identity


@pytest.mark.parametrize("head", ["span", "beam"])
def test_networks_share_their_weights(training: dict[str, Any], head: str) -> None:
    task = make_task(**training, train_batch_size=4, squad_head=head, start_n_top=3, end_n_top=2)
    networks = task.build_networks()
    assert isinstance(networks.loss, AlbertSquad)
    assert isinstance(networks.inference, AlbertInference)
    assert {id(item) for item in networks.loss.get_parameters()} == {
        id(item) for item in networks.inference.get_parameters()
    }
    _, (loss, *_) = next(task.train_feed(TrainStart(), 1).run(networks.loss))
    assert 0 < float(loss.asnumpy()) < 20
    ids = Tensor(np.ones((2, LENGTH), np.int32))
    outputs = networks.inference(ids, ids, ids)
    shapes = [item.shape for item in outputs] if head == "beam" else [outputs.shape]
    assert shapes == ([(2, 3), (2, 3), (2, 6), (2, 6), (2,)] if head == "beam" else [(2, LENGTH, 2)])


def test_a_beam_fits_into_the_shortest_windows(training: dict[str, Any]) -> None:
    keys: dict[str, Any] = {**training, "squad_head": "beam", "start_n_top": 12}
    make_task(**keys, bucket_list="[12]")
    make_task(**{**keys, "start_n_top": LENGTH})
    with pytest.raises(ConfigError, match=r"start_n_top: 12 places .* the 8 of the shortest length -> .*bucket_list"):
        make_task(**keys, bucket_list="[8, 12]")
    with pytest.raises(ConfigError, match=rf"end_n_top: {LENGTH + 1} places .* -> lower end_n_top to {LENGTH} or less"):
        make_task(**keys, end_n_top=LENGTH + 1)
    # The other head makes no use of it.
    make_task(**{**keys, "squad_head": "span"}, bucket_list="[8]")


def test_processes_share_the_rows_of_an_update(training: dict[str, Any]) -> None:
    alone = make_task(**training, train_batch_size=4)
    both = [make_task(ProcessGroup(rank, 2), **training, train_batch_size=2) for rank in (0, 1)]
    assert {task.steps_per_epoch() for task in both} == {alone.steps_per_epoch()}
    assert all(task.data_identity() == alone.data_identity() for task in both)


@pytest.mark.parametrize(("rank", "dry_run", "kept"), [(0, False, 1), (1, False, 0), (0, True, 0)])
def test_who_keeps_features(evaluation: dict[str, Any], tmp_path: Path, rank: int, dry_run: bool, kept: int) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    given = {**GIVEN, **evaluation, "predict_feature_left_file": folder}
    argv = [text for key, value in given.items() for text in (f"--{key}", str(value))]
    loaded = load_config("squad", [*argv, *(["--dry_run"] if dry_run else [])])
    SquadTask(loaded, ProcessGroup(rank, 2))
    assert len(list(folder.iterdir())) == kept


def test_summary(evaluation: dict[str, Any], training: dict[str, Any]) -> None:
    assert make_task(**training).summary()["train windows"].startswith("6 of ")
    summary = make_task(**evaluation, bucket_list="[12]").summary()
    assert summary["task"] == "SQuAD v1.1, head span"
    assert summary["eval questions"].startswith("3 in ")
    assert summary["lengths"] == f"12, {LENGTH}"
    assert "train windows" not in summary


def test_description_of_the_run(evaluation: dict[str, Any], vocabulary: Path, tmp_path: Path) -> None:
    task = make_task(**evaluation, bucket_list="[12]", n_best_size=3, version_2_with_negative=True)
    task.save_assets(tmp_path / "run" / "assets")
    description = read_task_description(tmp_path / "run" / "assets")
    assert (description.kind, description.task_name) == ("squad", "SQuAD v2.0")
    assert (description.length, description.buckets, description.vocabulary) == (LENGTH, (12, LENGTH), "vocab.txt")
    assert description.tokenizer_sha256 == load_tokenizer(vocabulary).fingerprint()["sha256"]
    assert description.network_config() == task.network_config()
    assert description.answers == AnswerSettings("span", True, 4, 4, 30, 0.0, 5, 5, 3)
    # Other settings of the answers are free, another head is not.
    checkpoint = {"load_finetune_checkpoint_path": tmp_path / "run" / "checkpoints" / "squad-best.ckpt"}
    make_task(**{**evaluation, **checkpoint, "max_answer_length": 3})
    with pytest.raises(CheckpointError, match=r"run: the run was trained with squad_head span, not beam -> set squad_"):
        make_task(**{**evaluation, **checkpoint}, version_2_with_negative=True, squad_head="beam")


def test_questions_are_spelled_as_the_run_was_trained(evaluation: dict[str, Any], tmp_path: Path) -> None:
    task = make_task(**evaluation, do_lower_case=False)
    task.save_assets(tmp_path / "run" / "assets")
    checkpoint = {"load_finetune_checkpoint_path": tmp_path / "run" / "checkpoints" / "squad-best.ckpt"}
    again = make_task(**{**evaluation, **checkpoint})
    for made, lower in ((task, False), (again, False), (make_task(**evaluation), True)):
        assert made.data.tokenizer is not None
        assert made.data.tokenizer.do_lower_case is lower
    # The names of the passage are in the vocabulary in lower case only.
    windows = [made.data.evaluation.features.token_ids.tolist() for made in (task, again) if made.data.evaluation]
    assert windows[0] == windows[1]
    assert ANN not in windows[0]


def test_several_files_of_records_are_one_training_set(training: dict[str, Any], tmp_path: Path) -> None:
    write_sample(tmp_path / "more.tfrecord")
    one = make_task(**training)
    files = f"{tmp_path / 'train.tfrecord'},{tmp_path / 'more.tfrecord'}"
    task = make_task(**{**training, "train_data_file_path": files})
    assert task.data_identity()["train_rows"] == 2 * one.data_identity()["train_rows"]
    assert task.data_identity()["train_sha256"] == 2 * one.data_identity()["train_sha256"]
    assert task.data.tokenizer_sha256 == one.data.tokenizer_sha256 != ""


def test_identity_of_what_is_scored(evaluation: dict[str, Any], training: dict[str, Any], tmp_path: Path) -> None:
    found = [make_task(**{**evaluation, **keys}).scored_identity() for keys in ({}, {"doc_stride": 3})]
    assert found[0] != found[1]
    other = squad_json(tmp_path / "other.json", [asked("z", "who made tea ?", "Ann")])
    assert make_task(**{**evaluation, "eval_json_path": other}).scored_identity() != found[0]
    assert "eval" not in make_task(**training).scored_identity()
