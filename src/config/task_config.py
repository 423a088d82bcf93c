"""What the schema of every task has: the shared keys, and one way to its network and its optimizer."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from src.config.ascend_keys import DIAGNOSTIC_KEYS, AscendKeys, ascend_problems
from src.config.common_keys import DeviceKeys, ExportKeys, RunKeys, UpdateKeys
from src.config.modelarts_keys import MODELARTS_KEYS, ModelArtsKeys, modelarts_problems
from src.config.network_keys import NetworkChoice, NetworkKeys
from src.config.optimizer_keys import ScheduleKeys
from src.config.run_plan import RunPlan
from src.config.sections import Section
from src.config.value_types import OptimizerName


@dataclasses.dataclass(frozen=True)
class Problem:
    """A combination of values that cannot be meant.

    Attributes:
        keys: The dotted keys involved; the first one that was given anywhere is the one that is pointed at.
        what: What is wrong.
        fix: What to do.
    """

    keys: tuple[str, ...]
    what: str
    fix: str


def bucket_problems(bucket_list: tuple[int, ...], seq_length: int) -> list[Problem]:
    """Return what is wrong with the lengths (in tokens) at which batches run."""
    keys = ("bucket_list",)
    if any(low >= high for low, high in zip((0, *bucket_list), bucket_list, strict=False)):
        what = f"bucket_list {list(bucket_list)} does not ascend from 1"
        return [Problem(keys, what, "sort the lengths, each of them once")]
    if bucket_list and bucket_list[-1] > seq_length:
        what = f"bucket_list holds {bucket_list[-1]}, longer than seq_length {seq_length}"
        return [Problem(keys, what, "leave that length out, or raise seq_length")]
    return []


class TaskConfig(ModelArtsKeys, AscendKeys, DeviceKeys, UpdateKeys, NetworkChoice, RunKeys):
    """Keys of every task; the methods say where a task keeps its network and its optimizers."""

    yaml_name: ClassVar[str]
    network_defaults: ClassVar[Mapping[str, int]] = {}
    # A resumed run may differ in these without being another run.
    free_keys: ClassVar[tuple[str, ...]] = ("log_steps", "peak_tflops", *ExportKeys.model_fields)
    # Keys that are said for one start and not kept in the run directory.
    start_keys: ClassVar[tuple[str, ...]] = (
        "resume",
        "overwrite",
        "run_dir",
        "distribute",
        "device_num",
        # The operators of the list are kept, as keys of the network.
        "use_mixlist",
        "mixlist_file",
        *DIAGNOSTIC_KEYS,
        *MODELARTS_KEYS,
    )

    def network_section(self) -> str:
        """Return the name of the section that describes the chosen network."""
        return "albert_net_cfg"

    def network_keys(self) -> NetworkKeys:
        """Return that section."""
        section = getattr(self, self.network_section())
        if not isinstance(section, Section):
            raise TypeError(f"{self.network_section()} is no section")
        return section

    def described_network(self) -> dict[str, Any]:
        """Return the keys of a custom network as a file beside its weights gives them, which keys given go over.

        Raises:
            ConfigError: The file is missing or damaged.
        """
        return {}

    @abstractmethod
    def optimizer_name(self) -> OptimizerName:
        """Return the name of the chosen optimizer."""

    @abstractmethod
    def optimizer_keys(self) -> ScheduleKeys:
        """Return the block of the chosen optimizer."""

    @abstractmethod
    def run_plan(self) -> RunPlan:
        """Return what the task's command does."""

    def problems(self) -> list[Problem]:
        """Return the problems between keys."""
        problems = []
        if self.overwrite and self.resume:
            problems.append(
                Problem(("resume", "overwrite"), "resume and overwrite exclude each other", "give one of them")
            )
        if self.device_num > 1 and not self.distribute:
            what = f"device_num {self.device_num} has no effect without distribute"
            problems.append(
                Problem(
                    ("device_num", "distribute"),
                    what,
                    "set distribute to true and start with launch.py, or leave device_num at 1",
                )
            )
        compute_type = getattr(self.network_keys(), "compute_type", None)
        for keys, what, fix in ascend_problems(self, self.device_target, compute_type, self.run_plan().train):
            problems.append(Problem(keys, what, fix))
        problems += [Problem(keys, what, fix) for keys, what, fix in modelarts_problems(self)]
        return problems
