"""What a run directory keeps beside the weights, so that it predicts on raw text by itself wherever it is moved."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import ConfigDict, TypeAdapter

from src.common.errors import CheckpointError, ConfigError, DataError
from src.common.files import atomic_path, write_json_atomic
from src.config.sections import NetworkConfig
from src.data.manifest import TokenizerInfo
from src.data.record_schema import KINDS, SQUAD
from src.data.tokenization import Tokenizer, load_tokenizer

logger = logging.getLogger(__name__)

TASK_FILE = "task.json"
PRETRAINING = "pretraining"
"""Kind of a pre-training run; fine-tuning runs have the kind of their records."""


class VocabularyConfig(Protocol):
    """The keys that say where the tokenizer is."""

    @property
    def vocab_file_path(self) -> str:
        """WordPiece vocabulary."""

    @property
    def spm_model_file(self) -> str:
        """SentencePiece model."""

    @property
    def do_lower_case(self) -> bool:
        """Whether text is lower-cased."""


@dataclass(frozen=True)
class AnswerSettings:
    """How a network answers questions about passages; see ``SquadConfig``."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    head: str
    version_2_with_negative: bool
    max_query_length: int
    doc_stride: int
    max_answer_length: int
    null_score_diff_threshold: float
    start_n_top: int
    end_n_top: int
    # The default is for descriptions that were written before there was this key.
    n_best_size: int = 20


@dataclass(frozen=True)
class TaskDescription:
    """The content of ``task.json``.

    Attributes:
        kind: Kind of the records, or ``PRETRAINING``.
        task_name: GLUE's name, the user's own, or empty.
        labels: Class names in the order of their ids; none for regression and pre-training.
        length: Most tokens of a text: fine-tuning cuts longer ones.
        buckets: Padded lengths.
        network: Keys of ``NetworkConfig``.
        spm_model: Name of the SentencePiece model in the same folder; empty for WordPiece or unknown.
        vocabulary: Name of ``vocab.txt`` in the same folder; empty for SentencePiece or unknown.
        do_lower_case: Whether the tokenizer lower-cases.
        tokenizer_sha256: Checksum of the vocabulary that made the records; empty when unknown.
        pairs: Whether the training rows were pairs of texts; ``None`` when unknown.
        answers: How questions are answered; ``None`` for other kinds.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: str
    task_name: str
    labels: tuple[str, ...]
    length: int
    buckets: tuple[int, ...]
    network: dict[str, object]
    spm_model: str
    vocabulary: str
    do_lower_case: bool
    tokenizer_sha256: str = ""
    pairs: bool | None = None
    answers: AnswerSettings | None = None

    def network_config(self) -> NetworkConfig:
        """Return the shape of the network."""
        return NetworkConfig.model_validate(self.network)


def pretraining_description(
    network: NetworkConfig, length: int, buckets: tuple[int, ...], *, do_lower_case: bool, tokenizer_sha256: str
) -> TaskDescription:
    """Return what ``save_assets`` writes for a pre-training run.

    Args:
        network: Shape of the network.
        length: Most tokens of a record that the network sees.
        buckets: Padded lengths in ascending order; empty for ``length`` alone.
        do_lower_case: Whether the tokenizer lower-cases.
        tokenizer_sha256: Checksum of the vocabulary that made the records; empty when unknown.
    """
    return TaskDescription(
        kind=PRETRAINING,
        task_name="",
        labels=(),
        length=length,
        buckets=buckets or (length,),
        network=network.model_dump(mode="json"),
        spm_model="",
        vocabulary="",
        do_lower_case=do_lower_case,
        tokenizer_sha256=tokenizer_sha256,
    )


def load_task_tokenizer(
    config: VocabularyConfig, made_with: TokenizerInfo | None, do_lower_case: bool | None = None
) -> Tokenizer | None:
    """Return the configured tokenizer, ``None`` when none is configured.

    Args:
        config: Names its files.
        made_with: What made the records; decides whether text is lower-cased.
        do_lower_case: What a trained run says of that, where there are no records; ``None`` takes the configuration's.

    Raises:
        DataError: The tokenizer is not the one that the records were made with.
    """
    if not (config.spm_model_file or config.vocab_file_path):
        return None
    known = config.do_lower_case if do_lower_case is None else do_lower_case
    lower = made_with.do_lower_case if made_with is not None else known
    tokenizer = load_tokenizer(config.vocab_file_path, config.spm_model_file, lower)
    if made_with is not None and tokenizer.fingerprint()["sha256"] != made_with.sha256:
        key = "spm_model_file" if config.spm_model_file else "vocab_file_path"
        raise DataError(
            f"this vocabulary is not the one that the records were made with ({made_with.file})",
            str(getattr(config, key)),
            f"set {key} to that file, or convert the data again",
        )
    return tokenizer


def _copy_file(source: Path, folder: Path) -> str:
    """Copy a file into ``folder`` and return its name."""
    with atomic_path(folder / source.name) as temporary:
        temporary.write_bytes(source.read_bytes())
    return source.name


def save_assets(directory: Path, config: VocabularyConfig, description: TaskDescription) -> None:
    """Write ``task.json`` and copy the tokenizer's files; the description's file names are filled in."""
    model = _copy_file(Path(config.spm_model_file), directory) if config.spm_model_file else ""
    vocabulary = _copy_file(Path(config.vocab_file_path), directory) if config.vocab_file_path and not model else ""
    if not (model or vocabulary):
        logger.warning(
            "neither spm_model_file nor vocab_file_path is set: the run will not hold its tokenizer, "
            "and predict.py will have to be told where it is"
        )
    content = {**asdict(description), "spm_model": model, "vocabulary": vocabulary}
    write_json_atomic(directory / TASK_FILE, content)


def check_file_names(description: TaskDescription) -> None:
    """Raise ``ValueError`` where the tokenizer's file does not lie beside the description."""
    for name in (description.spm_model, description.vocabulary):
        if name and Path(name).name != name:
            raise ValueError(f"{name} is no file in the same folder")


