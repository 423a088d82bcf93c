"""Options of documents: what a row of docs/options.md is made of, and how lists of them are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.config.schemas import SCHEMAS

ROOT = Path(__file__).resolve().parents[2]
TASKS = {"run_pretrain.py": "pretrain", "run_classifier.py": "classifier", "run_squad_v1.py": "squad"}
FINETUNE = ("run_classifier.py", "run_squad_v1.py")
ALL = tuple(TASKS)
VERIFIED = {
    "cpu": "on the CPU",
    "devices": "on the CPU; on GPU and Ascend not on hardware",
    "two": "with two CPU processes; on GPU and Ascend not on hardware",
    "recorder": "with a recorder in place of the device; not on hardware",
    "passed": "the call, with a recorder in place of Python",
    "server": "on the CPU, with an S3 server; not on ModelArts",
    "accepted": "accepted; has no effect",
    "refused": "its refusal",
}
REFUSAL_TEST = "config/test_documented.py"


@dataclass(frozen=True)
class Row:
    """One option of a document.

    Attributes:
        name: As the document has it.
        verified: A key of ``VERIFIED``.
        test: A test file below ``tests``.
        word: What must be in that file.
        meaning: What it is here; empty where the schemas say it.
    """

    name: str
    verified: str
    test: str
    word: str
    meaning: str = ""


@dataclass(frozen=True)
class Group:
    """Options of one place of a document.

    Attributes:
        document: ``model zoo`` or ``Ascend V2``.
        title: The place.
        where: Who takes them: entry scripts, or files of this project whose text names the options.
        rows: The options.
        prefixes: By task, the section that the key is in here, with its dot.
    """

    document: str
    title: str
    where: tuple[str, ...]
    rows: tuple[Row, ...]
    prefixes: tuple[tuple[str, str], ...] = ()

    def key(self, command: str, name: str) -> str:
        """Return the dotted name of an option in an entry script."""
        return dict(self.prefixes).get(TASKS[command], "") + name


def rows(text: str) -> tuple[Row, ...]:
    """Read a list: a line is ``name | how it is verified | test file below tests/``.

    The meaning comes before the second where no schema knows one; ``file:word`` where the test does not hold the name.
    """
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, *meaning, verified, test = (cell.strip() for cell in line.split("|"))
        file, _, word = test.partition(":")
        found.append(Row(name, verified, file, word or name, " | ".join(meaning)))
    return tuple(found)


def refused(names: str) -> tuple[Row, ...]:
    """Return options that are gone."""
    return tuple(Row(name, "refused", REFUSAL_TEST, name) for name in names.split())


NETWORK = tuple(
    (task, prefix) for task, prefix in zip(SCHEMAS, ("base_net_cfg.", *["albert_net_cfg."] * 2), strict=True)
)


def optimizer(name: str) -> tuple[tuple[str, str], ...]:
    return (("pretrain", f"{name}."), ("classifier", f"optimizer_cfg.{name}."), ("squad", f"optimizer_cfg.{name}."))
