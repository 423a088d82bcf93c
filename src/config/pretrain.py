"""Schema of pretrain_config.yaml."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from src.config.common_keys import ExportKeys, VocabularyKeys
from src.config.network_keys import NetworkKeys
from src.config.optimizer_keys import MomentumKeys, PretrainAdamKeys, PretrainLambKeys, ScheduleKeys
from src.config.run_plan import RunPlan
from src.config.sections import Section
from src.config.task_config import Problem, TaskConfig
from src.config.value_types import MOST_BATCH_ROWS, Int, IntList, OptimizerName, OptionalInt, TrainSteps, Unavailable

_ALWAYS_ONCE = Unavailable("is always true: gradients are reduced once, after the accumulation; leave it out")
_NETWORK_HELP = "keys of this network, read when albert_network chooses it; null takes the preset's value"


class PretrainTaskKeys(Section):
    """What to do and how long."""

    group: ClassVar[str] = "Training"

    epoch_size: Int = Field(40, ge=1, description="passes over the training data")
    train_steps: TrainSteps = Field(-1, ge=-1, description="updates to train for; -1 counts them from epoch_size")
    allreduce_post_accumulation: Annotated[bool, _ALWAYS_ONCE] = Field(
        True, description="reduce gradients between devices once, after the accumulation"
    )
    enable_data_sink: bool = Field(
        True, description="let a GPU or an Ascend fetch its batches without the host; the CPU has no such queue"
    )
    data_sink_steps: Int = Field(1, ge=1, description="updates of one fetch when enable_data_sink is true")


class PretrainDataKeys(Section):
    """Record files and batches."""

    group: ClassVar[str] = "Data"

    data_dir: str = Field("", description="folder of the TFRecord or MindRecord files")
    schema_dir: str = Field("", description="schema.json of the files; empty infers the columns")
    do_shuffle: bool = Field(True, description="shuffle the data")
    batch_size: OptionalInt = Field(
        None,
        ge=1,
        le=MOST_BATCH_ROWS,
        description="rows of a batch on each device; null takes the network's <size>_batch_size",
    )
    base_batch_size: Int = Field(256, ge=1, le=MOST_BATCH_ROWS, description="batch_size for base")
    large_batch_size: Int = Field(24, ge=1, le=MOST_BATCH_ROWS, description="batch_size for large")
    xlarge_batch_size: Int = Field(24, ge=1, le=MOST_BATCH_ROWS, description="batch_size for xlarge")
    xxlarge_batch_size: Int = Field(12, ge=1, le=MOST_BATCH_ROWS, description="batch_size for xxlarge")
    custom_batch_size: Int = Field(32, ge=1, le=MOST_BATCH_ROWS, description="batch_size for custom")
    bucket_list: IntList = Field((), description="lengths in tokens at which batches run; empty: one length")


class PretrainCheckpointKeys(Section):
    """Checkpoints read and written by pre-training."""

    group: ClassVar[str] = "Checkpoints"

    enable_save_ckpt: bool = Field(True, description="save checkpoints")
    save_checkpoint_path: str = Field(
        "", description="folder for the checkpoints; empty takes the one in the run directory"
    )
    load_checkpoint_path: str = Field(
        "", description="weights to start from: .ckpt, .safetensors, or a checkpoint of TensorFlow or HF"
    )
    save_checkpoint_steps: Int = Field(10000, ge=1, description="updates between checkpoints")
    save_checkpoint_num: Int = Field(1, ge=1, description="recent checkpoints kept")


class PretrainEvaluationKeys(Section):
    """Evaluation during training and with pretrain_eval.py."""

    group: ClassVar[str] = "Evaluation"

    train_with_eval: bool = Field(False, description="evaluate during training, and keep the best weights")
    eval_steps: Int = Field(1000, ge=0, description="updates between evaluations; 0 evaluates once per epoch")
    eval_data_dir: str = Field("", description="folder of the evaluation files")
    schema_file: str = Field("", description="schema.json of the evaluation files; empty infers the columns")
    eval_ckpt: str = Field("", description="checkpoint that pretrain_eval.py scores")
    eval_samples: Int = Field(300000, ge=1, description="rows that are scored at most")
    eval_batch_size: OptionalInt = Field(
        None,
        ge=1,
        le=MOST_BATCH_ROWS,
        description="rows of an evaluation batch on each device; null takes that of training",
    )


class PretrainOptimizerKeys(Section):
    """The optimizers; the chosen one's block is read."""

    group: ClassVar[str] = "Optimizer"

    optimizer: OptimizerName = Field("Lamb", description="optimizer used; its block below is read")
    AdamWeightDecay: PretrainAdamKeys = PretrainAdamKeys()
    Lamb: PretrainLambKeys = PretrainLambKeys()
    Momentum: MomentumKeys = MomentumKeys()


