"""Fine-tuning on sentences, pairs and tokens: classification, regression, token classification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn

from src.common.errors import ConfigError
from src.common.glue_tasks import glue_task_of
from src.config.classifier import ClassifierConfig
from src.config.load import LoadedConfig
from src.config.sections import NetworkConfig
from src.data.batching import BatchGeometry, resolve_buckets, steps_per_epoch
from src.data.dataset import TrainStart
from src.data.table import FinetuneTable
from src.evaluate.glue_submission import write_glue_submission
from src.evaluate.predictions import write_predictions
from src.evaluate.report import class_table, confusion_table, report_content, result_lines
from src.evaluate.scoring import evaluate_predictions
from src.evaluate.task_metrics import metrics_for_task
from src.model.heads import AlbertCLSModel, AlbertInference, AlbertNERModel
from src.model.losses import AlbertCLS
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks.assets import TaskDescription, check_trained_task, load_task_tokenizer, save_assets
from src.tasks.base import UPDATE_ROWS, Networks, Score, Task
from src.tasks.classifier_data import ClassifierData, load_classifier_data
from src.tasks.feed import TrainFeed, feed_from
from src.tasks.inference import Outputs, evaluation_plan, labels_of, run_with_progress, sentences_of
from src.tasks.tag_predictions import write_tags


def _joined(rows: Sequence[np.ndarray] | np.ndarray, sentences: list[list[int]]) -> list[np.ndarray]:
    """Return one array a sentence: those of its rows, one after the other."""
    return [np.concatenate([rows[place] for place in places]) for places in sentences]


def _identity_of(table: FinetuneTable) -> dict[str, Any]:
    """Return rows and checksums of a table; only the rows of files of other programs."""
    return {"rows": table.rows, "sha256": [file.sha256 for file in table.manifest.files] if table.manifest else []}


class ClassifierTask(Task):
    """What ``run_classifier.py`` trains and evaluates.

    Args:
        loaded: The resolved configuration.
        group: The processes that train together.

    Raises:
        ConfigError: Keys contradict the data or each other.
        DataError: A record file is wrong.
    """

    name = "classifier"
    checkpoint_prefix = "classifier"

    def __init__(self, loaded: LoadedConfig[ClassifierConfig], group: ProcessGroup = ONE_PROCESS) -> None:
        config = loaded.values
        self._config = config
        self._group = group
        self._network = loaded.network()
        self.data: ClassifierData = load_classifier_data(config, self._network)
        length = min(self.data.length, self._network.seq_length)
        self._buckets = resolve_buckets([b for b in config.bucket_list if b <= length], length)
        method = "" if config.assessment_method == "auto" else config.assessment_method
        self._metrics = metrics_for_task(
            self.data.kind,
            task_name=self.data.task_name,
            assessment_method=method,
            label_names=self.data.labels,
        )
        self._check_trained_task(loaded)
        self._tokenizer = load_task_tokenizer(config, self.data.tokenizer)
        if config.do_predict and self.data.kind == "token_classification" and self._tokenizer is None:
            raise ConfigError(
                "do_predict of token classification needs the tokenizer to spell the words",
                "spm_model_file",
                "set spm_model_file or vocab_file_path",
            )
        self.loss_unit = "squared score" if self.data.kind == "regression" else "nats"
        self._geometry = BatchGeometry(
            config.train_batch_size, self._buckets, config.accumulation_steps, group.rank, group.size
        )

    def _check_trained_task(self, loaded: LoadedConfig[ClassifierConfig]) -> None:
        """Make sure that the data are those of the run that is gone on with or whose checkpoint is evaluated."""
        config, made_with = self._config, self.data.tokenizer
        run = Path(config.load_finetune_checkpoint_path).resolve().parent.parent
        if config.do_train:
            if not config.resume:
                return
            run = loaded.run_directory()
        labels = self.data.labels if made_with else None
        check_trained_task(run / "assets", self.data.kind, labels, made_with.sha256 if made_with else "")

    def network_config(self) -> NetworkConfig:
        """Return the shape of the network."""
        return self._network

    def build_networks(self) -> Networks:
        """Build backbone and head with fresh weights, with the loss and for inference."""
        head = AlbertNERModel if self.data.kind == "token_classification" else AlbertCLSModel
        model = head(self._network, self.data.num_outputs)
        return Networks(AlbertCLS(model, self.data.kind), AlbertInference(model))

    def summary(self) -> dict[str, Any]:
        """Return what the start-up summary says about the data and the head."""
        data = self.data
        splits = {"train": data.train, "eval": data.evaluation, "test": data.test}
        return {
            "task": f"{data.task_name or 'own data'} ({data.kind})",
            "labels": f"{len(data.labels)}: {', '.join(data.labels[:8])}" if data.labels else "one number",
            "metrics": f"{', '.join(self._metrics.methods)} (best by {self._metrics.main})",
            **{f"{name} rows": str(table.rows) for name, table in splits.items() if table is not None},
            "lengths": ", ".join(str(bucket) for bucket in self._buckets),
        }

    def data_identity(self) -> dict[str, Any]:
        """Return rows of an update, order and rows of the data; how processes and micro-batches share it is free."""
        config, table = self._config, self._train_table()
        return {
            UPDATE_ROWS: self._geometry.update_rows,
            "bucket_list": list(self._buckets),
            "train_data_shuffle": config.train_data_shuffle,
            "seed": config.seed,
            "train_rows": table.rows,
            "train_sha256": _identity_of(table)["sha256"],
        }

    def scored_identity(self) -> dict[str, Any]:
        """Return batches and rows of the evaluation and test data."""
        tables = {"eval": self.data.evaluation, "test": self.data.test}
        return {
            "eval_batch_size": self._config.eval_batch_size,
            "bucket_list": list(self._buckets),
            **{name: _identity_of(table) for name, table in tables.items() if table is not None},
        }

    def place_of(self, row: int) -> str:
        """Return file and row of the training data."""
        return f"{self._train_table().source}: row {row}"

    def steps_per_epoch(self) -> int:
        """Return the number of optimizer steps of an epoch."""
        return steps_per_epoch(self._train_table().lengths, self._geometry)

    def train_feed(self, start: TrainStart, epochs: int) -> TrainFeed:
        """Return this process's micro-batches from ``start`` on."""
        config = self._config
        return feed_from(self._train_table(), self._geometry, config.seed, config.train_data_shuffle, start, epochs)

    def evaluate(self, inference: nn.Cell, max_batches: int = 0) -> Score:
        """Score ``inference`` on the evaluation rows; every process must call it."""
        table = self.data.evaluation
        if table is None or table.label_ids is None:
            raise ValueError("evaluate() was called without evaluation data")
        outputs = self._run(inference, table, "evaluate", max_batches)
        values, labels = outputs.values, labels_of(table, outputs.rows)
        if self.data.kind == "token_classification":
            # An entity may cross the end of a record.
            sentences = sentences_of(table, outputs.rows)
            values, labels = _joined(values, sentences), _joined(labels, sentences)
        result = evaluate_predictions(
            self.data.kind,
            self._metrics.methods,
            values,
            labels,
            self.data.labels,
            # A look at the first batches says nothing about the network.
            log_notes=not max_batches,
        )
        tables = [text for text in (confusion_table(result), class_table(result)) if text]
        return Score(
            result.main, result.value, dict(result.figures), report_content(result), (*tables, *result_lines(result))
        )

    def evaluation_name(self) -> str:
        """Return the stem of the evaluation file; of several files a common name."""
        stem = Path(self._config.eval_data_file_path).stem
        return stem if stem.replace("-", "").replace("_", "").replace(".", "").isalnum() else "evaluation"

    def predict(self, inference: nn.Cell, directory: Path | None) -> list[Path]:
        """Write predictions with probabilities, and GLUE's submission file where the task is GLUE's."""
        table = self.data.test
        if table is None:
            raise ValueError("predict() was called without test data")
        outputs = self._run(inference, table, "predict")
        if directory is None:
            return []
        if self.data.kind == "token_classification" and self._tokenizer is not None:
            return write_tags(directory, table, outputs, self.data.labels, self._tokenizer)
        expected = None if table.label_ids is None else table.label_ids[outputs.rows]
        files = write_predictions(directory, self.data.kind, outputs.stacked(), self.data.labels, expected)
        glue = glue_task_of(self.data.test_name, self.data.kind, self.data.labels)
        if glue:
            files.append(write_glue_submission(directory, glue, outputs.stacked(), self.data.labels))
        return files

    def save_assets(self, directory: Path) -> None:
        """Write labels and tokenizer files into the run directory."""
        description = TaskDescription(
            kind=self.data.kind,
            task_name=self.data.task_name,
            labels=self.data.labels,
            length=self._buckets[-1],
            buckets=self._buckets,
            network=self._network.model_dump(),
            spm_model="",
            vocabulary="",
            do_lower_case=self._tokenizer.do_lower_case if self._tokenizer else self._config.do_lower_case,
            tokenizer_sha256=self._tokenizer_sha256(),
            pairs=bool((self._train_table().segment_ids == 1).any()),
        )
        save_assets(directory, self._config, description)

    def _tokenizer_sha256(self) -> str:
        """Return the checksum of the vocabulary, of the records if they tell it; empty when unknown."""
        if self.data.tokenizer is not None:
            return self.data.tokenizer.sha256
        return str(self._tokenizer.fingerprint()["sha256"]) if self._tokenizer else ""

    def _run(self, inference: nn.Cell, table: FinetuneTable, title: str, max_batches: int = 0) -> Outputs:
        size = self._config.eval_batch_size
        shuffle_seed = self._config.seed if self._config.eval_data_shuffle else None
        plan = evaluation_plan(table, size, self._buckets, max_batches * self._group.size, shuffle_seed)
        return run_with_progress(inference, table, plan, size, title, self._group)

    def _train_table(self) -> FinetuneTable:
        if self.data.train is None:
            raise ValueError("training was asked for without training data")
        return self.data.train
