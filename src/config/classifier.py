"""Schema of task_classifier_config.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from src.config.albert_folder import described_network, model_folder
from src.config.finetune import FinetuneConfig, FinetuneTaskKeys
from src.config.optimizer_keys import ClassifierOptimizers
from src.config.sections import Section
from src.config.task_config import TaskConfig
from src.config.value_types import MetricName, Mode, OptionalInt, TaskKind, TaskName

# What each mode decides of do_train, do_eval and do_predict.
_MODES: dict[str, dict[str, bool]] = {
    "train_and_eval": {"do_train": True, "do_eval": True},
    "predict": {"do_train": False, "do_eval": False, "do_predict": True},
    "export_only": {"do_train": False, "do_eval": False, "do_predict": False},
}


class ClassifierTaskKeys(FinetuneTaskKeys):
    """What to do, on which task."""

    group: ClassVar[str] = "Task"

    mode: Mode = Field(
        "",
        description="in place of do_train, do_eval and do_predict: train and evaluate; predict with the run's best "
        "checkpoint; export that, as export.py does; empty leaves it to those keys",
    )
    task_name: TaskName = Field("", description="GLUE task; empty takes the one that the data was converted for")
    task_kind: TaskKind = Field("", description="kind of labels; empty takes the kind of the data")
    assessment_method: MetricName = Field("auto", description="metric that decides; auto takes the task's own")
    num_class: OptionalInt = Field(None, ge=1, description="number of classes; null takes it from the data")


class ClassifierDataKeys(Section):
    """Record files."""

    group: ClassVar[str] = "Data"

    albert_data_dir: str = Field(
        "",
        description="folder that holds albert_base or albert_large and <TASK>_dataset; fills in the empty paths of "
        "records, meta data, vocabulary and pre-trained checkpoint",
    )
    custom_network_dir: str = Field(
        "",
        description="folder in albert_data_dir that an albert_network custom belongs to, such as albert_base; its "
        "albert_config.json describes the network; empty takes the only one there is",
    )
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
    # The run directory keeps the paths, flags and sizes that these stand for.
    start_keys: ClassVar[tuple[str, ...]] = (*TaskConfig.start_keys, "mode", "albert_data_dir", "custom_network_dir")

    description: str = Field("run_classifier", min_length=1, description="name of the run")
    do_eval: bool = Field(False, description="evaluate on eval_data_file_path, after training and during it")
    do_predict: bool = Field(False, description="write predictions for test_data_file_path")
    export_file_name: str = Field(
        "albert_classifier", min_length=1, description="path of the exported file, without or with its ending"
    )
    optimizer_cfg: ClassifierOptimizers = ClassifierOptimizers()

    @model_validator(mode="before")
    @classmethod
    def _apply_mode(cls, content: Any) -> Any:
        """Let ``mode`` decide the flags; a wrong value of it is reported with the other values."""
        if not isinstance(content, dict):
            return content
        return {**content, **_MODES.get(str(content.get("mode", "")).lower(), {})}

    def described_network(self) -> dict[str, Any]:
        """Return the keys of a custom network that ``albert_data_dir`` describes."""
        # ModelArts brings the folder later.
        if not self.albert_data_dir or self.enable_modelarts or self.mode == "export_only":
            return {}
        return described_network(model_folder(Path(self.albert_data_dir), "custom", self.custom_network_dir))

    def brings_data(self) -> bool:
        """Tell whether keys of data and weights that are empty now are filled in before the task begins."""
        return bool(self.albert_data_dir) or self.mode == "predict"

    def brings_checkpoint(self) -> bool:
        """Tell whether ``load_finetune_checkpoint_path`` is filled in before the task begins."""
        return self.mode == "predict"
