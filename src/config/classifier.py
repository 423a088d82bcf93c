"""Schema of task_classifier_config.yaml."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from src.config.finetune import FinetuneConfig, FinetuneTaskKeys
from src.config.optimizer_keys import ClassifierOptimizers
from src.config.sections import Section
from src.config.value_types import MetricName, OptionalInt, TaskKind, TaskName


class ClassifierTaskKeys(FinetuneTaskKeys):
    """What to do, on which task."""

    group: ClassVar[str] = "Task"

    task_name: TaskName = Field("", description="GLUE task; empty takes the one that the data was converted for")
    task_kind: TaskKind = Field("", description="kind of labels; empty takes the kind of the data")
    assessment_method: MetricName = Field("auto", description="metric that decides; auto takes the task's own")
    num_class: OptionalInt = Field(None, ge=1, description="number of classes; null takes it from the data")


class ClassifierDataKeys(Section):
    """Record files."""

    group: ClassVar[str] = "Data"

    train_data_file_path: str = Field("", description="MindRecord or TFRecord file to train on")
    eval_data_file_path: str = Field("", description="MindRecord or TFRecord file to evaluate on")
    test_data_file_path: str = Field("", description="MindRecord or TFRecord file to predict")
    meta_data_file_path: str = Field("", description="meta_data json of TFRecord files made by TF's own converters")


class ClassifierConfig(FinetuneConfig, ClassifierDataKeys, ClassifierTaskKeys):
    """Everything that run_classifier.py reads."""

    yaml_name: ClassVar[str] = "task_classifier_config.yaml"
    data_keys: ClassVar[dict[str, str]] = {
        "do_train": "train_data_file_path",
        "do_eval": "eval_data_file_path",
        "do_predict": "test_data_file_path",
    }
    free_keys: ClassVar[tuple[str, ...]] = (*FinetuneConfig.free_keys, "do_predict", "test_data_file_path")
    example_checkpoint: ClassVar[str] = "classifier-best.ckpt"

    description: str = Field("run_classifier", min_length=1, description="name of the run")
    do_eval: bool = Field(False, description="evaluate on eval_data_file_path, after training and during it")
    do_predict: bool = Field(False, description="write predictions for test_data_file_path")
    export_file_name: str = Field(
        "albert_classifier", min_length=1, description="path of the exported file, without or with its ending"
    )
    optimizer_cfg: ClassifierOptimizers = ClassifierOptimizers()
