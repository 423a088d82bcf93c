"""What a MindSpore checkpoint cannot hold: which tokenizer belongs to it, names of classes, HF's class.

``convert.py`` writes it beside a checkpoint as ``NAME.task.json``; a run keeps it in ``assets/task.json``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from src.common.errors import CheckpointError
from src.weights.config_files import read_json_object
from src.weights.huggingface_tokenizer import TokenizerFiles

SUFFIX = ".task.json"
RUN_FILE = "task.json"
_CHECKPOINTS, _ASSETS = "checkpoints", "assets"
# The other classes are told by the heads of the weights.
_KINDS = {"token_classification": "AlbertForTokenClassification"}
_AMBIGUOUS = ("AlbertForTokenClassification", "AlbertForMultipleChoice")
_FIX = "mend the file, or remove it to go on without what it tells"


@dataclass(frozen=True)
class TaskFile:
    """What belongs to weights besides the network.

    Attributes:
        labels: Names of the classes in the order of their ids; none where they are unknown.
        architecture: HF's class, where the heads of the weights do not tell it; else empty.
        do_lower_case: Whether the tokenizer lower-cases text.
        tokenizer: Name of the tokenizer's file beside this one; empty where it is unknown.
    """

    labels: tuple[str, ...] = ()
    architecture: str = ""
    do_lower_case: bool = True
    tokenizer: str = ""

    def text(self) -> str:
        """Return the content of the file; empty where there is nothing to tell."""
        told = replace(self, architecture=self.architecture if self.architecture in _AMBIGUOUS else "")
        return "" if told == TaskFile() else json.dumps(asdict(told), indent=2, ensure_ascii=False) + "\n"


def run_assets(weights_file: Path) -> Path | None:
    """Return the folder in which a run keeps its tokenizer, ``None`` for weights that do not lie in a run."""
    folder = weights_file.parent
    return folder.parent / _ASSETS if folder.name == _CHECKPOINTS else None


def find_task_file(weights_file: Path) -> Path | None:
    """Return the file that belongs to a MindSpore checkpoint, ``None`` where there is none."""
    assets = run_assets(weights_file)
    candidates = [weights_file.with_suffix(SUFFIX), *([] if assets is None else [assets / RUN_FILE])]
    return next((path for path in candidates if path.is_file()), None)


def read_task_file(path: Path) -> TaskFile:
    """Return what a file tells, be it of ``convert.py`` or of a run.

    Raises:
        CheckpointError: It is damaged.
    """
    content = read_json_object(path)
    labels, lower = content.get("labels", []), content.get("do_lower_case", True)
    architecture = content.get("architecture", _KINDS.get(str(content.get("kind")), ""))
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise CheckpointError("labels is no list of names", str(path), _FIX)
    tokenizer = content.get("tokenizer", content.get("spm_model") or content.get("vocabulary") or "")
    if not isinstance(lower, bool) or not isinstance(architecture, str):
        raise CheckpointError("do_lower_case is not true or false, or architecture no name", str(path), _FIX)
    if not isinstance(tokenizer, str) or Path(tokenizer).name != tokenizer:
        raise CheckpointError("tokenizer is no name of a file beside it", str(path), _FIX)
    return TaskFile(tuple(labels), architecture, lower, tokenizer)


def told_tokenizer(path: Path) -> TokenizerFiles | None:
    """Return the tokenizer that a file names, ``None`` where it names none or that is not there.

    Raises:
        CheckpointError: The file is damaged.
    """
    told = read_task_file(path)
    file = path.parent / told.tokenizer
    if not file.is_file():
        return None
    if file.suffix == ".txt":
        return TokenizerFiles(vocabulary=file, do_lower_case=told.do_lower_case)
    return TokenizerFiles(spm_model=file, do_lower_case=told.do_lower_case)
