"""The exported model that batches are made for, and what its description decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.common.errors import ConfigError
from src.data.tokenization import Tokenizer, load_tokenizer
from src.export.description import MINDIR, MODEL, ExportDescription, assets_folder, read_description
from src.offline.manifest import ModelInfo, TokenizerFile
from src.offline.task_type import TaskType
from src.tasks.assets import PRETRAINING, TaskDescription, check_vocabulary


@dataclass(frozen=True)
class TargetModel:
    """An exported model; only its description is read.

    Attributes:
        description: What stands beside it.
        assets: Folder of its tokenizer's files.
    """

    description: ExportDescription
    assets: Path

    @property
    def task(self) -> TaskDescription:
        """What the network was trained for."""
        return self.description.task

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.description.file

    def info(self) -> ModelInfo:
        """Return what the manifest keeps."""
        return ModelInfo(file=self.description.file, sha256=self.description.sha256)


def open_target(path: Path | None) -> TargetModel | None:
    """Return the model of ``--model``, ``None`` without one.

    Raises:
        CheckpointError: The model, or what stands beside it, is missing or damaged.
        ConfigError: It answers nothing that can be scored, or ascend310_infer cannot run it.
    """
    if path is None:
        return None
    description = read_description(path)
    if description.part != MODEL or description.task.kind == PRETRAINING:
        what = "the model gives no labels and no answers, so there is nothing to score"
        raise ConfigError(what, str(path), "export a fine-tuned model: a classifier or one on SQuAD")
    _check_runs(description, path)
    return TargetModel(description, assets_folder(path))


def _check_runs(description: ExportDescription, path: Path) -> None:
    """Refuse a model that MindSpore Lite does not take from ``ascend310_infer``."""
    if description.format != MINDIR:
        what = f"this is a model in the format {description.format}, and ascend310_infer runs MindIR"
        raise ConfigError(what, str(path), "export it with --file_format MINDIR")
    if description.encryption:
        what = f"the model is encrypted ({description.encryption}), which ascend310_infer cannot read"
        raise ConfigError(what, str(path), "export it without a key")
    if description.rows is None or description.length is None:
        what = "the model takes batches of any size, and ascend310_infer runs models of fixed sizes"
        raise ConfigError(what, str(path), "export it without --export_dynamic")


def choose_task(given: TaskType, model: TargetModel | None, json_path: str) -> TaskType:
    """Return the task of ``--task_type``, or the one that model and files show.

    Raises:
        ConfigError: The model is for another kind of task.
    """
    if model is None:
        return given if given.name or given.is_squad else TaskType(is_squad=bool(json_path))
    answers = model.task.answers
    if given == TaskType():
        given = TaskType(is_squad=answers is not None)
    if given.is_squad != (answers is not None):
        what = f"the model {model.name} is for {'questions about passages (SQuAD)' if answers else model.task.kind}"
        raise ConfigError(what, "--task_type", "name its task, or give the model of this task")
    return given


def choose_size(given: int | None, fixed: int | None, otherwise: int, option: str, what: str) -> int:
    """Return the number that is given, or that the model is fixed to, or else the third.

    Raises:
        ConfigError: The model is fixed to another number than the given one.
    """
    if fixed is not None and given not in (None, fixed):
        fix = f"leave {option} out, or export the model for {given}"
        raise ConfigError(f"the model takes {fixed} {what}, not {given}", option, fix)
    return fixed or given or otherwise


def choose_length(given: int | None, model: TargetModel | None, otherwise: int) -> int:
    """Return the number of tokens of a row: given, the model's, or the third where there is no model.

    Raises:
        ConfigError: The model is fixed to another number.
    """
    fixed = model.description.length if model is not None else None
    return choose_size(given, fixed, otherwise, "--seq_length", "tokens of a row")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer and the file that it was loaded from."""

    tokenizer: Tokenizer
    file: Path
    is_spm: bool

    def entry(self) -> TokenizerFile:
        """Return what the manifest keeps."""
        return TokenizerFile(
            spm_model=self.file.name if self.is_spm else "",
            vocabulary="" if self.is_spm else self.file.name,
            do_lower_case=self.tokenizer.do_lower_case,
            sha256=str(self.tokenizer.fingerprint()["sha256"]),
        )


def load_vocabulary(
    spm_model_file: str, vocab_file_path: str, do_lower_case: bool | None, model: TargetModel | None
) -> Vocabulary | None:
    """Return the tokenizer that is given, else the model's; ``None`` where there is neither.

    Args:
        spm_model_file: SentencePiece model; may be empty.
        vocab_file_path: WordPiece vocabulary; may be empty.
        do_lower_case: Whether text is lower-cased; ``None`` where it was not said.
        model: The model.

    Raises:
        ConfigError: The model's text was lower-cased and this is not to be, or the other way round.
        DataError: A file is missing or damaged, or is not the vocabulary of the model.
    """
    if model is not None and do_lower_case not in (None, model.task.do_lower_case):
        what = f"the model was trained with do_lower_case {str(model.task.do_lower_case).lower()}"
        raise ConfigError(what, "--do_lower_case", "leave it out")
    if not (spm_model_file or vocab_file_path):
        if model is None or not (model.task.spm_model or model.task.vocabulary):
            return None
        spm_model_file = str(model.assets / model.task.spm_model) if model.task.spm_model else ""
        vocab_file_path = "" if spm_model_file else str(model.assets / model.task.vocabulary)
    lower = model.task.do_lower_case if model is not None else do_lower_case is not False
    tokenizer = load_tokenizer(vocab_file_path, spm_model_file, lower)
    file = Path(spm_model_file or vocab_file_path)
    if model is not None:
        check_vocabulary(tokenizer, model.task, str(file))
    return Vocabulary(tokenizer, file, bool(spm_model_file))
