"""Pre-training: masked language model and sentence order on records of ``create_pretraining_data.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindspore import nn

from src.common.errors import ConfigError, DataError
from src.common.wording import counted
from src.config.load import LoadedConfig
from src.config.pretrain import PretrainConfig
from src.data.manifest import TokenizerInfo
from src.data.pretraining.table import PretrainTable, read_pretrain_table
from src.model.flops import Products, pretraining_products
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from src.runtime.process_group import ProcessGroup
from src.tasks.assets import (
    PRETRAINING,
    check_trained_task,
    load_task_tokenizer,
    pretraining_description,
    save_assets,
)
from src.tasks.base import Networks, Score
from src.tasks.pretrain_score import score_pretraining
from src.tasks.table_task import TableTask


class PretrainTask(TableTask[PretrainTable]):
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
    shuffle_key = "do_shuffle"

    def __init__(
        self, loaded: LoadedConfig[PretrainConfig], group: ProcessGroup, *, train: bool, evaluate: bool
    ) -> None:
        config = loaded.values
        super().__init__(loaded.network(), group, seed=config.seed, shuffle=config.do_shuffle)
        self._config = config
        self._train = self._read("data_dir", config.schema_dir) if train else None
        self._evaluation = self._read("eval_data_dir", config.schema_file, config.eval_samples) if evaluate else None
        length = max(table.max_seq_length for table in (self._train, self._evaluation) if table is not None)
        self._lay_batches(config.bucket_list, length, config.effective_batch_size(), config.accumulation_steps)
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

    def build_networks(self) -> Networks:
        """Build backbone and both heads with fresh weights, for training and for scoring."""
        model = AlbertPreTrainingModel(self._network)
        # Two cells, because a graph keeps the mode, with or without dropout, in which its cell ran first.
        return Networks(AlbertPreTraining(model), AlbertPreTraining(model))

    def _positions_read(self) -> int:
        # And the first token, for the order of the segments.
        return self._train_table().slots + 1

    def _head_products(self, rows: int, length: int) -> Products:
        return pretraining_products(self._network, rows, self._train_table().slots)

    def summary(self) -> dict[str, Any]:
        """Return what the start-up summary says about the data."""
        tables = {"train": self._train, "eval": self._evaluation}
        return {
            **{f"{name} records": _described(table) for name, table in tables.items() if table is not None},
            "lengths": ", ".join(str(bucket) for bucket in self._buckets),
        }

    def _rows_identity(self) -> dict[str, Any]:
        return {"records": self._train_table().identity()}

    def scored_identity(self) -> dict[str, Any]:
        """Return batches and records of the evaluation."""
        config = self._config
        return {
            "eval_batch_size": config.eval_batch_size or config.effective_batch_size(),
            "bucket_list": list(self._buckets),
            "records": self._evaluation.identity() if self._evaluation else None,
        }

    def evaluate(self, inference: nn.Cell, max_batches: int = 0) -> Score:
        """Score ``inference`` on the evaluation records; every process must call it."""
        if self._evaluation is None:
            raise ValueError("evaluate() was called without evaluation data")
        size = self._config.eval_batch_size or self._config.effective_batch_size()
        plan = self._scored_batches(self._evaluation, size, max_batches)
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


def _described(table: PretrainTable) -> str:
    files = counted(len(table.files), "file")
    return f"{table.rows:,} of up to {table.max_seq_length} tokens in {files} of {table.source}"
