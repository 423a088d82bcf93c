"""Building blocks of the backbone and the heads: types, initialisation, dense layer, residual output."""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from src.config.sections import NetworkConfig
from src.model.backward import AddBias, Normalization, WeightProduct, written_out
from src.model.compiled import kernels_fit
from src.model.kernels import (
    DropoutKey,
    DropoutNormalization,
    KernelNormalization,
    KernelTranspose,
    ResidualNormalization,
)


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


class LayerNorm(nn.Cell):
    """LayerNorm over the last axis, with the parameter names of ``nn.LayerNorm``.

    Args:
        size: D, the size of the last axis.
        config: Gives epsilon (MindSpore's default is not ALBERT's) and the type of the parameters.
    """

    def __init__(self, size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.gamma = Parameter(initializer("ones", (size,), float_type(config.dtype)), name="gamma")
        self.beta = Parameter(initializer("zeros", (size,), float_type(config.dtype)), name="beta")
        epsilon = config.layer_norm_eps
        self.is_kernel = kernels_fit(config)
        # Recomputed, a backward pass that reads its cell's means and variances would make a circle in the graph.
        own_backward = written_out() and not config.recompute
        if self.is_kernel:
            self.normalize = KernelNormalization(epsilon)
        else:
            self.normalize = Normalization(epsilon) if own_backward else ops.LayerNorm(-1, -1, epsilon)

    def construct(self, x: Tensor) -> Tensor:
        """Return the normalised [..., D] of the type of ``x``."""
        normalised = self.normalize(x, self.gamma.astype(x.dtype), self.beta.astype(x.dtype))
        return normalised if self.is_kernel else normalised[0]


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
        self.product = WeightProduct(in_size, out_size, KernelTranspose() if kernels_fit(config) else None)
        self.add_bias = AddBias()

    def construct(self, x_MI: Tensor) -> Tensor:
        """Map [M, in_size] to [M, out_size] of the compute type."""
        return self.add_bias(self.multiply(x_MI), self.bias.astype(self.compute_type))

    def multiply(self, x_MI: Tensor) -> Tensor:
        """Return x W^T alone; somebody else adds the bias."""
        return self.product(x_MI.astype(self.compute_type), self.weight.astype(self.compute_type))


class ResidualOutput(nn.Cell):
    """Project, drop, add the residual, normalise: the end of the attention block and of the feed-forward block.

    One graph gives every call of one cell that draws random numbers the same ones, so a layer that is applied several
    times in a pass (ALBERT's shared layers) needs a Dropout cell, or one for the key, for each application.

    Args:
        in_size: Size I of the input's last axis.
        config: Shape of the network.
        applications: How often the layer is applied in one pass.
        operator: Name of the projection in ``float32_operators``.
    """

    def __init__(self, in_size: int, config: NetworkConfig, applications: int, operator: str = "output") -> None:
        super().__init__()
        self.dense = Linear(in_size, config.hidden_size, config, config.compute_type_of(operator))
        self.layernorm = LayerNorm(config.hidden_size, config)
        self.is_fused, self.drops = kernels_fit(config), config.hidden_dropout_prob > 0
        if not self.is_fused:
            self.dropouts = nn.CellList([nn.Dropout(p=config.hidden_dropout_prob) for _ in range(applications)])
            return
        self.add_and_normalize = ResidualNormalization(config.layer_norm_eps)
        if self.drops:
            self.keys = nn.CellList([DropoutKey() for _ in range(applications)])
            self.drop_and_normalize = DropoutNormalization(config.layer_norm_eps, config.hidden_dropout_prob)

    def construct(self, x_MI: Tensor, residual_MD: Tensor, application: int) -> Tensor:
        """Return [M, D] float32 from [M, I] and the residual [M, D] float32."""
        if self.is_fused:
            return self._fused(self.dense.multiply(x_MI), residual_MD, application)
        projected_MD = self.dropouts[application](self.dense(x_MI))
        return self.layernorm(residual_MD + projected_MD.astype(ms.float32))

    def _fused(self, product_MD: Tensor, residual_MD: Tensor, application: int) -> Tensor:
        """Return the same in one operator, from the product without its bias."""
        bias_D, gamma_D, beta_D = self.dense.bias, self.layernorm.gamma, self.layernorm.beta
        if self.training and self.drops:
            key_2 = self.keys[application]()
            return self.drop_and_normalize(product_MD, bias_D, residual_MD, gamma_D, beta_D, key_2)
        return self.add_and_normalize(product_MD, bias_D, residual_MD, gamma_D, beta_D)
