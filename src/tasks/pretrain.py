"""Pre-training: masked language model and sentence order on records of ``create_pretraining_data.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindspore import nn

from src.common.errors import ConfigError, DataError
from src.config.load import LoadedConfig
from src.config.pretrain import PretrainConfig
from src.config.sections import NetworkConfig
from src.data.batching import BatchGeometry, resolve_buckets, steps_per_epoch
from src.data.dataset import TrainStart
from src.data.manifest import TokenizerInfo
from src.data.pretraining.table import PretrainTable, read_pretrain_table
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from src.runtime.process_group import ProcessGroup
from src.tasks.assets import (
    PRETRAINING,
    check_trained_task,
    load_task_tokenizer,
    pretraining_description,
    save_assets,
)
from src.tasks.base import UPDATE_ROWS, Networks, Score, Task
from src.tasks.feed import TrainFeed, feed_from
from src.tasks.inference import evaluation_plan
from src.tasks.pretrain_score import score_pretraining


class PretrainTask(Task):
    """What ``run_pretrain.py`` trains and ``pretrain_eval.py`` scores.

    Args:
        loaded: The resolved configuration.
        group: The processes that train together.
        train: Whether to read the training records.
        evaluate: Whether to read the evaluation records.

    Raises:
        ConfigError: A folder is not given, or keys contradict the records.
        DataError: Records are wrong.
    """

    name = "pretraining"
    checkpoint_prefix = "checkpoint_albert"
    loss_unit = "nats"

    def __init__(
        self, loaded: LoadedConfig[PretrainConfig], group: ProcessGroup, *, train: bool, evaluate: bool
    ) -> None:
        config = loaded.values
        self._config = config
        self._network = loaded.network()
        self._group = group
        self._train = self._read("data_dir", config.schema_dir) if train else None
        self._evaluation = self._read("eval_data_dir", config.schema_file, config.eval_samples) if evaluate else None
        length = max(table.max_seq_length for table in (self._train, self._evaluation) if table is not None)
        self._buckets = resolve_buckets([bucket for bucket in config.bucket_list if bucket <= length], length)
        self._geometry = BatchGeometry(
            config.effective_batch_size(), self._buckets, config.accumulation_steps, group.rank, group.size
        )
        self._made_with = made_with = self._common_tokenizer()
        self._tokenizer = load_task_tokenizer(config, made_with)

    def _read(self, key: str, schema: str, rows_at_most: int | None = None) -> PretrainTable:
        folder = str(getattr(self._config, key))
        if not folder:
            raise ConfigError("the folder of the records is not given", key, f"give --{key} FOLDER")
        return read_pretrain_table(
            Path(folder),
            Path(schema) if schema else None,
            vocab_size=self._network.vocab_size,
            seq_length=self._network.seq_length,
            lengths=bool(self._config.bucket_list),
            rows_at_most=rows_at_most,
        )

    def _common_tokenizer(self) -> TokenizerInfo | None:
        """Return what made the token ids, where the records tell it.

        Raises:
            DataError: Training and evaluation records were made with different vocabularies.
        """
        tables = [table for table in (self._train, self._evaluation) if table is not None]
        known = [(table, table.tokenizer) for table in tables if table.tokenizer is not None]
        if len({made_with.sha256 for _, made_with in known}) > 1:
            (first, _), (second, made_with) = known
            what = f"the records were made with another vocabulary ({made_with.file}) than those of {first.source}"
            raise DataError(what, str(second.source), "create both with the same one")
        return known[0][1] if known else None

    def check_trained_with(self, run: Path) -> None:
        """Raise ``CheckpointError`` where the run directory ``run`` tells that it had another vocabulary."""
        check_trained_task(run / "assets", PRETRAINING, None, self._made_with.sha256 if self._made_with else "")

    def network_config(self) -> NetworkConfig:
        """Return the shape of the network."""
        return self._network

    def build_networks(self) -> Networks:
        """Build backbone and both heads with fresh weights, for training and for scoring."""
        model = AlbertPreTrainingModel(self._network)
        # Two cells, because a graph keeps the mode, with or without dropout, in which its cell ran first.
        return Networks(AlbertPreTraining(model), AlbertPreTraining(model))

    def summary(self) -> dict[str, Any]:
        """Return what the start-up summary says about the data."""
        tables = {"train": self._train, "eval": self._evaluation}
        return {
            **{f"{name} records": _described(table) for name, table in tables.items() if table is not None},
            "lengths": ", ".join(str(bucket) for bucket in self._buckets),
        }

    def data_identity(self) -> dict[str, Any]:
        """Return rows of an update, order and records; how processes and micro-batches share an update is free."""
        return {
            UPDATE_ROWS: self._geometry.update_rows,
            "bucket_list": list(self._buckets),
            "do_shuffle": self._config.do_shuffle,
            "seed": self._config.seed,
            "records": self._train_table().identity(),
        }

    def scored_identity(self) -> dict[str, Any]:
        """Return batches and records of the evaluation."""
        config = self._config
        return {
            "eval_batch_size": config.eval_batch_size or config.effective_batch_size(),
            "bucket_list": list(self._buckets),
            "records": self._evaluation.identity() if self._evaluation else None,
        }

    def place_of(self, row: int) -> str:
        """Return file and record of a row of the training data."""
        return self._train_table().place_of(row)

    def steps_per_epoch(self) -> int:
        """Return the number of optimizer steps of an epoch."""
        return steps_per_epoch(self._train_table().lengths, self._geometry)

    def train_feed(self, start: TrainStart, epochs: int) -> TrainFeed:
        """Return this process's micro-batches from ``start`` on."""
        config = self._config
        return feed_from(self._train_table(), self._geometry, config.seed, config.do_shuffle, start, epochs)

    def evaluate(self, inference: nn.Cell, max_batches: int = 0) -> Score:
        """Score ``inference`` on the evaluation records; every process must call it."""
        if self._evaluation is None:
            raise ValueError("evaluate() was called without evaluation data")
        size = self._config.eval_batch_size or self._config.effective_batch_size()
        plan = evaluation_plan(self._evaluation, size, self._buckets, max_batches * self._group.size)
        return score_pretraining(inference, self._evaluation, plan, size, self._group)

    def evaluation_name(self) -> str:
        """Return the stem of the evaluation file."""
        return "held_out"

    def predict(self, inference: nn.Cell, directory: Path | None) -> list[Path]:
        """Refuse: pre-training has no predictions to write."""
        raise ValueError("pre-training predicts nothing")

    def save_assets(self, directory: Path) -> None:
        """Write network and tokenizer files into the run directory."""
        made_with, tokenizer = self._made_with, self._tokenizer
        sha256 = str(tokenizer.fingerprint()["sha256"]) if tokenizer else ""
        description = pretraining_description(
            self._network,
            self._buckets[-1],
            self._buckets,
            do_lower_case=tokenizer.do_lower_case if tokenizer else self._config.do_lower_case,
            tokenizer_sha256=made_with.sha256 if made_with else sha256,
        )
        save_assets(directory, self._config, description)

    def _train_table(self) -> PretrainTable:
        if self._train is None:
            raise ValueError("training was asked for without training data")
        return self._train


def _described(table: PretrainTable) -> str:
    return f"{table.rows:,} of up to {table.max_seq_length} tokens in {len(table.files)} files of {table.source}"
