"""Profile some updates of a training with MindSpore's profiler."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import mindspore as ms

from src.common.files import make_directory, write_json_atomic, write_text_atomic
from src.common.native_output import without_native_output
from src.runtime.profile_summary import ProfiledUpdate, ProfileSummary, read_launches, summarize

logger = logging.getLogger(__name__)


class TrainingProfile:
    """The profile of one process.

    Args:
        folder: Where MindSpore's own files go.
        summary_stem: Path of the summary without its ending: ``.txt`` and ``.json`` are written.
        skip: Updates of this start that come before.
        count: Updates to profile.
        device_target: The device.
        level: How much an Ascend collects, 0 to 2.
    """

    def __init__(
        self, folder: Path, summary_stem: Path, skip: int, count: int, device_target: str, level: int = 0
    ) -> None:
        self._folder = folder
        self._summary_stem = summary_stem
        self._skip = skip
        self._count = count
        self._device_target = device_target
        self._level = level
        self._profiler: Any = None
        self._started_ns = 0
        self._updates: list[ProfiledUpdate] = []
        self._is_done = False

    def before(self, update: int) -> None:
        """Start the profiler before the first update that is wanted; take the time.

        Args:
            update: Number of the update in this start, from 0.
        """
        if self._is_done or update < self._skip:
            return
        if self._profiler is None:
            self._profiler = self._start()
        self._started_ns = time.time_ns()

    def after(self, number: int, tokens: int) -> None:
        """Take the time of an update whose results have been read; stop behind the last one.

        Args:
            number: Number of the update in the log, from 1.
            tokens: Tokens in it, of all processes.
        """
        if self._profiler is None:
            return
        self._updates.append(ProfiledUpdate(number, self._started_ns, time.time_ns(), tokens))
        if len(self._updates) >= self._count:
            self._tell(self._stop())

    def close(self, failed: bool) -> None:
        """Stop a profiler that still runs; what it has seen is told, unless an error ends the training."""
        if self._profiler is not None:
            with contextlib.suppress(*([Exception] if failed else [])):
                self._tell(self._stop())
        elif not self._is_done and not failed:
            logger.warning("profile: the training ended before update %d, nothing was profiled", self._skip + 1)

    def _start(self) -> Any:
        """Return a profiler that runs."""
        tools: Any = ms.profiler
        make_directory(self._folder)
        activities = [tools.ProfilerActivity.CPU]
        more: dict[str, Any] = {}
        if self._device_target == "Ascend":
            activities.append(tools.ProfilerActivity.NPU)
            level = getattr(tools.ProfilerLevel, f"Level{self._level}")
            metrics = tools.AicoreMetrics.PipeUtilization if self._level else tools.AicoreMetrics.AiCoreNone
            more["experimental_config"] = tools._ExperimentalConfig(profiler_level=level, aic_metrics=metrics)
        elif self._device_target == "GPU":
            activities.append(tools.ProfilerActivity.GPU)
        with without_native_output():
            return tools.profile(
                activities=activities,
                on_trace_ready=tools.tensorboard_trace_handler(str(self._folder)),
                **more,
            )

    def _stop(self) -> ProfileSummary | None:
        """Stop the profiler and return what it says; ``None`` where not one update was seen whole."""
        profiler, self._profiler, self._is_done = self._profiler, None, True
        with without_native_output():
            profiler.stop()
        if not self._updates:
            return None
        return summarize(self._updates, read_launches(self._folder), self._device_target)

    def _tell(self, summary: ProfileSummary | None) -> None:
        """Print the summary and write it."""
        if summary is None:
            return
        text = "\n".join(summary.lines())
        logger.info("%s", text)
        write_text_atomic(self._summary_stem.with_suffix(".txt"), text + "\n")
        write_json_atomic(self._summary_stem.with_suffix(".json"), summary.content())
        logger.info("profile: %s, %s", self._summary_stem.with_suffix(".txt"), self._folder)
