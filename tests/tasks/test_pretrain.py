"""The pre-training task between configuration, records and the driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mindspore import nn

from src.common.errors import ConfigError, DataError
from src.config.load import load_config
from src.data.dataset import TrainStart
from src.model.pretraining import AlbertPreTraining
from src.runtime.process_group import ProcessGroup
from src.tasks.assets import read_task_description
from src.tasks.pretrain import PretrainTask
from tests.data.pretrain_samples import write_pretrain_folder
from tests.tasks.pretrain_runs import write_vocabulary

LENGTH, SLOTS, VOCAB_SIZE, ROWS = 16, 4, 100, 30
NETWORK = {
    "albert_network": "custom",
    "custom_net_cfg.seq_length": 20,
    "custom_net_cfg.vocab_size": VOCAB_SIZE,
    "custom_net_cfg.embedding_size": 4,
    "custom_net_cfg.hidden_size": 8,
    "custom_net_cfg.num_hidden_layers": 1,
    "custom_net_cfg.num_attention_heads": 2,
    "custom_net_cfg.intermediate_size": 12,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records")
    write_pretrain_folder(path, ROWS, seq_length=LENGTH, slots=SLOTS, vocab_size=VOCAB_SIZE)
    return path


def make_task(folder: Path, rank: int = 0, size: int = 1, **keys: Any) -> PretrainTask:
    given = {**NETWORK, "data_dir": folder, "batch_size": 4, **keys}
    loaded = load_config("pretrain", [text for key, value in given.items() for text in (f"--{key}", str(value))])
    return PretrainTask(loaded, ProcessGroup(rank, size), train=True, evaluate=loaded.values.train_with_eval)


def rows_of(task: PretrainTask, epoch: int = 0, step: int = 0, epochs: int = 1) -> list[list[int]]:
    return [info.indices.tolist() for info in task.train_feed(TrainStart(epoch, step), epochs).infos]


def test_batches_have_the_length_of_the_records_and_not_of_the_network(folder: Path) -> None:
    task = make_task(folder)
    assert task.summary()["lengths"] == str(LENGTH)
    assert f"{ROWS} of up to {LENGTH} tokens in 2 files" in task.summary()["train records"]
    assert make_task(folder, bucket_list="[8,18]").summary()["lengths"] == f"8, {LENGTH}"


def test_an_epoch_holds_every_record_once(folder: Path) -> None:
    task = make_task(folder)
    assert task.steps_per_epoch() == 8
    first = rows_of(task)
    assert sorted(row for rows in first for row in rows) == list(range(ROWS))
    both = rows_of(task, epochs=2)
    assert both[:8] == first
    assert both[8:] != first
    assert rows_of(task, 1, 3, 2) == both[11:]
    assert rows_of(make_task(folder, do_shuffle="false"))[0] == [0, 1, 2, 3]
    assert rows_of(make_task(folder, seed=3)) != first


@pytest.mark.parametrize(("batch", "micro", "size"), [(4, 2, 2), (8, 2, 1), (2, 2, 4)])
def test_ranks_and_micro_batches_share_the_rows_of_one_update(folder: Path, batch: int, micro: int, size: int) -> None:
    """However 16 rows are shared, they are the same 16 rows, and the identity says so."""
    whole = make_task(folder, batch_size=16)
    tasks = [make_task(folder, rank, size, batch_size=batch, accumulation_steps=micro) for rank in range(size)]
    assert all(task.data_identity() == whole.data_identity() for task in tasks)
    assert {task.steps_per_epoch() for task in tasks} == {2}
    shares = [rows_of(task) for task in tasks]
    for update, expected in enumerate(rows_of(whole)):
        found = [row for share in shares for part in share[update * micro : (update + 1) * micro] for row in part]
        assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    "keys", [{"batch_size": 8}, {"seed": 1}, {"do_shuffle": "false"}, {"bucket_list": "[8]"}, {"accumulation_steps": 2}]
)
def test_what_another_order_of_rows_comes_from_changes_the_identity(folder: Path, keys: dict[str, Any]) -> None:
    assert make_task(folder, **keys).data_identity() != make_task(folder).data_identity()


def test_other_records_change_the_identity(folder: Path, tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, ROWS, seq_length=LENGTH, slots=SLOTS, vocab_size=VOCAB_SIZE, seed=1)
    assert make_task(tmp_path).data_identity() != make_task(folder).data_identity()


def test_the_feed_gives_the_columns_that_the_network_takes(folder: Path) -> None:
    task = make_task(folder, batch_size=16, accumulation_steps=2)
    seen: list[Any] = []
    list(task.train_feed(TrainStart(), 1).run(lambda *tensors: seen.append([item.asnumpy() for item in tensors])))
    assert [array.shape for array in seen[0]] == [
        *[(16, LENGTH)] * 3,
        (16, 1),
        *[(16, SLOTS)] * 3,
        (16,),
        (2,),
    ]
    # Both micro-batches of the update carry its totals; the second one has 14 rows and 2 fillers.
    first, second = seen
    np.testing.assert_array_equal(first[-1], second[-1])
    assert first[-1].tolist() == [first[6].sum() + second[6].sum(), ROWS]
    assert second[7].sum() == 14


def test_networks_share_their_weights(folder: Path) -> None:
    networks = make_task(folder).build_networks()
    assert isinstance(networks.loss, AlbertPreTraining)
    assert networks.loss is not networks.inference
    assert [id(item) for item in networks.loss.get_parameters()] == [
        id(item) for item in networks.inference.get_parameters()
    ]


def test_place_of_a_row(folder: Path) -> None:
    assert make_task(folder).place_of(17).endswith("pretrain-00001.tfrecord: record 2")


def test_assets_of_a_run(folder: Path, tmp_path: Path) -> None:
    task = make_task(folder, bucket_list="[8]")
    task.save_assets(tmp_path)
    description = read_task_description(tmp_path)
    assert (description.kind, description.length, description.buckets) == ("pretraining", LENGTH, (8, LENGTH))
    assert description.network_config() == task.network_config()
    # As the records tell it, though no vocabulary is configured.
    assert description.tokenizer_sha256 == "0" * 64


def test_a_vocabulary_that_did_not_make_the_records(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not the one that the records were made with"):
        make_task(folder, vocab_file_path=write_vocabulary(tmp_path / "vocab.txt"))


@pytest.mark.parametrize("key", ["data_dir", "eval_data_dir"])
def test_a_folder_that_is_not_given(folder: Path, key: str) -> None:
    loaded = load_config("pretrain", [text for name, value in NETWORK.items() for text in (f"--{name}", str(value))])
    with pytest.raises(ConfigError, match=f"{key}: the folder of the records is not given -> give --{key} FOLDER"):
        PretrainTask(loaded, ProcessGroup(), train=key == "data_dir", evaluate=key == "eval_data_dir")


def test_evaluation_takes_at_most_so_many_records(folder: Path) -> None:
    keys = {"train_with_eval": "true", "eval_data_dir": folder, "eval_samples": 7}
    assert make_task(folder, **keys).summary()["eval records"].startswith("7 of up to")


def test_what_the_task_cannot_do(folder: Path, tmp_path: Path) -> None:
    task = make_task(folder)
    with pytest.raises(ValueError, match="predicts nothing"):
        task.predict(nn.Cell(), tmp_path)
    with pytest.raises(ValueError, match="without evaluation data"):
        task.evaluate(nn.Cell())
