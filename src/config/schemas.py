"""The schema of every task."""

from __future__ import annotations

from src.config.classifier import ClassifierConfig
from src.config.pretrain import PretrainConfig
from src.config.squad import SquadConfig
from src.config.task_config import TaskConfig

SCHEMAS: dict[str, type[TaskConfig]] = {
    "pretrain": PretrainConfig,
    "classifier": ClassifierConfig,
    "squad": SquadConfig,
}
