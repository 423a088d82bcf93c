"""Which network is exported: its weights, what they were trained for, and its tokenizer's files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError
from src.common.run_directory import RunDirectory, is_run_directory
from src.config.load import LoadedConfig
from src.data.record_schema import SQUAD
from src.data.tokenization import load_tokenizer
from src.export.description import ENCODER
from src.export.heads import read_head
from src.export.plan import ExportPlan
from src.export.task_of_config import task_of_config
from src.tasks.assets import (
    PRETRAINING,
    TASK_FILE,
    TaskDescription,
    check_trained_task,
    check_vocabulary,
    read_task_description,
)
from src.tasks.weights_choice import best_or_latest_weights, checkpoint_folder

_PREFIXES = {PRETRAINING: "checkpoint_albert", SQUAD: "squad"}


@dataclass(frozen=True)
class ExportSource:
    """A trained network.

    Attributes:
        task: What it was trained for.
        checkpoint: Its weights.
        vocab_file_path: WordPiece vocabulary, or empty.
        spm_model_file: SentencePiece model, or empty.
        run: The run that described it; ``None`` where the configuration did.
    """

    task: TaskDescription
    checkpoint: Path
    vocab_file_path: str
    spm_model_file: str
    run: Path | None

    @property
    def do_lower_case(self) -> bool:
        """Whether the tokenizer lower-cases."""
        return self.task.do_lower_case


def find_source(loaded: LoadedConfig[Any], plan: ExportPlan) -> ExportSource:
    """Return the network that the configuration names.

    A run directory describes it, where one is named or holds the checkpoint; otherwise the configuration does.

    Raises:
        CheckpointError: There is no such checkpoint, or it is that of another task.
        ConfigError: Nothing is named, or what is named contradicts itself.
        DataError: The vocabulary is missing, damaged or another one.
    """
    named = loaded.values.export_ckpt_file
    directory = _run_of(loaded, named)
    if directory is None:
        checkpoint = Path(named)
        task = task_of_config(loaded, plan.part, read_head(checkpoint), checkpoint)
        files = (loaded.values.vocab_file_path, loaded.values.spm_model_file)
        return _checked(ExportSource(task, checkpoint, *files, run=None))
    run = RunDirectory.open(directory)
    task = read_task_description(run.assets)
    checkpoint = Path(named) if named else best_or_latest_weights(_folder(run, loaded, task), _prefix(task))
    if plan.part != ENCODER:
        owner = checkpoint.resolve().parent.parent / "assets"
        check_trained_task(owner, task.kind, task.labels, task.tokenizer_sha256)
    is_own = loaded.config_path.resolve().parent == directory.resolve()
    if loaded.values.run_dir and not is_own:
        _check_same_task(loaded, task, directory)
    if is_own or loaded.values.run_dir:
        # The command line may choose other arithmetic than the training's; every other key is the training's.
        network = loaded.network()
        arithmetic = network.model_dump(include={"compute_type", "float32_operators"})
        task = replace(task, network={**task.network, **arithmetic})
        _check_same_network(task, network.model_dump())
    vocabulary = str(run.assets / task.vocabulary) if task.vocabulary else ""
    model = str(run.assets / task.spm_model) if task.spm_model else ""
    if not (vocabulary or model) or loaded.given & {"vocab_file_path", "spm_model_file"}:
        vocabulary, model = loaded.values.vocab_file_path, loaded.values.spm_model_file
    return _checked(ExportSource(task, checkpoint, vocabulary, model, directory))


def _run_of(loaded: LoadedConfig[Any], checkpoint: str) -> Path | None:
    """Return the run that describes the network, ``None`` where the configuration does."""
    run = loaded.run_directory()
    is_named = bool(loaded.values.run_dir) or is_run_directory(loaded.config_path.parent)
    if is_run_directory(run) and (is_named or not checkpoint):
        return run
    if not checkpoint:
        fix = "give --export_ckpt_file CHECKPOINT, or --run_dir RUN for the best one of a run"
        raise ConfigError("no checkpoint is given", "export_ckpt_file", fix)
    owner = Path(checkpoint).resolve().parent.parent
    return owner if (owner / "assets" / TASK_FILE).is_file() and is_run_directory(owner) else None


def _prefix(task: TaskDescription) -> str:
    """Return what the names of a run's checkpoints begin with."""
    return _PREFIXES.get(task.kind, "classifier")


def _folder(run: RunDirectory, loaded: LoadedConfig[Any], task: TaskDescription) -> Path:
    """Return where a run keeps its checkpoints."""
    key = "save_checkpoint_path" if task.kind == PRETRAINING else "save_finetune_checkpoint_path"
    return checkpoint_folder(run, str((run.previous_config or {}).get(key) or ""))


def _check_same_task(loaded: LoadedConfig[Any], task: TaskDescription, run: Path) -> None:
    """Refuse a yaml file of another task than the one that the run was trained for."""
    trained = {PRETRAINING: "pretrain", SQUAD: "squad"}.get(task.kind, "classifier")
    if loaded.task != trained:
        what = f"this is a file for {loaded.task}, and {run} a run of {trained}"
        raise ConfigError(what, f"config_path {loaded.config_path}", "leave it out: the run's own settings count")


def _check_same_network(task: TaskDescription, network: dict[str, object]) -> None:
    """Refuse keys of the network on the command line that are not those of the run."""
    trained = task.network_config().model_dump()
    for key, value in trained.items():
        # Lengths of inputs and dropout have no part in the weights.
        if network[key] != value and not (key == "seq_length" or key.endswith("_prob")):
            what = f"the run was trained with {key} {value}, not {network[key]}"
            raise ConfigError(what, key, "leave it out: the run's own value counts")


def _checked(source: ExportSource) -> ExportSource:
    """Return the source after a look at its tokenizer, where it has one."""
    vocabulary, model, task = source.vocab_file_path, source.spm_model_file, source.task
    if not (vocabulary or model):
        return source
    tokenizer = load_tokenizer(vocabulary, model, task.do_lower_case)
    check_vocabulary(tokenizer, task, model or vocabulary)
    if not task.tokenizer_sha256:
        sha256 = str(tokenizer.fingerprint()["sha256"])
        return replace(source, task=replace(task, tokenizer_sha256=sha256))
    return source
