"""Load the record files of a fine-tuning task and make sure that they belong together and fit the network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import ConfigError, DataError
from src.common.glue_tasks import glue_task_name, glue_task_of
from src.config.classifier import ClassifierConfig
from src.config.sections import NetworkConfig
from src.data.glue import find_task
from src.data.manifest import TokenizerInfo
from src.data.table import FinetuneTable, read_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassifierData:
    """The tables of a task; a split that is not needed is ``None``.

    Attributes:
        kind: ``classification``, ``regression`` or ``token_classification``.
        labels: Class names in the order of their ids; empty for regression.
        task_name: GLUE's name of the task, the user's own, or empty.
        test_name: As ``task_name``, of the test rows: a network trained on MNLI answers for MNLI-mm and AX too.
        tokenizer: What made the ids; ``None`` for records of other tools.
        length: Longest padded length that the tables need.
    """

    train: FinetuneTable | None
    evaluation: FinetuneTable | None
    test: FinetuneTable | None
    kind: str
    labels: tuple[str, ...]
    task_name: str
    test_name: str
    tokenizer: TokenizerInfo | None
    length: int

    @property
    def num_outputs(self) -> int:
        """Outputs of the head: one a class, or one number for regression."""
        return 1 if self.kind == "regression" else len(self.labels)


def _path_of(config: ClassifierConfig, key: str, wanted: bool, flag: str) -> str:
    """Return the path under ``key`` if the run needs it."""
    path = str(getattr(config, key))
    if wanted and not path:
        raise ConfigError(f"{flag} needs {key}", key, "name the record file, or switch the flag off")
    return path if wanted else ""


def _read_split(path: str, config: ClassifierConfig, network: NetworkConfig) -> FinetuneTable | None:
    """Read one split; ``None`` when it is not needed."""
    if not path:
        return None
    meta_data = Path(config.meta_data_file_path) if config.meta_data_file_path else None
    table = read_table(
        Path(path),
        vocab_size=network.vocab_size,
        num_labels=config.num_class,
        max_length=network.seq_length,
        kind=config.task_kind or None,
        meta_data_path=meta_data,
    )
    tokenizer = table.manifest.tokenizer if table.manifest else None
    if tokenizer is not None and tokenizer.vocab_size != network.vocab_size:
        logger.warning(
            "%s was made with a vocabulary of %d entries, the network's vocab_size is %d",
            path,
            tokenizer.vocab_size,
            network.vocab_size,
        )
    return table


def _common(tables: Sequence[FinetuneTable], what: str, values: Sequence[object]) -> object:
    """Return the value that all tables share, or say which two differ."""
    for table, value in zip(tables[1:], values[1:], strict=True):
        if value != values[0]:
            raise DataError(
                f"its {what} is {value}, that of {tables[0].source} is {values[0]}",
                str(table.source),
                "convert all splits in one go",
            )
    return values[0]


def _labels(config: ClassifierConfig, kind: str, named: tuple[str, ...]) -> tuple[str, ...]:
    """Return the class names: the data's, or numbers when the data only counts."""
    if kind == "regression":
        if config.num_class not in (None, 1):
            raise ConfigError(f"regression has 1 output, not {config.num_class}", "num_class", "leave it out")
        return ()
    if named:
        if config.num_class not in (None, len(named)):
            raise ConfigError(
                f"the data has {len(named)} classes ({', '.join(named[:8])}), num_class is {config.num_class}",
                "num_class",
                "leave it out: it is taken from the data",
            )
        return named
    if config.num_class is None:
        what = "the records do not name their classes: there is no manifest beside them, and no meta data"
        fix = "name MNLI_meta_data or the like with meta_data_file_path, or say with num_class how many there are"
        raise ConfigError(what, "num_class", fix)
    return tuple(str(number) for number in range(config.num_class))


def _check_task_name(name: str, kind: str, named: tuple[str, ...]) -> None:
    """Refuse a GLUE task that the data are not of, before its submission file fails at the end of the training."""
    task = find_task(name) if name else None
    if task is None:
        return
    if task.kind != kind:
        raise ConfigError(f"{task.name} is a {task.kind} task, the data are for {kind}", "task_name", "leave it out")
    if named and set(named) != set(task.labels):
        what = f"{task.name} has the classes {', '.join(task.labels)}, the data have {', '.join(named[:8])}"
        raise ConfigError(what, "task_name", "leave it out: it is taken from the data")


def _warn_of_own_tasks(names: Sequence[str], kind: str, labels: tuple[str, ...]) -> None:
    """Say so when data bear the name of a GLUE task without being it."""
    for name in dict.fromkeys(names):
        task = find_task(name)
        if task is None or glue_task_of(name, kind, labels):
            continue
        if task.kind == kind and labels == tuple(str(number) for number in range(len(task.labels))):
            what = "the records do not name the classes of %s: their numbers stand for them, without a submission file"
            logger.info(what, task.name)
        else:
            logger.warning(
                "the data are named %s, but are not those of GLUE's %s (%s%s): they are taken for a task of your own, "
                "with the metrics of its kind and without a submission file",
                name,
                glue_task_name(name),
                kind,
                f" with the classes {', '.join(labels[:8])}" if labels else "",
            )


def load_classifier_data(config: ClassifierConfig, network: NetworkConfig) -> ClassifierData:
    """Read the splits that the run needs.

    Raises:
        ConfigError: A path is missing, or num_class contradicts the data.
        DataError: A file is damaged, does not fit the network, or the splits do not belong together.
    """
    paths = (
        _path_of(config, "train_data_file_path", config.do_train, "do_train"),
        _path_of(config, "eval_data_file_path", config.do_eval, "do_eval"),
        _path_of(config, "test_data_file_path", config.do_predict, "do_predict"),
    )
    train, evaluation, test = (_read_split(path, config, network) for path in paths)
    tables = [table for table in (train, evaluation, test) if table is not None]
    if not tables:
        raise ConfigError("there is nothing to do", "do_train, do_eval, do_predict", "set one of them to true")
    for table, flag in ((train, "do_train"), (evaluation, "do_eval")):
        if table is not None and table.label_ids is None:
            raise DataError(f"the rows have no labels, which {flag} needs", str(table.source), "name another split")
    kind = str(_common(tables, "kind", [table.kind for table in tables]))
    _common(tables, "list of labels", [table.labels for table in tables])
    _check_task_name(config.task_name, kind, tables[0].labels if tables[0].manifest else ())
    manifests = [(table, table.manifest) for table in tables if table.manifest is not None]
    if manifests:
        _common([t for t, _ in manifests], "tokenizer's sha256", [m.tokenizer.sha256 for _, m in manifests])
    labels = _labels(config, kind, tables[0].labels)
    task_name = config.task_name or (manifests[0][1].task_name if manifests else "")
    test_name = (test.manifest.task_name if test and test.manifest else "") or config.task_name
    _warn_of_own_tasks((task_name, test_name), kind, labels)
    tokenizer = manifests[0][1].tokenizer if manifests else None
    length = max(table.max_seq_length for table in tables)
    return ClassifierData(train, evaluation, test, kind, labels, task_name, test_name, tokenizer, length)
