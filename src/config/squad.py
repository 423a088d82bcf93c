"""Schema of task_squad_config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from src.config.finetune import FinetuneConfig, FinetuneTaskKeys
from src.config.optimizer_keys import SquadOptimizers
from src.config.sections import Section
from src.config.task_config import Problem
from src.config.value_types import MOST_BATCH_ROWS, Float, Int, SquadHead


class SquadTaskKeys(FinetuneTaskKeys):
    """What to do, and which answers count."""

    group: ClassVar[str] = "Task"

    version_2_with_negative: bool = Field(
        False, description="SQuAD v2.0: questions may have no answer in their passage"
    )
    squad_head: SquadHead = Field(
        "span",
        description="span: start and end of the answer; beam (v2.0): ends depend on the start, and answerability",
    )
    num_class: Int = Field(2, ge=2, le=2, description="outputs per token of the head span: start and end of the answer")
    n_best_size: Int = Field(20, ge=1, description="answers listed for each question")
    max_answer_length: Int = Field(30, ge=1, description="most tokens of an answer")
    null_score_diff_threshold: Float = Field(
        0.0, description="v2.0: no answer where its score minus the best answer's (span), or its logit (beam), is above"
    )
    start_n_top: Int = Field(5, ge=1, description="head beam: starts looked at")
    end_n_top: Int = Field(5, ge=1, description="head beam: ends looked at for each start")


class SquadDataKeys(Section):
    """Record files and json files."""

    group: ClassVar[str] = "Data"

    train_data_file_path: str = Field("", description="MindRecord or TFRecord file to train on")
    eval_json_path: str = Field("", description="SQuAD json file to evaluate on")
    test_json_path: str = Field("", description="SQuAD json file to answer; it may be without answers")
    max_query_length: Int = Field(64, ge=1, description="most tokens of a question")
    doc_stride: Int = Field(128, ge=1, description="tokens from the begin of a window of a passage to that of the next")
    predict_feature_left_file: str = Field(
        "", description="file or folder that keeps the evaluation features between runs; empty makes them anew"
    )


class SquadConfig(FinetuneConfig, SquadDataKeys, SquadTaskKeys):
    """Everything that run_squad_v1.py reads."""

    yaml_name: ClassVar[str] = "task_squad_config.yaml"
    network_defaults: ClassVar[Mapping[str, int]] = {"seq_length": 384}
    data_keys: ClassVar[dict[str, str]] = {
        "do_train": "train_data_file_path",
        "do_eval": "eval_json_path",
        "do_predict": "test_json_path",
    }
    free_keys: ClassVar[tuple[str, ...]] = (
        *FinetuneConfig.free_keys,
        "do_predict",
        "test_json_path",
        "predict_feature_left_file",
        "n_best_size",
    )
    example_checkpoint: ClassVar[str] = "squad-best.ckpt"

    description: str = Field("run_squad_v1", min_length=1, description="name of the run")
    do_eval: bool = Field(False, description="evaluate on eval_json_path, after training and during it")
    do_predict: bool = Field(False, description="write answers for test_json_path")
    train_batch_size: Int = Field(48, ge=1, le=MOST_BATCH_ROWS, description="rows of a training batch on each device")
    export_file_name: str = Field(
        "albert_squad", min_length=1, description="path of the exported file, without or with its ending"
    )
    optimizer_cfg: SquadOptimizers = SquadOptimizers()

    def problems(self) -> list[Problem]:
        """Return the problems between keys."""
        problems = super().problems()
        if self.squad_head == "beam" and not self.version_2_with_negative:
            what = "the head beam is that of SQuAD v2.0"
            fix = "set version_2_with_negative to true, or squad_head to span"
            problems.append(Problem(("squad_head", "version_2_with_negative"), what, fix))
        if not (self.vocab_file_path or self.spm_model_file) and (self.do_eval or self.do_predict):
            what = "questions cannot be read without a vocabulary"
            fix = "set spm_model_file, or vocab_file_path for WordPiece"
            problems.append(Problem(("do_eval", "do_predict", "spm_model_file"), what, fix))
        return problems
