"""Schema of task_squad_config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from src.config.classifier import SCHEMA_FILE
from src.config.common_keys import NOT_YET, ExportKeys, FinetuneCheckpointKeys, VocabularyKeys
from src.config.network_keys import NetworkKeys
from src.config.optimizer_keys import ScheduleKeys, SquadOptimizers
from src.config.sections import Section
from src.config.task_config import TaskConfig
from src.config.value_types import Int, OptimizerName, TrainSteps


class SquadTaskKeys(Section):
    """What to do."""

    group: ClassVar[str] = "Task"

    do_train: bool = Field(False, description="train on train_data_file_path")
    do_eval: bool = Field(False, description="evaluate on eval_json_path")
    num_class: Int = Field(2, ge=2, le=2, description="outputs per token: start and end of the answer")


class SquadDataKeys(Section):
    """Record files, json files and batches."""

    group: ClassVar[str] = "Data"

    train_data_file_path: str = Field("", description="MindRecord file to train on")
    eval_json_path: str = Field("", description="SQuAD json file to evaluate on")
    predict_feature_left_file: str = Field("", description="file that keeps the evaluation features between runs")
    schema_file_path: Annotated[str, SCHEMA_FILE] = Field("", description="not needed: records carry a manifest")
    train_batch_size: Int = Field(48, ge=1, description="rows of a training batch on each device")
    eval_batch_size: Int = Field(32, ge=1, description="rows of an evaluation batch; the last partial one counts")
    train_data_shuffle: bool = Field(True, description="shuffle the training rows anew in every epoch")
    eval_data_shuffle: bool = Field(False, description="shuffle the evaluation rows; the figures do not change")


class SquadTrainingKeys(Section):
    """How long to train."""

    group: ClassVar[str] = "Training"

    epoch_num: Int = Field(3, ge=1, description="passes over the training data")
    train_steps: TrainSteps = Field(-1, ge=-1, description="updates to train for; -1 counts them from epoch_num")
    eval_steps: Int = Field(0, ge=0, description="updates between evaluations; 0 evaluates once per epoch")


class SquadConfig(
    ExportKeys, TaskConfig, VocabularyKeys, FinetuneCheckpointKeys, SquadTrainingKeys, SquadDataKeys, SquadTaskKeys
):
    """Everything that run_squad_v1.py reads."""

    yaml_name: ClassVar[str] = "task_squad_config.yaml"
    network_defaults: ClassVar[Mapping[str, int]] = {"seq_length": 384}

    description: str = Field("run_squad_v1", min_length=1, description="name of the run")
    export_file_name: Annotated[str, NOT_YET] = Field("albert_squad", description="name of the exported file")
    albert_net_cfg: NetworkKeys = Field(NetworkKeys(), description="keys of the network; null takes the preset's value")
    optimizer_cfg: SquadOptimizers = SquadOptimizers()

    def optimizer_name(self) -> OptimizerName:
        """Return the name of the chosen optimizer."""
        return self.optimizer_cfg.optimizer

    def optimizer_keys(self) -> ScheduleKeys:
        """Return the block of the chosen optimizer."""
        blocks = self.optimizer_cfg
        return {"AdamWeightDecay": blocks.AdamWeightDecay, "Lamb": blocks.Lamb, "Momentum": blocks.Momentum}[
            blocks.optimizer
        ]
