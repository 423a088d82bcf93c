"""Schema of pretrain_config.yaml."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from src.config.network_keys import NetworkKeys
from src.config.optimizer_keys import MomentumKeys, PretrainAdamKeys, PretrainLambKeys, ScheduleKeys
from src.config.sections import Section
from src.config.task_config import TaskConfig
from src.config.value_types import Int, IntList, OptimizerName, OptionalInt, TrainSteps, Unavailable

_ALWAYS_ONCE = Unavailable("is always true: gradients are reduced once, after the accumulation")
_NETWORK_HELP = "keys of this network, read when albert_network chooses it; null takes the preset's value"


class PretrainTaskKeys(Section):
    """What to do and how long."""

    group: ClassVar[str] = "Training"

    epoch_size: Int = Field(40, ge=1, description="passes over the training data")
    train_steps: TrainSteps = Field(-1, ge=-1, description="updates to train for; -1 counts them from epoch_size")
    allreduce_post_accumulation: Annotated[bool, _ALWAYS_ONCE] = Field(
        True, description="reduce gradients between devices once, after the accumulation"
    )
    enable_data_sink: bool = Field(True, description="let the device fetch its batches without the host")
    data_sink_steps: Int = Field(1, ge=1, description="steps of one fetch when enable_data_sink is true")


class PretrainDataKeys(Section):
    """Record files and batches."""

    group: ClassVar[str] = "Data"

    data_dir: str = Field("", description="folder of the TFRecord or MindRecord files")
    schema_dir: str = Field("", description="schema.json of the files; empty infers the columns")
    do_shuffle: bool = Field(True, description="shuffle the data")
    batch_size: OptionalInt = Field(
        None, ge=1, description="rows of a batch on each device; null takes the network's <size>_batch_size"
    )
    base_batch_size: Int = Field(256, ge=1, description="batch_size for base")
    large_batch_size: Int = Field(24, ge=1, description="batch_size for large")
    xlarge_batch_size: Int = Field(24, ge=1, description="batch_size for xlarge")
    xxlarge_batch_size: Int = Field(12, ge=1, description="batch_size for xxlarge")
    custom_batch_size: Int = Field(32, ge=1, description="batch_size for custom")
    bucket_list: IntList = Field((), description="lengths in tokens at which batches run; empty: one length")


class PretrainCheckpointKeys(Section):
    """Checkpoints read and written by pre-training."""

    group: ClassVar[str] = "Checkpoints"

    enable_save_ckpt: bool = Field(True, description="save checkpoints")
    save_checkpoint_path: str = Field(
        "", description="folder for the checkpoints; empty takes the one in the run directory"
    )
    load_checkpoint_path: str = Field("", description="checkpoint whose weights training starts from")
    save_checkpoint_steps: Int = Field(10000, ge=1, description="updates between checkpoints")
    save_checkpoint_num: Int = Field(1, ge=1, description="recent checkpoints kept")


class PretrainEvaluationKeys(Section):
    """Evaluation during training and with pretrain_eval.py."""

    group: ClassVar[str] = "Evaluation"

    train_with_eval: bool = Field(False, description="evaluate during training")
    eval_data_dir: str = Field("", description="folder of the evaluation files")
    schema_file: str = Field("", description="schema.json of the evaluation files; empty infers the columns")
    eval_ckpt: str = Field("", description="checkpoint that pretrain_eval.py scores")
    eval_samples: Int = Field(300000, ge=1, description="rows that pretrain_eval.py scores at most")


class PretrainOptimizerKeys(Section):
    """The optimizers; the chosen one's block is read."""

    group: ClassVar[str] = "Optimizer"

    optimizer: OptimizerName = Field("Lamb", description="optimizer used; its block below is read")
    AdamWeightDecay: PretrainAdamKeys = PretrainAdamKeys()
    Lamb: PretrainLambKeys = PretrainLambKeys()
    Momentum: MomentumKeys = MomentumKeys()


class PretrainConfig(
    TaskConfig,
    PretrainOptimizerKeys,
    PretrainEvaluationKeys,
    PretrainCheckpointKeys,
    PretrainDataKeys,
    PretrainTaskKeys,
):
    """Everything that run_pretrain.py and pretrain_eval.py read."""

    yaml_name: ClassVar[str] = "pretrain_config.yaml"

    description: str = Field("run_pretrain", min_length=1, description="name of the run")
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
