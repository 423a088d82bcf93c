"""The sections of the configuration that components are built from, each with its own bounds and help.

Every section is frozen: a cell or dataset can read it and cannot change it for its neighbours.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from src.config.float32_operators import check_operator
from src.config.value_types import Float, FloatType, Int, TextList

OperatorList = Annotated[TextList, AfterValidator(lambda names: tuple(check_operator(name) for name in names))]


class Section(BaseModel):
    """A frozen part of the configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class NetworkConfig(Section):
    """Shape of the network (paper section 3.1; names as in the released ``albert_config.json``)."""

    seq_length: Int = Field(512, ge=1, description="length of input sequences, in tokens")
    vocab_size: Int = Field(30000, ge=1, description="number of entries of the vocabulary")
    embedding_size: Int = Field(128, ge=1, description="size E of the factorized token embeddings")
    hidden_size: Int = Field(768, ge=1, description="size D of the encoder's hidden states")
    num_hidden_layers: Int = Field(12, ge=1, description="number of encoder layers")
    num_attention_heads: Int = Field(12, ge=1, description="number of attention heads")
    intermediate_size: Int = Field(3072, ge=1, description="size F of the feed-forward layer")
    hidden_act: Literal["gelu", "gelu_new", "gelu_erf", "relu"] = Field(
        "gelu", description="activation: gelu and gelu_new are the tanh form (as Google's code), gelu_erf the exact one"
    )
    hidden_dropout_prob: Float = Field(0.1, ge=0, lt=1, description="dropout probability of hidden states")
    attention_probs_dropout_prob: Float = Field(0.1, ge=0, lt=1, description="dropout probability of attention")
    classifier_dropout_prob: Float = Field(
        0.1, ge=0, lt=1, description="dropout probability before a fine-tuning head; stays 0.1 in v2"
    )
    max_position_embeddings: Int = Field(512, ge=1, description="largest sequence length the table of positions holds")
    type_vocab_size: Int = Field(2, ge=1, description="number of segment types")
    initializer_range: Float = Field(0.02, gt=0, description="standard deviation of the truncated normal init")
    layer_norm_eps: Float = Field(1e-12, gt=0, description="epsilon of every LayerNorm")
    use_relative_positions: bool = Field(False, description="relative positions in attention (Shaw et al. 2018)")
    dtype: FloatType = Field("float32", description="type of the parameters and of the network's outputs")
    compute_type: FloatType = Field("float32", description="type of the matrix products in the encoder")
    float32_operators: OperatorList = Field(
        (), description="operators that stay float32 when compute_type is float16 (docs/precision.md lists them)"
    )
    num_hidden_groups: Int = Field(1, ge=1, description="groups of layers that share weights")
    inner_group_num: Int = Field(1, ge=1, description="distinct layers inside a group")
    recompute: bool = Field(
        False, description="recompute layers in the backward pass: fewer tensors in memory, more time; not for the CPU"
    )

    def compute_type_of(self, operator: str) -> str:
        """Return the type that an operator of ``float32_operators`` computes in."""
        return "float32" if check_operator(operator) in self.float32_operators else self.compute_type

    @model_validator(mode="after")
    def _check_shapes(self) -> NetworkConfig:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not divisible by num_attention_heads {self.num_attention_heads}"
            )
        if self.num_hidden_groups > self.num_hidden_layers:
            raise ValueError(
                f"num_hidden_groups {self.num_hidden_groups} exceeds num_hidden_layers {self.num_hidden_layers}"
            )
        if self.seq_length > self.max_position_embeddings:
            raise ValueError(
                f"seq_length {self.seq_length} exceeds max_position_embeddings {self.max_position_embeddings}"
            )
        return self


class OptimizerConfig(Section):
    """One optimizer with its learning-rate schedule; fields that an optimizer does not use are not read."""

    name: Literal["AdamWeightDecay", "Lamb", "Momentum"]
    learning_rate: Float = Field(gt=0, description="peak learning rate")
    end_learning_rate: Float = Field(0.0, ge=0, description="learning rate at the end of the decay")
    power: Float = Field(1.0, gt=0, description="power of the polynomial decay; 1 is linear")
    warmup_steps: Int = Field(0, ge=0, description="steps of linear warm-up")
    decay_steps: Int = Field(0, ge=0, description="steps of the decay; 0 takes the number of training steps")
    weight_decay: Float = Field(0.01, ge=0, description="decoupled weight decay")
    decay_filter: tuple[str, ...] = Field(
        ("layernorm", "bias"), description="parameters whose lower-cased name contains one of these do not decay"
    )
    eps: Float = Field(1e-6, gt=0, description="epsilon added to the denominator")
    beta1: Float = Field(0.9, ge=0, lt=1, description="decay of the first moment")
    beta2: Float = Field(0.999, ge=0, lt=1, description="decay of the second moment")
    momentum: Float = Field(0.9, ge=0, lt=1, description="momentum of Momentum")


class LossScaleConfig(Section):
    """Loss scale for 16-bit compute; with ``enable`` false it is 1 and overflow still skips the update."""

    enable: bool = Field(False, description="scale the loss dynamically")
    value: Float = Field(65536.0, gt=0, description="first value of the scale")
    factor: Float = Field(2.0, gt=1, description="factor by which the scale grows and shrinks")
    window: Int = Field(1000, ge=1, description="steps without overflow after which the scale grows")