def read_task_description(directory: Path) -> TaskDescription:
    """Return the description that ``save_assets`` left in ``directory``.

    Raises:
        ConfigError: There is none, or it is damaged.
    """
    path = directory / TASK_FILE
    try:
        description = TypeAdapter(TaskDescription).validate_json(path.read_bytes())
        description.network_config()
        if description.kind not in (*KINDS, PRETRAINING, SQUAD):
            raise ValueError(f"unknown kind {description.kind}")
        check_file_names(description)
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no {TASK_FILE}", str(directory), "name the run directory of a training that has started"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError("the file is damaged", str(path), "train again, or restore the file") from error
    return description


def check_trained_task(directory: Path, kind: str, labels: tuple[str, ...] | None, tokenizer_sha256: str) -> None:
    """Refuse data that the weights of a run were not trained for: their shapes may fit and their answers be nonsense.

    Args:
        directory: Where ``save_assets`` left its description; nothing is checked where there is none.
        kind: Kind of the data.
        labels: Class names of the data in the order of their ids; ``None`` when the data do not name them.
        tokenizer_sha256: Checksum of the vocabulary of the data; empty when unknown.

    Raises:
        CheckpointError: The data are of another kind, with other classes or another vocabulary.
    """
    if not (directory / TASK_FILE).is_file():
        return
    trained = read_task_description(directory)
    for name, theirs, ours in (
        ("kind", trained.kind, kind),
        ("classes", ", ".join(trained.labels), ", ".join(trained.labels if labels is None else labels)),
        ("vocabulary's sha256", trained.tokenizer_sha256 or tokenizer_sha256, tokenizer_sha256),
    ):
        if theirs != ours and ours:
            what = f"the run was trained for another task: {name} {theirs} there, {ours} in the data"
            fix = "give data converted as those of the run, or the checkpoint of another run"
            raise CheckpointError(what, str(directory.parent), fix)


def check_vocabulary(tokenizer: Tokenizer, description: TaskDescription, where: str) -> None:
    """Raise ``DataError`` when a tokenizer is not the one that a run was trained with.

    Where the run does not tell its checksum, the number of entries must be that of the network.
    """
    sha256, expected = description.tokenizer_sha256, description.network_config().vocab_size
    if sha256 not in ("", tokenizer.fingerprint()["sha256"]):
        raise DataError("this vocabulary is not the one that the run was trained with", where, "give the same file")
    if not sha256 and tokenizer.vocab_size != expected:
        what = f"the vocabulary has {tokenizer.vocab_size} entries, the network {expected}"
        raise DataError(what, where, "give the vocabulary that the records were made with")


def load_saved_tokenizer(directory: Path, description: TaskDescription) -> Tokenizer:
    """Return the tokenizer that ``save_assets`` left in ``directory``.

    Raises:
        ConfigError: The run was trained without one.
    """
    if not (description.spm_model or description.vocabulary):
        raise ConfigError(
            "the run directory holds no tokenizer", str(directory), "give --spm_model_file or --vocab_file_path"
        )
    return load_tokenizer(
        directory / description.vocabulary if description.vocabulary else "",
        directory / description.spm_model if description.spm_model else "",
        description.do_lower_case,
    )