class PretrainProcessKeys(Section):
    """How several processes share the work."""

    group: ClassVar[str] = "Device and processes"

    shard_optimizer_state: bool = Field(
        False, description="split the optimizer's moments over the processes: less memory, one more message per tensor"
    )


class PretrainConfig(
    ExportKeys,
    TaskConfig,
    PretrainProcessKeys,
    VocabularyKeys,
    PretrainOptimizerKeys,
    PretrainEvaluationKeys,
    PretrainCheckpointKeys,
    PretrainDataKeys,
    PretrainTaskKeys,
):
    """Everything that run_pretrain.py and pretrain_eval.py read."""

    yaml_name: ClassVar[str] = "pretrain_config.yaml"
    start_keys: ClassVar[tuple[str, ...]] = (*TaskConfig.start_keys, "shard_optimizer_state")

    description: str = Field("run_pretrain", min_length=1, description="name of the run")
    distribute: bool = Field(False, description="train with several processes, one per device; see launch.py")
    device_num: Int = Field(1, ge=1, description="number of processes when distribute is true; 1 takes the launcher's")
    base_net_cfg: NetworkKeys = Field(NetworkKeys(), description=_NETWORK_HELP)
    large_net_cfg: NetworkKeys = Field(NetworkKeys(), description=_NETWORK_HELP)
    xlarge_net_cfg: NetworkKeys = Field(NetworkKeys(), description=_NETWORK_HELP)
    xxlarge_net_cfg: NetworkKeys = Field(NetworkKeys(), description=_NETWORK_HELP)
    custom_net_cfg: NetworkKeys = Field(NetworkKeys(), description=_NETWORK_HELP)

    def network_section(self) -> str:
        """Return the name of the section that describes the chosen network."""
        return f"{self.albert_network}_net_cfg"

    def optimizer_name(self) -> OptimizerName:
        """Return the name of the chosen optimizer."""
        return self.optimizer

    def optimizer_keys(self) -> ScheduleKeys:
        """Return the block of the chosen optimizer."""
        return {"AdamWeightDecay": self.AdamWeightDecay, "Lamb": self.Lamb, "Momentum": self.Momentum}[self.optimizer]

    def run_plan(self) -> RunPlan:
        """Return what run_pretrain.py does."""
        # The CPU has no queue for batches, and a queue takes batches of one shape.
        sink = self.enable_data_sink and self.device_target != "CPU" and not self.bucket_list
        return RunPlan(
            train=True,
            evaluate=self.train_with_eval,
            predict=False,
            epochs=self.epoch_size,
            train_steps=self.train_steps,
            batch_size=self.effective_batch_size(),
            eval_steps=self.eval_steps,
            save_steps=self.save_checkpoint_steps,
            save=self.enable_save_ckpt,
            keep=self.save_checkpoint_num,
            start_weights=self.load_checkpoint_path,
            start_weights_key="load_checkpoint_path",
            start_heads=True,
            random_start=True,
            scored_weights=self.eval_ckpt,
            checkpoint_folder=self.save_checkpoint_path,
            checkpoint_folder_key="save_checkpoint_path",
            slice_optimizer_state=self.shard_optimizer_state,
            sink_steps=self.data_sink_steps if sink else 0,
        )

    def problems(self) -> list[Problem]:
        """Return the problems between keys."""
        problems = super().problems()
        if self.train_with_eval and not self.eval_data_dir:
            keys = ("train_with_eval", "eval_data_dir")
            problems.append(Problem(keys, "train_with_eval needs eval_data_dir", "name the folder of held-out records"))
        if self.shard_optimizer_state and not self.distribute:
            keys = ("shard_optimizer_state", "distribute")
            what = "shard_optimizer_state has no effect without distribute"
            problems.append(Problem(keys, what, "start with launch.py, or leave it false"))
        if self.resume and not self.enable_save_ckpt:
            keys = ("resume", "enable_save_ckpt")
            problems.append(Problem(keys, "a run that saves nothing cannot be resumed", "leave enable_save_ckpt true"))
        return problems

    def effective_batch_size(self) -> int:
        """Return ``batch_size``, or where it is null the batch size of the chosen network."""
        if self.batch_size is not None:
            return self.batch_size
        return {
            "base": self.base_batch_size,
            "large": self.large_batch_size,
            "xlarge": self.xlarge_batch_size,
            "xxlarge": self.xxlarge_batch_size,
            "custom": self.custom_batch_size,
        }[self.albert_network]
