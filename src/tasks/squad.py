"""Question answering on SQuAD v1.1 and v2.0."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mindspore import nn

from src.common.errors import CheckpointError, ConfigError
from src.config.load import LoadedConfig
from src.config.squad import SquadConfig
from src.data.squad_table import SquadTable
from src.evaluate.squad_answers import QuestionAnswers
from src.evaluate.squad_files import write_answers
from src.model.flops import Products, beam_products, token_products
from src.model.heads import AlbertInference
from src.model.squad_losses import AlbertSquad
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks.assets import (
    SQUAD,
    TASK_FILE,
    AnswerSettings,
    TaskDescription,
    check_trained_task,
    read_task_description,
    save_assets,
)
from src.tasks.base import Networks, Score
from src.tasks.squad_answering import BEAM, configured_answers, run_answers, score_answers, squad_model
from src.tasks.squad_data import QuestionSet, SquadData, load_squad_data
from src.tasks.table_task import TableTask


def _check_beam(settings: AnswerSettings, shortest: int) -> None:
    """Refuse a beam that is wider than the shortest window (in tokens): the network could not be built."""
    for key in ("start_n_top", "end_n_top"):
        if settings.head == BEAM and getattr(settings, key) > shortest:
            what = f"{getattr(settings, key)} places are looked for among the {shortest} of the shortest length"
            fix = f"lower {key} to {shortest} or less, or leave shorter lengths out of bucket_list"
            raise ConfigError(what, key, fix)


class SquadTask(TableTask[SquadTable]):
    """What ``run_squad_v1.py`` trains and evaluates.

    Args:
        loaded: The resolved configuration.
        group: The processes that train together.

    Raises:
        ConfigError: Keys contradict the data or each other.
        DataError: A file is wrong.
    """

    name = SQUAD
    checkpoint_prefix = "squad"
    loss_unit = "nats"
    shuffle_key = "train_data_shuffle"

    def __init__(self, loaded: LoadedConfig[SquadConfig], group: ProcessGroup = ONE_PROCESS) -> None:
        config = loaded.values
        super().__init__(loaded.network(), group, seed=config.seed, shuffle=config.train_data_shuffle)
        self._config = config
        self._settings = configured_answers(config)
        longest = self._network.seq_length
        self._lay_batches(config.bucket_list, longest, config.train_batch_size, config.accumulation_steps)
        _check_beam(self._settings, self._buckets[0])
        # A dry run writes nothing, and of several processes only the main one does.
        keep = group.is_main and not loaded.dry_run
        trained = self._trained_run(loaded)
        self.data: SquadData = load_squad_data(config, self._network, trained, keep_features=keep)
        self._train = self.data.train
        if trained is not None:
            check_trained_task(self._assets(loaded), SQUAD, None, self.data.tokenizer_sha256)

    def _assets(self, loaded: LoadedConfig[SquadConfig]) -> Path:
        """Return where the run that is gone on with, or whose checkpoint is evaluated, describes itself."""
        run = Path(self._config.load_finetune_checkpoint_path).resolve().parent.parent
        return (loaded.run_directory() if self._config.do_train else run) / "assets"

    def _trained_run(self, loaded: LoadedConfig[SquadConfig]) -> TaskDescription | None:
        """Return the description of that run, where there is one, after a look at its kind and head."""
        assets = self._assets(loaded)
        if (self._config.do_train and not self._config.resume) or not (assets / TASK_FILE).is_file():
            return None
        check_trained_task(assets, SQUAD, None, "")
        trained = read_task_description(assets)
        if trained.answers is not None and trained.answers.head != self._settings.head:
            what = f"the run was trained with squad_head {trained.answers.head}, not {self._settings.head}"
            raise CheckpointError(
                what, str(assets.parent), f"set squad_head to {trained.answers.head}, or name another run"
            )
        return trained

    def build_networks(self) -> Networks:
        """Build backbone and head with fresh weights, with the loss and for inference."""
        model = squad_model(self._network, self._settings)
        return Networks(AlbertSquad(model), AlbertInference(model))

    def _head_products(self, rows: int, length: int) -> Products:
        if self._settings.head == BEAM:
            return beam_products(self._network, rows, length)
        # A start and an end.
        return token_products(self._network, rows, length, 2)

    def summary(self) -> dict[str, Any]:
        """Return what the start-up summary says about the data and the head."""
        data = self.data
        version = "v2.0" if self._settings.version_2_with_negative else "v1.1"
        questions = {"eval questions": data.evaluation, "test questions": data.test}
        return {
            "task": f"SQuAD {version}, head {self._settings.head}",
            **({"train windows": f"{data.train.rows:,} of {data.train.source}"} if data.train else {}),
            **{name: found.summary() for name, found in questions.items() if found is not None},
            "windows": f"every {self._config.doc_stride} tokens, questions of up to {self._config.max_query_length}",
            "lengths": ", ".join(str(bucket) for bucket in self._buckets),
        }

    def _rows_identity(self) -> dict[str, Any]:
        table = self._train_table()
        return {
            "head": self._settings.head,
            "version_2_with_negative": self._settings.version_2_with_negative,
            "train_rows": table.rows,
            "train_sha256": [file.sha256 for manifest in table.manifests for file in manifest.files],
        }

    def scored_identity(self) -> dict[str, Any]:
        """Return batches, files and windows of the questions that are answered."""
        sets = {"eval": self.data.evaluation, "test": self.data.test}
        return {
            "eval_batch_size": self._config.eval_batch_size,
            "bucket_list": list(self._buckets),
            **{
                name: {"sha256": found.data.sha256, "windows": found.features.rows, **asdict(found.features.settings)}
                for name, found in sets.items()
                if found is not None
            },
        }

    def evaluate(self, inference: nn.Cell, max_batches: int = 0) -> Score:
        """Score ``inference`` on the evaluation questions; every process must call it."""
        questions = self.data.evaluation
        if questions is None:
            raise ValueError("evaluate() was called without evaluation data")
        answers = self._answer(inference, questions, "evaluate", max_batches)
        return score_answers(questions, answers, self._settings)

    def evaluation_name(self) -> str:
        """Return the name of the evaluation file."""
        return self.data.evaluation.name if self.data.evaluation else "evaluation"

    def predict(self, inference: nn.Cell, directory: Path | None) -> list[Path]:
        """Write the answers to the test questions."""
        questions = self.data.test
        if questions is None:
            raise ValueError("predict() was called without test data")
        answers = self._answer(inference, questions, "predict")
        if directory is None:
            return []
        return write_answers(
            directory / questions.name, answers, null_threshold=self._settings.null_score_diff_threshold
        )

    def save_assets(self, directory: Path) -> None:
        """Write settings and tokenizer files into the run directory."""
        tokenizer = self.data.tokenizer
        description = TaskDescription(
            kind=SQUAD,
            task_name=f"SQuAD {'v2.0' if self._settings.version_2_with_negative else 'v1.1'}",
            labels=(),
            length=self._buckets[-1],
            buckets=self._buckets,
            network=self._network.model_dump(mode="json"),
            spm_model="",
            vocabulary="",
            do_lower_case=tokenizer.do_lower_case if tokenizer else self._config.do_lower_case,
            tokenizer_sha256=self.data.tokenizer_sha256,
            answers=self._settings,
        )
        save_assets(directory, self._config, description)

    def _answer(
        self, inference: nn.Cell, questions: QuestionSet, title: str, max_batches: int = 0
    ) -> list[QuestionAnswers]:
        """Answer questions; every process must call it."""
        size, shuffle = self._config.eval_batch_size, self._config.eval_data_shuffle
        plan = self._scored_batches(questions.table, size, max_batches, shuffle=shuffle)
        return run_answers(inference, questions, plan, size, self._settings, title, self._group)
