"""Read what ``--task_type`` names: a task of GLUE, SQuAD v1.1 or v2.0, or a task of one's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from src.common.errors import ConfigError
from src.common.glue_tasks import glue_task_name

_SQUAD = re.compile(r"squad(1|11|2|20)?")
_SQUAD_VERSIONS = {"1": "1.1", "11": "1.1", "2": "2.0", "20": "2.0"}
# Both editions of MNLI and the diagnostic rows are answered by one network.
_ONE_NETWORK = frozenset({"MNLI", "MNLI-mm", "AX"})


@dataclass(frozen=True)
class TaskType:
    """What is to be scored.

    Attributes:
        name: GLUE's spelling, or the user's own; empty for SQuAD and where nothing was said.
        is_squad: Whether questions are answered.
        version: ``1.1`` or ``2.0`` of SQuAD; empty where it was not said.
    """

    name: str = ""
    is_squad: bool = False
    version: str = ""

    def agrees_with(self, other: TaskType) -> bool:
        """Tell whether two names may mean the same task: what one of them does not say, the other one decides."""
        if self.is_squad or other.is_squad:
            versions = {self.version, other.version} - {""}
            return self.is_squad == other.is_squad and len(versions) < 2
        ours, theirs = glue_task_name(self.name), glue_task_name(other.name)
        if not (ours and theirs):
            return True
        return ours == theirs or {ours, theirs} <= _ONE_NETWORK


def read_task_type(text: str) -> TaskType:
    """Return the task of a name such as ``mnli``, ``SST-2``, ``squadv1``, ``squad_v2.0`` or ``reviews``.

    Case, hyphens, underscores and dots do not count.

    Raises:
        ConfigError: The name is of a version of SQuAD that there is not.
    """
    bare = re.sub(r"[-_.\s]", "", text.lower())
    found = _SQUAD.fullmatch(bare.replace("squadv", "squad", 1))
    if found:
        return TaskType(is_squad=True, version=_SQUAD_VERSIONS.get(found[1] or "", ""))
    if bare.startswith("squad"):
        raise ConfigError(f"there is no task '{text}'", "--task_type", "use squadv1 or squadv2")
    return TaskType(glue_task_name(text) or text.strip())


def file_prefix(task: TaskType) -> str:
    """Return how the names of a task's files begin: ``mnli``, ``sst2``, ``squadv1``; ``task`` where nothing is left."""
    if task.is_squad:
        return "squadv2" if task.version == "2.0" else "squadv1"
    if glue_task_name(task.name):
        return re.sub(r"[^a-z0-9]", "", task.name.lower())
    return re.sub(r"[^a-z0-9]+", "-", task.name.lower()).strip("-")[:60] or "task"
