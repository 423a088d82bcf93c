"""Activations, written out from elementwise operators of MindSpore.

On the CPU, MindSpore 2.10's ``ops.GeLU`` takes ten times as long as the same function written out, and its
``ops.Tanh`` is off by up to 1e-4, which is as much as all other rounding of the network together. ``ops.Sigmoid``
is right to 1e-6 and fast, and tanh(x) = 2 sigmoid(2x) - 1.
"""

from __future__ import annotations

import math

from mindspore import Tensor, nn, ops
from mindspore.ops.operations._grad_ops import SigmoidGrad

from src.common.errors import ConfigError

# 2z = x (linear + cubic x^2) in the tanh form of GELU.
_LINEAR = 2.0 * math.sqrt(2.0 / math.pi)
_CUBIC = _LINEAR * 0.044715
# Values of ``hidden_act`` that mean the tanh form.
GELU_TANH_NAMES = ("gelu", "gelu_new")


class Tanh(nn.Cell):
    """Hyperbolic tangent by way of the sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoid = ops.Sigmoid()

    def construct(self, x: Tensor) -> Tensor:
        """Return tanh(x), elementwise."""
        return 2.0 * self.sigmoid(2.0 * x) - 1.0


class GeluTanh(nn.Cell):
    """Gaussian error linear unit in its tanh form (Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2).

    All of Google's ALBERT code computes this form, also where its configuration says plain ``gelu``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gelu = _GeluTanhWithGate()

    def construct(self, x: Tensor) -> Tensor:
        """Return 0.5 x (1 + tanh(z)) = x sigmoid(2z) with z = sqrt(2/pi) (x + 0.044715 x^3), elementwise."""
        return self.gelu(x)[0]


class _GeluTanhWithGate(nn.Cell):
    """GELU and its gate sigmoid(2z), with a backward pass of fewer sweeps than the automatic one has."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoid = ops.Sigmoid()
        self.square = ops.Square()
        self.backward = _GeluTanhBackward()
        self.linear = _LINEAR
        self.cubic = _CUBIC

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x times the gate, and the gate, which has no gradient here."""
        gate = self.sigmoid(x * (self.linear + self.cubic * self.square(x)))
        return x * gate, gate

    def bprop(self, x: Tensor, outputs: tuple[Tensor, Tensor], gradients: tuple[Tensor, Tensor]) -> tuple[Tensor]:
        """Return the gradient of ``x``."""
        return (self.backward(x, outputs[1], gradients[0]),)


class _GeluTanhBackward(nn.Cell):
    """The backward pass of GELU; named ``backward`` where it is used, as in ``backward.py``."""

    def __init__(self) -> None:
        super().__init__()
        self.square = ops.Square()
        self.times_slope_of_sigmoid = SigmoidGrad()
        self.linear = _LINEAR
        self.cubic = 3.0 * _CUBIC

    def construct(self, x: Tensor, gate: Tensor, gradient: Tensor) -> Tensor:
        """Return dy (s + s (1 - s) x d(2z)/dx), with the gate s."""
        slope = x * (self.linear + self.cubic * self.square(x))
        return gradient * (gate + self.times_slope_of_sigmoid(gate, slope))


class GeluErf(nn.Cell):
    """Gaussian error linear unit in its exact form; HF transformers computes it for ALBERT v1 (``gelu``)."""

    def __init__(self) -> None:
        super().__init__()
        self.erf = ops.Erf()
        self.scale = math.sqrt(0.5)

    def construct(self, x: Tensor) -> Tensor:
        """Return 0.5 x (1 + erf(x / sqrt(2))), elementwise."""
        return 0.5 * x * (1.0 + self.erf(self.scale * x))


def make_activation(name: str) -> nn.Cell:
    """Return the activation that ``hidden_act`` names.

    Raises:
        ConfigError: There is no activation of this name.
    """
    makers: dict[str, type[nn.Cell]] = {
        **dict.fromkeys(GELU_TANH_NAMES, GeluTanh),
        "gelu_erf": GeluErf,
        "relu": nn.ReLU,
    }
    if name not in makers:
        raise ConfigError(f"unknown activation {name!r}", "hidden_act", f"choose one of {', '.join(makers)}")
    return makers[name]()
