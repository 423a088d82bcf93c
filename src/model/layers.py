"""Building blocks of the backbone and the heads: types, initialisation, dense layer, residual output."""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from src.config.sections import NetworkConfig


def float_type(name: str) -> Any:
    """Return the MindSpore type of a configuration's ``float32`` or ``float16``."""
    return {"float32": ms.float32, "float16": ms.float16}[name]


def new_weight(shape: tuple[int, ...], config: NetworkConfig, name: str) -> Parameter:
    """Return a parameter drawn from a normal distribution that is cut off at two standard deviations.

    This is TensorFlow's ``truncated_normal_initializer``, which ALBERT uses. MindSpore's bounds are absolute
    values with defaults of +-2, so that without them nothing would be cut off. The numbers follow ``ms.set_seed``.
    """
    deviation = config.initializer_range
    distribution = TruncatedNormal(sigma=deviation, mean=0.0, a=-2 * deviation, b=2 * deviation)
    return Parameter(initializer(distribution, shape, float_type(config.dtype)), name=name)


def new_layernorm(size: int, config: NetworkConfig) -> nn.LayerNorm:
    """Return a LayerNorm over the last axis; MindSpore's default epsilon is not ALBERT's, so it is always given."""
    return nn.LayerNorm((size,), epsilon=config.layer_norm_eps, dtype=float_type(config.dtype))


class Linear(nn.Cell):
    """y = x W^T + b, computed in one type whatever the type of the input and the parameters.

    Args:
        in_size: Size of the input's last axis.
        out_size: Size of the output's last axis.
        config: Gives initialisation and type of the parameters.
        compute_type: Type of the product and of the output, ``float32`` or ``float16``.
    """

    def __init__(self, in_size: int, out_size: int, config: NetworkConfig, compute_type: str) -> None:
        super().__init__()
        self.weight = new_weight((out_size, in_size), config, "weight")
        self.bias = Parameter(initializer("zeros", (out_size,), float_type(config.dtype)), name="bias")
        self.compute_type = float_type(compute_type)
        self.matmul = ops.MatMul(transpose_b=True)

    def construct(self, x_MI: Tensor) -> Tensor:
        """Map [M, in_size] to [M, out_size] of the compute type."""
        product_MO = self.matmul(x_MI.astype(self.compute_type), self.weight.astype(self.compute_type))
        # Not BiasAdd: on the CPU its gradient is far slower than that of a broadcast sum.
        return product_MO + self.bias.astype(self.compute_type)


class ResidualOutput(nn.Cell):
    """Project, drop, add the residual, normalise: the end of the attention block and of the feed-forward block.

    One graph gives every call of one Dropout cell the same mask, so a layer that is applied several times in a
    pass (ALBERT's shared layers) needs a Dropout cell for each application.

    Args:
        in_size: Size I of the input's last axis.
        config: Shape of the network.
        applications: How often the layer is applied in one pass.
        operator: Name of the projection in ``float32_operators``.
    """

    def __init__(self, in_size: int, config: NetworkConfig, applications: int, operator: str = "output") -> None:
        super().__init__()
        self.dense = Linear(in_size, config.hidden_size, config, config.compute_type_of(operator))
        self.layernorm = new_layernorm(config.hidden_size, config)
        self.dropouts = nn.CellList([nn.Dropout(p=config.hidden_dropout_prob) for _ in range(applications)])

    def construct(self, x_MI: Tensor, residual_MD: Tensor, application: int) -> Tensor:
        """Return [M, D] float32 from [M, I] and the residual [M, D] float32."""
        projected_MD = self.dropouts[application](self.dense(x_MI))
        return self.layernorm(residual_MD + projected_MD.astype(ms.float32))
