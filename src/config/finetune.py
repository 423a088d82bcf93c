"""What the schemas of the fine-tuning tasks share: batches, length of training, checkpoints, and the plan of a run."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from src.config.common_keys import ExportKeys, FinetuneCheckpointKeys, VocabularyKeys
from src.config.network_keys import NetworkKeys
from src.config.optimizer_keys import ClassifierOptimizers, ScheduleKeys, SquadOptimizers
from src.config.run_plan import RunPlan
from src.config.sections import Section
from src.config.task_config import Problem, TaskConfig
from src.config.value_types import MOST_BATCH_ROWS, Int, IntList, OptimizerName, TrainSteps, Unavailable

_SCHEMA_FILE = Unavailable("is not needed: the manifest beside a record file names its columns; leave it empty")


class FinetuneTaskKeys(Section):
    """What to do; each task says on which data."""

    group: ClassVar[str] = "Task"

    do_train: bool = Field(False, description="train on train_data_file_path")
    do_eval: bool = Field(False, description="evaluate after training and during it")
    do_predict: bool = Field(False, description="write predictions")


class FinetuneBatchKeys(Section):
    """Batches."""

    group: ClassVar[str] = "Data"

    schema_file_path: Annotated[str, _SCHEMA_FILE] = Field("", description="not needed: records carry a manifest")
    train_batch_size: Int = Field(32, ge=1, le=MOST_BATCH_ROWS, description="rows of a training batch on each device")
    eval_batch_size: Int = Field(
        32, ge=1, le=MOST_BATCH_ROWS, description="rows of an evaluation batch; the last partial one counts"
    )
    train_data_shuffle: bool = Field(True, description="shuffle the training rows anew in every epoch")
    eval_data_shuffle: bool = Field(False, description="shuffle the evaluation rows; the figures do not change")
    bucket_list: IntList = Field(
        (), description="lengths in tokens; a batch runs at the shortest one that holds its rows; empty: one length"
    )


class FinetuneTrainingKeys(Section):
    """How long to train."""

    group: ClassVar[str] = "Training"

    epoch_num: Int = Field(3, ge=1, description="passes over the training data")
    train_steps: TrainSteps = Field(-1, ge=-1, description="updates to train for; -1 counts them from epoch_num")
    eval_steps: Int = Field(0, ge=0, description="updates between evaluations; 0 evaluates once per epoch")
    enable_data_sink: bool = Field(
        False,
        description="let a GPU or an Ascend fetch its batches without the host; no effect on CPU or with bucket_list",
    )
    data_sink_steps: Int = Field(
        1, ge=1, description="updates between two looks of the host with enable_data_sink; no effect without"
    )


class FinetuneConfig(
    ExportKeys,
    TaskConfig,
    VocabularyKeys,
    FinetuneCheckpointKeys,
    FinetuneTrainingKeys,
    FinetuneBatchKeys,
    FinetuneTaskKeys,
):
    """Keys of every fine-tuning task.

    Attributes:
        data_keys: For each flag of the task, the key of the data that it needs.
        example_checkpoint: A checkpoint's name, for messages.
    """

    data_keys: ClassVar[dict[str, str]] = {}
    example_checkpoint: ClassVar[str]

    albert_net_cfg: NetworkKeys = Field(NetworkKeys(), description="keys of the network; null takes the preset's value")
    optimizer_cfg: ClassifierOptimizers | SquadOptimizers

    def optimizer_name(self) -> OptimizerName:
        """Return the name of the chosen optimizer."""
        return self.optimizer_cfg.optimizer

    def optimizer_keys(self) -> ScheduleKeys:
        """Return the block of the chosen optimizer."""
        blocks = self.optimizer_cfg
        return {"AdamWeightDecay": blocks.AdamWeightDecay, "Lamb": blocks.Lamb, "Momentum": blocks.Momentum}[
            blocks.optimizer
        ]

    def brings_data(self) -> bool:
        """Tell whether keys of data and weights that are empty now are filled in before the task begins."""
        return False

    def brings_checkpoint(self) -> bool:
        """Tell whether ``load_finetune_checkpoint_path`` is filled in before the task begins."""
        return False

    def run_plan(self) -> RunPlan:
        """Return what the task's command does."""
        # The CPU has no queue for batches, and a queue takes batches of one shape.
        sink = self.enable_data_sink and self.device_target != "CPU" and not self.bucket_list
        return RunPlan(
            train=self.do_train,
            evaluate=self.do_eval,
            predict=self.do_predict,
            epochs=self.epoch_num,
            train_steps=self.train_steps,
            batch_size=self.train_batch_size,
            eval_steps=self.eval_steps,
            save_steps=self.save_checkpoint_steps,
            save=True,
            keep=self.save_checkpoint_num,
            start_weights=self.load_pretrain_checkpoint_path,
            start_weights_key="load_pretrain_checkpoint_path",
            start_heads=False,
            random_start=self.from_scratch,
            scored_weights=self.load_finetune_checkpoint_path,
            checkpoint_folder=self.save_finetune_checkpoint_path,
            checkpoint_folder_key="save_finetune_checkpoint_path",
            sink_steps=self.data_sink_steps if sink else 0,
        )

    def problems(self) -> list[Problem]:
        """Return the problems between keys."""
        problems = super().problems()
        for flag, key in self.data_keys.items():
            if getattr(self, flag) and not getattr(self, key) and not self.brings_data():
                problems.append(Problem((flag, key), f"{flag} needs {key}", "give the path of the file"))
        start = self.load_pretrain_checkpoint_path
        keys = ("from_scratch", "load_pretrain_checkpoint_path")
        if self.from_scratch and start:
            problems.append(Problem(keys, f"{keys[0]} and {keys[1]} exclude each other", "give one of them"))
        if self.do_train and not (self.from_scratch or start or self.resume or self.brings_data()):
            what = "do_train needs load_pretrain_checkpoint_path, as random weights are seldom meant"
            problems.append(Problem(("do_train", *keys), what, "give a checkpoint, or set from_scratch to true"))
        answers = self.do_eval or self.do_predict
        if answers and not (self.do_train or self.load_finetune_checkpoint_path or self.brings_checkpoint()):
            what = "evaluation and prediction without training need load_finetune_checkpoint_path"
            fix = f"give a fine-tuned checkpoint, for example runs/NAME/checkpoints/{self.example_checkpoint}"
            problems.append(Problem((*self.data_keys, "load_finetune_checkpoint_path"), what, fix))
        return problems
