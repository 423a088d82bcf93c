"""Fine-tuning on sentences, pairs and tokens: classification, regression, token classification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindspore import nn

from src.common.errors import ConfigError
from src.common.glue_tasks import glue_task_of
from src.config.classifier import ClassifierConfig
from src.config.load import LoadedConfig
from src.data.table import FinetuneTable
from src.evaluate.glue_submission import write_glue_submission
from src.evaluate.predictions import write_predictions
from src.evaluate.task_metrics import metrics_for_task
from src.model.flops import Products, pooled_products, token_products
from src.model.heads import AlbertCLSModel, AlbertInference, AlbertNERModel
from src.model.losses import AlbertCLS
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks.assets import TaskDescription, check_trained_task, load_task_tokenizer, save_assets
from src.tasks.base import Networks, Score
from src.tasks.classifier_data import ClassifierData, load_classifier_data
from src.tasks.inference import Outputs, run_with_progress
from src.tasks.row_scores import score_rows
from src.tasks.table_task import TableTask
from src.tasks.tag_predictions import write_tags


def _identity_of(table: FinetuneTable) -> dict[str, Any]:
    """Return rows and checksums of a table; only the rows of files of other programs."""
    return {"rows": table.rows, "sha256": [file.sha256 for file in table.manifest.files] if table.manifest else []}


class ClassifierTask(TableTask[FinetuneTable]):
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
    shuffle_key = "train_data_shuffle"

    def __init__(self, loaded: LoadedConfig[ClassifierConfig], group: ProcessGroup = ONE_PROCESS) -> None:
        config = loaded.values
        super().__init__(loaded.network(), group, seed=config.seed, shuffle=config.train_data_shuffle)
        self._config = config
        self.data: ClassifierData = load_classifier_data(config, self._network)
        self._train = self.data.train
        length = min(self.data.length, self._network.seq_length)
        self._lay_batches(config.bucket_list, length, config.train_batch_size, config.accumulation_steps)
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

    def build_networks(self) -> Networks:
        """Build backbone and head with fresh weights, with the loss and for inference."""
        head = AlbertNERModel if self.data.kind == "token_classification" else AlbertCLSModel
        model = head(self._network, self.data.num_outputs)
        return Networks(AlbertCLS(model, self.data.kind), AlbertInference(model))

    def _positions_read(self) -> int | None:
        return None if self.data.kind == "token_classification" else 1

    def _head_products(self, rows: int, length: int) -> Products:
        if self.data.kind == "token_classification":
            return token_products(self._network, rows, length, self.data.num_outputs)
        return pooled_products(self._network, rows, self.data.num_outputs)

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

    def _rows_identity(self) -> dict[str, Any]:
        return {f"train_{name}": value for name, value in _identity_of(self._train_table()).items()}

    def scored_identity(self) -> dict[str, Any]:
        """Return batches and rows of the evaluation and test data."""
        tables = {"eval": self.data.evaluation, "test": self.data.test}
        return {
            "eval_batch_size": self._config.eval_batch_size,
            "bucket_list": list(self._buckets),
            **{name: _identity_of(table) for name, table in tables.items() if table is not None},
        }

    def evaluate(self, inference: nn.Cell, max_batches: int = 0) -> Score:
        """Score ``inference`` on the evaluation rows; every process must call it."""
        table = self.data.evaluation
        if table is None or table.label_ids is None:
            raise ValueError("evaluate() was called without evaluation data")
        outputs = self._run(inference, table, "evaluate", max_batches)
        # A look at the first batches says nothing about the network.
        return score_rows(table, outputs, self.data.labels, self._metrics.methods, log_notes=not max_batches)

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
            network=self._network.model_dump(mode="json"),
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
        size, shuffle = self._config.eval_batch_size, self._config.eval_data_shuffle
        plan = self._scored_batches(table, size, max_batches, shuffle=shuffle)
        return run_with_progress(inference, table, plan, size, title, self._group)
