"""The names of the GLUE benchmark's tasks and their classes: one table for converter, configuration and evaluation."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BINARY = ("0", "1")
_ENTAILMENT = ("entailment", "not_entailment")
_INFERENCE = ("contradiction", "entailment", "neutral")

# The classes are in the order of their ids, as google-research/albert's classifier_utils.py has them; a task without
# classes has scores.
GLUE_LABELS: dict[str, tuple[str, ...]] = {
    "CoLA": _BINARY,
    "SST-2": _BINARY,
    "MRPC": _BINARY,
    "STS-B": (),
    "QQP": _BINARY,
    "MNLI": _INFERENCE,
    "MNLI-mm": _INFERENCE,
    "QNLI": _ENTAILMENT,
    "RTE": _ENTAILMENT,
    "WNLI": _BINARY,
    "AX": _INFERENCE,
}

# Names like "sst" and "sts" are left to the users: their data may be another edition, such as SST with five classes.
_OTHER_NAMES = {
    "mismnli": "MNLI-mm",
    "mnlimismatched": "MNLI-mm",
    "mnlim": "MNLI",
    "mnlimatched": "MNLI",
    "diagnostic": "AX",
}


def _bare(name: str) -> str:
    return re.sub(r"[-_\s]", "", name.lower())


def glue_task_name(name: str) -> str:
    """Return GLUE's spelling of a task (``mismnli`` gives ``MNLI-mm``), or an empty string if it is none of GLUE's.

    Case, hyphens, underscores and spaces do not count.
    """
    return ({_bare(task): task for task in GLUE_LABELS} | _OTHER_NAMES).get(_bare(name), "")


def glue_task_of(name: str, kind: str, label_names: Sequence[str]) -> str:
    """Return GLUE's spelling of a task whose name and classes are GLUE's; an empty string for the user's own tasks.

    Args:
        name: Name of the task in any spelling.
        kind: classification, regression or token_classification.
        label_names: Classes of the data in any order; empty for regression.
    """
    task = glue_task_name(name)
    if not task or set(label_names) != set(GLUE_LABELS[task]):
        return ""
    return task if kind == ("classification" if GLUE_LABELS[task] else "regression") else ""
