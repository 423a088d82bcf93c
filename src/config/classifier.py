"""Schema of task_classifier_config.yaml."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from src.config.common_keys import NOT_YET, ExportKeys, FinetuneCheckpointKeys, VocabularyKeys
from src.config.network_keys import NetworkKeys
from src.config.optimizer_keys import ClassifierOptimizers, ScheduleKeys
from src.config.run_plan import RunPlan
from src.config.sections import Section
from src.config.task_config import Problem, TaskConfig
from src.config.value_types import (
    Int,
    IntList,
    MetricName,
    OptimizerName,
    OptionalInt,
    TaskKind,
    TaskName,
    TrainSteps,
    Unavailable,
)

SCHEMA_FILE = Unavailable("is not needed: the manifest beside a record file names its columns; leave it empty")


class ClassifierTaskKeys(Section):
    """What to do, on which task."""

    group: ClassVar[str] = "Task"

    do_train: bool = Field(False, description="train on train_data_file_path")
    do_eval: bool = Field(False, description="evaluate on eval_data_file_path, after training and during it")
    do_predict: bool = Field(False, description="write predictions for test_data_file_path")
    task_name: TaskName = Field("", description="GLUE task; empty takes the one that the data was converted for")
    task_kind: TaskKind = Field("", description="kind of labels; empty takes the kind of the data")
    assessment_method: MetricName = Field("auto", description="metric that decides; auto takes the task's own")
    num_class: OptionalInt = Field(None, ge=1, description="number of classes; null takes it from the data")


class ClassifierDataKeys(Section):
    """Record files and batches."""

    group: ClassVar[str] = "Data"

    train_data_file_path: str = Field("", description="MindRecord or TFRecord file to train on")
    eval_data_file_path: str = Field("", description="MindRecord or TFRecord file to evaluate on")
    test_data_file_path: str = Field("", description="MindRecord or TFRecord file to predict")
    meta_data_file_path: str = Field("", description="meta_data json of TFRecord files made by TF's own converters")
    schema_file_path: Annotated[str, SCHEMA_FILE] = Field("", description="not needed: records carry a manifest")
    train_batch_size: Int = Field(32, ge=1, description="rows of a training batch on each device")
    eval_batch_size: Int = Field(32, ge=1, description="rows of an evaluation batch; the last partial one counts")
    train_data_shuffle: bool = Field(True, description="shuffle the training rows anew in every epoch")
    eval_data_shuffle: bool = Field(False, description="shuffle the evaluation rows; the figures do not change")
    bucket_list: IntList = Field(
        (), description="lengths in tokens; a batch runs at the shortest one that holds its rows; empty: one length"
    )


class ClassifierTrainingKeys(Section):
    """How long to train."""

    group: ClassVar[str] = "Training"

    epoch_num: Int = Field(3, ge=1, description="passes over the training data")
    train_steps: TrainSteps = Field(-1, ge=-1, description="updates to train for; -1 counts them from epoch_num")
    eval_steps: Int = Field(0, ge=0, description="updates between evaluations; 0 evaluates once per epoch")


class ClassifierConfig(
    ExportKeys,
    TaskConfig,
    VocabularyKeys,
    FinetuneCheckpointKeys,
    ClassifierTrainingKeys,
    ClassifierDataKeys,
    ClassifierTaskKeys,
):
    """Everything that run_classifier.py reads."""

    yaml_name: ClassVar[str] = "task_classifier_config.yaml"

    description: str = Field("run_classifier", min_length=1, description="name of the run")
    export_file_name: Annotated[str, NOT_YET] = Field("albert_classifier", description="name of the exported file")
    albert_net_cfg: NetworkKeys = Field(NetworkKeys(), description="keys of the network; null takes the preset's value")
    optimizer_cfg: ClassifierOptimizers = ClassifierOptimizers()

    def optimizer_name(self) -> OptimizerName:
        """Return the name of the chosen optimizer."""
        return self.optimizer_cfg.optimizer

    def optimizer_keys(self) -> ScheduleKeys:
        """Return the block of the chosen optimizer."""
        blocks = self.optimizer_cfg
        return {"AdamWeightDecay": blocks.AdamWeightDecay, "Lamb": blocks.Lamb, "Momentum": blocks.Momentum}[
            blocks.optimizer
        ]

    def run_plan(self) -> RunPlan:
        """Return what run_classifier.py does."""
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
        )

    def problems(self) -> list[Problem]:
        """Return the problems between keys."""
        problems = super().problems()
        for flag, key in (
            ("do_train", "train_data_file_path"),
            ("do_eval", "eval_data_file_path"),
            ("do_predict", "test_data_file_path"),
        ):
            if getattr(self, flag) and not getattr(self, key):
                problems.append(Problem((flag, key), f"{flag} needs {key}", "give the path of the record file"))
        start = self.load_pretrain_checkpoint_path
        keys = ("from_scratch", "load_pretrain_checkpoint_path")
        if self.from_scratch and start:
            problems.append(Problem(keys, f"{keys[0]} and {keys[1]} exclude each other", "give one of them"))
        if self.do_train and not (self.from_scratch or start or self.resume):
            what = "do_train needs load_pretrain_checkpoint_path, as random weights are seldom meant"
            problems.append(Problem(("do_train", *keys), what, "give a checkpoint, or set from_scratch to true"))
        tasks = ("do_train", "do_eval", "do_predict")
        if (self.do_eval or self.do_predict) and not (self.do_train or self.load_finetune_checkpoint_path):
            what = "evaluation and prediction without training need load_finetune_checkpoint_path"
            fix = "give a fine-tuned checkpoint, for example runs/NAME/checkpoints/classifier-best.ckpt"
            problems.append(Problem((*tasks, "load_finetune_checkpoint_path"), what, fix))
        return problems
