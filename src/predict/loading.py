"""From a run directory or an exported model to the predictor that answers with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.common.errors import CheckpointError, ConfigError
from src.common.run_directory import RunDirectory
from src.data.record_schema import SQUAD
from src.data.tokenization import Tokenizer, load_tokenizer
from src.export.description import ENCODER, assets_folder, read_description
from src.export.encryption import check_key, read_key
from src.predict.options import CLASSIFY, ENCODE, FILL_MASK, NER, POOLINGS, QUESTIONS
from src.tasks.assets import (
    PRETRAINING,
    AnswerSettings,
    TaskDescription,
    check_trained_task,
    check_vocabulary,
    load_saved_tokenizer,
    read_task_description,
)

if TYPE_CHECKING:
    from src.predict.base import Predictor
    from src.predict.model import LoadedModel

# Prefix of a run's checkpoints and the key that may have put them elsewhere, by the command that its kind is for.
_CHECKPOINTS = {
    CLASSIFY: ("classifier", "save_finetune_checkpoint_path"),
    NER: ("classifier", "save_finetune_checkpoint_path"),
    FILL_MASK: ("checkpoint_albert", "save_checkpoint_path"),
    QUESTIONS: ("squad", "save_finetune_checkpoint_path"),
}
_COMMAND_OF_KIND = {PRETRAINING: FILL_MASK, SQUAD: QUESTIONS, "token_classification": NER}
# What a run of another kind lacks for a command, and what to do.
_NEEDS = {
    CLASSIFY: ("it has no labels of texts", "fine-tune its checkpoint with run_classifier.py and name that run"),
    NER: ("it has no tags of words", "fine-tune its checkpoint on words with tags by run_classifier.py"),
    FILL_MASK: (
        "it has no masked language model",
        "name a pre-training run: create_pretraining_data.py makes its records, run_pretrain.py trains it",
    ),
    QUESTIONS: ("it answers no questions", "fine-tune its checkpoint with run_squad_v1.py and name that run"),
}


@dataclass(frozen=True)
class ModelSource:
    """Which network answers.

    Attributes:
        run_dir: A run directory; ``None`` where ``model`` is given.
        model: An exported model.
        checkpoint: Weights of the run; ``None`` for the best, else the newest.
        spm_model_file: SentencePiece model for a run that holds no tokenizer.
        vocab_file_path: ``vocab.txt`` for a run that holds no tokenizer.
        key_file: File that holds the key of an encrypted model.
        device_target: Where to compute.
    """

    run_dir: Path | None = None
    model: Path | None = None
    checkpoint: Path | None = None
    spm_model_file: str = ""
    vocab_file_path: str = ""
    key_file: Path | None = None
    device_target: str = "CPU"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ModelSource:
        """Return the source that the options of ``add_source`` name."""
        return cls(**{name: options[name] for name in cls.__dataclass_fields__})

    @property
    def names_tokenizer(self) -> bool:
        """Tell whether it names files of a tokenizer."""
        return bool(self.spm_model_file or self.vocab_file_path)

    @property
    def where(self) -> str:
        """Name it in errors."""
        return str(self.model or self.run_dir)


@dataclass(frozen=True)
class PredictSettings:
    """What may be chosen of the answers.

    Attributes:
        top_k: Tokens for each mask.
        top_n: Answers to each question.
        null_threshold: Limit of ``null_odds``; ``None`` for the run's.
        max_answer_length: Most tokens of an answer; ``None`` for the run's.
        pooling: How the vectors of a text's tokens become one; ``None`` for the first of ``POOLINGS``.
    """

    top_k: int = 5
    top_n: int = 1
    null_threshold: float | None = None
    max_answer_length: int | None = None
    pooling: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PredictSettings:
        """Return the settings among the options of a command; what it does not have keeps its default."""
        return cls(**{name: options[name] for name in cls.__dataclass_fields__ if name in options})


def command_of(description: TaskDescription, part: str = "") -> str:
    """Return the command that a network is for."""
    return ENCODE if part == ENCODER else _COMMAND_OF_KIND.get(description.kind, CLASSIFY)


def check_use(source: ModelSource, command: str | None, settings: PredictSettings) -> None:
    """Refuse a network that a command or its settings have no use for, without loading it.

    Args:
        source: The network.
        command: What it is asked for; ``None`` for what it was trained for.
        settings: What was chosen.

    Raises:
        AlbertError: It is for another command, or its description is missing or damaged.
    """
    if source.model is not None:
        exported = read_description(source.model)
        description, trained_for = exported.task, command_of(exported.task, exported.part)
    elif source.run_dir is not None:
        description = read_task_description(RunDirectory.open(source.run_dir).assets)
        trained_for = command_of(description)
    else:
        return
    command = command or trained_for
    if source.model is not None:
        _check_head(command, trained_for, source.where)
    _check_command(command, trained_for, description, source.where)
    if settings.pooling is not None and command != ENCODE:
        raise ConfigError(f"it is for encode, and this model is served as {command}", "--pooling", "leave it out")
    if command == QUESTIONS:
        _answer_settings(description, settings, source.where)
        return
    for name in ("null_threshold", "max_answer_length"):
        if getattr(settings, name) is not None:
            what = f"it is for questions, and this model is served as {command}"
            raise ConfigError(what, f"--{name}", "leave it out")


def load_predictor(
    source: ModelSource, command: str | None = None, settings: PredictSettings | None = None
) -> Predictor[Any]:
    """Return what answers with a network, and prepare the device.

    Args:
        source: The network.
        command: What it is asked for; ``None`` for what it was trained for.
        settings: What may be chosen; ``None`` for the defaults.

    Raises:
        AlbertError: The network is missing, damaged or cannot do this; names the place and what to do.
    """
    settings = settings or PredictSettings()
    if source.checkpoint is not None and not source.checkpoint.is_file():
        raise CheckpointError("no such checkpoint", str(source.checkpoint), "check the path")
    if source.model is not None:
        return _predictor_of_model(source, command, settings)
    return _predictor_of_run(source, command, settings)


def _predictor_of_run(source: ModelSource, command: str | None, settings: PredictSettings) -> Predictor[Any]:
    """Return what answers with the weights of a run."""
    if source.run_dir is None:
        raise ConfigError("neither a run nor a model is given", "--run_dir", "give one of them")
    run = RunDirectory.open(source.run_dir)
    description = read_task_description(run.assets)
    trained_for = command_of(description)
    command = command or trained_for
    _check_command(command, trained_for, description, source.where)
    answers = _answer_settings(description, settings, source.where) if command == QUESTIONS else None
    tokenizer = _tokenizer(source, description, run.assets)

    from src.predict.model import checkpoint_model
    from src.runtime.device import setup_device
    from src.tasks.weights_choice import best_or_latest_weights, checkpoint_folder

    prefix, save_key = _CHECKPOINTS[trained_for]
    folder = checkpoint_folder(run, str((run.previous_config or {}).get(save_key) or ""))
    checkpoint = source.checkpoint or best_or_latest_weights(folder, prefix)
    if command != ENCODE:
        owner = checkpoint.resolve().parent.parent / "assets"
        check_trained_task(owner, description.kind, description.labels, description.tokenizer_sha256)
    setup_device(source.device_target, device_id=0, seed=0)
    model = checkpoint_model(description, tokenizer, checkpoint, encoder=command == ENCODE)
    return _predictor(command, model, settings, answers)


def _predictor_of_model(source: ModelSource, command: str | None, settings: PredictSettings) -> Predictor[Any]:
    """Return what answers with an exported network."""
    if source.model is None:
        raise ValueError("an exported model is not given")
    exported = read_description(source.model)
    trained_for = command_of(exported.task, exported.part)
    command = command or trained_for
    _check_head(command, trained_for, source.where)
    _check_command(command, trained_for, exported.task, source.where)
    answers = _answer_settings(exported.task, settings, source.where) if command == QUESTIONS else None
    assets = assets_folder(source.model)
    if (exported.task.spm_model or exported.task.vocabulary) and not (assets.is_dir() or source.names_tokenizer):
        what = "the folder with the tokenizer of the model is missing"
        raise CheckpointError(what, str(assets), f"move {assets.name} with the model, or name its tokenizer")
    tokenizer = _tokenizer(source, exported.task, assets)

    key = read_key(source.key_file) if source.key_file is not None else None
    check_key(key, exported.encryption, source.where)

    from src.export.exported import open_exported
    from src.predict.model import exported_model

    description, network = open_exported(source.model, source.device_target, key)
    return _predictor(command, exported_model(description, tokenizer, network), settings, answers)


def _predictor(
    command: str, model: LoadedModel, settings: PredictSettings, answers: AnswerSettings | None
) -> Predictor[Any]:
    """Return the predictor of a command."""
    if command == CLASSIFY:
        from src.predict.text_classifier import TextClassifier

        return TextClassifier(model)
    if command == NER:
        from src.predict.token_tagger import TokenTagger

        return TokenTagger(model)
    if command == FILL_MASK:
        from src.predict.mask_filler import MaskFiller

        return MaskFiller(model, settings.top_k)
    if command == QUESTIONS and answers is not None:
        from src.predict.question_answerer import QuestionAnswerer

        return QuestionAnswerer(model, answers, settings.top_n)
    from src.predict.text_encoder import TextEncoder

    return TextEncoder(model, settings.pooling or POOLINGS[0])


def _check_head(command: str, trained_for: str, where: str) -> None:
    """Refuse vectors of an exported network that gives the answers of its head."""
    if command == ENCODE and trained_for != ENCODE:
        fix = "export the run once more with --export_part encoder, or give the run itself by --run_dir"
        raise ConfigError(f"the model was exported with its head, for {trained_for}", where, fix)


def _check_command(command: str, trained_for: str, description: TaskDescription, where: str) -> None:
    """Refuse a network that the command has no use for, and name the command that has."""
    if command in (trained_for, ENCODE):
        return
    what = {
        ENCODE: "this is a network without a head",
        FILL_MASK: "this is a pre-training run",
        QUESTIONS: "the run answers questions about passages (squad)",
        NER: "the run tags words (token_classification)",
        CLASSIFY: f"the run was fine-tuned ({description.kind})",
    }[trained_for]
    lacks, other = _NEEDS[command]
    raise ConfigError(f"{what}: {lacks}", where, f"use predict.py {trained_for}, or {other}")


def _answer_settings(description: TaskDescription, settings: PredictSettings, where: str) -> AnswerSettings:
    """Return how questions are answered: as in the run's evaluation, unless the settings say otherwise."""
    answers = description.answers
    if answers is None:
        fix = "restore its task.json, or train again with run_squad_v1.py"
        raise ConfigError("the run does not say how questions are answered", where, fix)
    if settings.max_answer_length is not None:
        answers = replace(answers, max_answer_length=settings.max_answer_length)
    if settings.null_threshold is not None:
        if not answers.version_2_with_negative:
            what = f"the run {where} is one on SQuAD v1.1: it answers every question"
            raise ConfigError(what, "--null_threshold", "leave it out")
        answers = replace(answers, null_score_diff_threshold=settings.null_threshold)
    return answers


def _tokenizer(source: ModelSource, description: TaskDescription, assets: Path) -> Tokenizer:
    """Return the tokenizer that is named, else the one that lies beside the network."""
    if source.names_tokenizer:
        tokenizer = load_tokenizer(source.vocab_file_path, source.spm_model_file, description.do_lower_case)
    else:
        tokenizer = load_saved_tokenizer(assets, description)
    check_vocabulary(tokenizer, description, source.spm_model_file or source.vocab_file_path or str(assets))
    return tokenizer
