"""The tasks of the GLUE benchmark and their tab-separated files.

Columns are those of google-research/albert's ``classifier_utils.py``. The files have no quoting: a quotation mark is a
character like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from src.common.errors import ConfigError, DataError
from src.common.glue_tasks import GLUE_LABELS, glue_task_name
from src.data.examples import CLASSIFICATION, REGRESSION, ExampleSplit, TextExample, shorten, with_label_presence
from src.data.text_file import read_text_lines

_TRAIN_DEV_TEST = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
_COLA_COLUMNS = ("source", "label", "mark", "sentence")


@dataclass(frozen=True)
class GlueTask:
    """One task: where its files lie and what their columns mean.

    Attributes:
        name: As GLUE writes it.
        folders: Names under which its folder is known, the usual one first.
        text_a: Name of the first text's column; ``text_b`` of the second, ``None`` for single texts.
        label: Name of the label's column.
        files: File name of every split that the task has.
        headerless: Splits whose file has no header, with the names of its columns.
        bounds: Smallest and largest score.
        drops_short_rows: The official training files hold rows cut short (no label): they are left out, counted and
            listed. Elsewhere such a row is an error.
    """

    name: str
    folders: tuple[str, ...]
    text_a: str
    text_b: str | None
    label: str
    files: Mapping[str, str] = field(default_factory=lambda: _TRAIN_DEV_TEST)
    headerless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: tuple[float, float] | None = None
    drops_short_rows: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the classes in the order of their ids; empty for a score."""
        return GLUE_LABELS[self.name]

    @property
    def kind(self) -> str:
        """Return the kind of records: a task without classes has scores."""
        return CLASSIFICATION if self.labels else REGRESSION


def _mnli_files(which: str) -> dict[str, str]:
    return {"train": "train.tsv", "dev": f"dev_{which}.tsv", "test": f"test_{which}.tsv"}


GLUE_TASKS: tuple[GlueTask, ...] = (
    GlueTask(
        "CoLA",
        ("CoLA",),
        "sentence",
        None,
        "label",
        headerless={"train": _COLA_COLUMNS, "dev": _COLA_COLUMNS},
    ),
    GlueTask("SST-2", ("SST-2",), "sentence", None, "label"),
    GlueTask("MRPC", ("MRPC",), "#1 String", "#2 String", "Quality"),
    GlueTask("STS-B", ("STS-B",), "sentence1", "sentence2", "score", bounds=(0.0, 5.0)),
    GlueTask("QQP", ("QQP",), "question1", "question2", "is_duplicate", drops_short_rows=True),
    GlueTask("MNLI", ("MNLI",), "sentence1", "sentence2", "gold_label", files=_mnli_files("matched")),
    GlueTask(
        "MNLI-mm",
        ("MNLI", "MNLI-mm"),
        "sentence1",
        "sentence2",
        "gold_label",
        files=_mnli_files("mismatched"),
    ),
    GlueTask("QNLI", ("QNLI",), "question", "sentence", "label"),
    GlueTask("RTE", ("RTE",), "sentence1", "sentence2", "label"),
    GlueTask("WNLI", ("WNLI",), "sentence1", "sentence2", "label"),
    GlueTask(
        "AX",
        ("diagnostic", "AX", "MNLI"),
        "sentence1",
        "sentence2",
        "label",
        files={"test": "diagnostic.tsv"},
    ),
)


def find_task(name: str) -> GlueTask | None:
    """Return the task of that name in any spelling (see ``glue_task_name``); ``None`` when GLUE has no such task."""
    wanted = glue_task_name(name)
    return next((task for task in GLUE_TASKS if task.name == wanted), None)


def find_split_files(task: GlueTask, input_dir: Path) -> dict[str, Path]:
    """Return the files of a task that exist, by split: ``<input_dir>/<TASK>/x.tsv`` or ``<input_dir>/x.tsv``.

    Raises:
        ConfigError: ``input_dir`` is not a folder.
    """
    if not input_dir.is_dir():
        raise ConfigError("the input folder does not exist", str(input_dir), "set --input_dir to the GLUE folder")
    folders = [input_dir / folder for folder in task.folders] + [input_dir]
    found = {}
    for split, file_name in task.files.items():
        path = next((folder / file_name for folder in folders if (folder / file_name).is_file()), None)
        if path is not None:
            found[split] = path
    return found


def read_glue_split(task: GlueTask, split: str, path: Path) -> ExampleSplit:
    """Read one file of a task.

    Raises:
        DataError: The file cannot be read, a column is missing, or a row has another number of columns.
    """
    lines = read_text_lines(path)
    columns = task.headerless.get(split)
    first_row = 0 if columns else 1
    header = columns or tuple(name.strip() for name in lines[0].split("\t"))
    text_a = _column(header, task.text_a, path)
    text_b = None if task.text_b is None else _column(header, task.text_b, path)
    label = None if split == "test" and task.label not in header else _column(header, task.label, path)
    examples: list[TextExample] = []
    dropped: list[str] = []
    for line, text in enumerate(lines[first_row:], start=first_row + 1):
        cells = text.split("\t")
        if len(cells) != len(header):
            error = _wrong_count(len(cells), len(header), path, line)
            if not (task.drops_short_rows and label is not None and len(cells) < len(header)):
                raise error
            dropped.append(f"{error.where}: {error.what}")
            continue
        second = None if text_b is None else cells[text_b]
        examples.append(TextExample(cells[text_a], second, None if label is None else cells[label].strip(), line))
    found = with_label_presence(split, path, examples)
    return ExampleSplit(split, path, found.examples, found.has_labels, tuple(dropped))


def _column(header: tuple[str, ...], name: str, path: Path) -> int:
    if name not in header:
        raise DataError(
            f"no column {name!r}; the header has {shorten(header)}", f"{path}:1", "give the task's original file"
        )
    return header.index(name)


def _wrong_count(count: int, expected: int, path: Path, line: int) -> DataError:
    return DataError(f"{count} columns where {expected} are expected", f"{path}:{line}", "correct the row")
