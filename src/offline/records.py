"""Record files as the Ascend 310 commands read them: to make batches of, and again to score what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.common.errors import ConfigError, DataError
from src.common.files import sha256_of
from src.common.glue_tasks import GLUE_LABELS, glue_task_name, glue_task_of
from src.data.glue import find_task
from src.data.manifest import Manifest
from src.data.record_schema import SQUAD
from src.data.record_source import RecordSource, open_sources
from src.data.table import FinetuneTable, read_table
from src.offline.manifest import OfflineManifest
from src.offline.target_model import TargetModel
from src.offline.task_type import TaskType


@dataclass(frozen=True)
class Records:
    """Rows and what is known of them.

    Attributes:
        table: The rows.
        labels: Class names in the order of their ids; empty for regression.
        task_name: GLUE's name of the task, the user's own, or empty.
        sha256: Checksums of the files.
        manifest: That of a record file; ``None`` for files of other programs and for several files.
    """

    table: FinetuneTable
    labels: tuple[str, ...]
    task_name: str
    sha256: list[str]
    manifest: Manifest | None


def open_records(path: str) -> tuple[list[RecordSource], list[str]]:
    """Return the verified sources of a path and the checksums of their files.

    Raises:
        DataError: A file is missing or damaged.
    """
    sources = open_sources(path)
    checksums: list[str] = []
    for source in sources:
        if source.manifest is not None:
            checksums += [file.sha256 for file in source.manifest.files]
        else:
            checksums += [sha256_of(file) for file in source.files]
    return sources, checksums


def read_records(
    path: str, task: TaskType, model: TargetModel | None, *, num_class: int | None, max_length: int | None
) -> Records:
    """Read the rows that batches are made of, and make sure that task, model and rows belong together.

    Args:
        path: Record file, pattern, or several with commas between.
        task: What ``--task_type`` says.
        model: The model.
        num_class: Classes, where the user gave their number.
        max_length: Most tokens of a row, where that is known.

    Raises:
        ConfigError: The task, or the number of classes, is another one than that of the rows or the model.
        DataError: A file is missing or damaged, or its rows are not for the model.
    """
    sources, checksums = open_records(path)
    manifests = [source.manifest for source in sources if source.manifest is not None]
    for manifest in manifests:
        _check_task(task, manifest)
        _check_model(model, manifest, path)
    classes = _class_count(task, model, num_class, named=bool(manifests))
    table = read_table(
        path,
        vocab_size=model.task.network_config().vocab_size if model else None,
        num_labels=classes,
        max_length=max_length,
        kind=model.task.kind if model else _kind_of(task, named=bool(manifests)),
    )
    labels = table.labels if manifests else _names(task, table, classes)
    names = (task.name, *(manifest.task_name for manifest in manifests[:1]), model.task.task_name if model else "")
    return Records(
        table,
        tuple(model.task.labels) if model else labels,
        next(filter(None, names), ""),
        checksums,
        table.manifest,
    )


def _kind_of(task: TaskType, *, named: bool) -> str | None:
    """Return the kind of a GLUE task, for files that do not tell theirs."""
    glue = None if named else find_task(task.name) if task.name else None
    return glue.kind if glue else None


def _class_count(task: TaskType, model: TargetModel | None, num_class: int | None, *, named: bool) -> int | None:
    """Return the number of classes where it must be known before the rows are read."""
    if model is not None:
        count = len(model.task.labels) or None
        if num_class not in (None, count or 1):
            what = f"the model has {count or 1} outputs, not {num_class}"
            raise ConfigError(what, "--num_class", "leave it out: it is taken from the model")
        return count
    if num_class is not None or named:
        return num_class
    return len(GLUE_LABELS.get(glue_task_name(task.name), ())) or None


def _names(task: TaskType, table: FinetuneTable, classes: int | None) -> tuple[str, ...]:
    """Return the class names for files that do not hold them: GLUE's, or numbers."""
    if table.kind == "regression":
        return ()
    known = GLUE_LABELS.get(glue_task_name(task.name), ())
    if len(known) == (classes or 0) and known:
        return known
    if classes is None:
        raise ConfigError("the records do not name their classes", "--num_class", "say how many there are")
    return tuple(str(number) for number in range(classes))


def _check_task(task: TaskType, manifest: Manifest) -> None:
    """Refuse rows of another task than the one that is named."""
    if manifest.kind == SQUAD:
        what = "these are training records of SQuAD; its evaluation is made of the json file"
        raise ConfigError(what, "--eval_data_file_path", "give --eval_json_path")
    glue = find_task(task.name) if task.name else None
    if glue is None:
        return
    if glue.kind != manifest.kind or (manifest.labels and set(manifest.labels) != set(glue.labels)):
        classes = f" with the classes {', '.join(manifest.labels[:8])}" if manifest.labels else ""
        what = f"the records are for {manifest.kind}{classes}, which {glue.name} is not"
        raise ConfigError(what, "--task_type", "name the task of the records, or leave it out")
    theirs = TaskType(glue_task_of(manifest.task_name, manifest.kind, manifest.labels))
    if not task.agrees_with(theirs):
        what = f"the records are those of {theirs.name}, not of {glue.name}"
        raise ConfigError(what, "--task_type", "name the task of the records, or leave it out")


def _check_model(model: TargetModel | None, manifest: Manifest, where: str) -> None:
    """Refuse rows that a model was not trained for: their shapes may fit and the answers be nonsense."""
    if model is None:
        return
    task = model.task
    pairs: Sequence[tuple[str, object, object]] = (
        ("kind", task.kind, manifest.kind),
        ("classes", ", ".join(task.labels), ", ".join(manifest.labels)),
        ("vocabulary's sha256", task.tokenizer_sha256 or manifest.tokenizer.sha256, manifest.tokenizer.sha256),
    )
    for name, theirs, ours in pairs:
        if theirs != ours:
            what = f"the records are not for {model.name}: {name} {ours} here, {theirs} there"
            raise DataError(what, where, "give records that were converted as those of its training")


def read_records_again(path: str, manifest: OfflineManifest) -> FinetuneTable:
    """Return the rows that a folder of batches was made of.

    Raises:
        DataError: The files are missing or damaged, or are other ones than before.
    """
    _, checksums = open_records(path)
    if checksums != manifest.data.sha256:
        what = "these are not the records that the batches were made of: their checksums differ"
        raise DataError(what, path, "give those records as --eval_data_file_path, or run preprocess.py again")
    return read_table(path, num_labels=len(manifest.labels) or None, max_length=manifest.length, kind=manifest.kind)
