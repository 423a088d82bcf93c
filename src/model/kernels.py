"""Cells on the compiled CPU kernels of ``src/kernels``: the elementwise work of a layer, fused, with its backward pass.

MindSpore runs one elementwise operator after the other, each through main memory. Here one sweep does what takes it
ten (docs/performance.md). All of it is float32. Only the softmax keeps something for its backward pass, its output; the
others read their inputs again. What belongs to the backward pass is in a cell named ``backward``, as in
``backward.py``.

Letters as in ``albert_model.py``, with R query positions.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.common.seed import _get_graph_seed

from src.model.compiled import Kernel, kernels_are_there


class BiasGelu(nn.Cell):
    """GELU in its tanh form of x + bias; see ``GeluTanh``."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = Kernel("albert_bias_gelu", lambda x, b: x)
        self.backward = Kernel("albert_bias_gelu_grad", lambda x, b, dy: (x, b), 2)

    def construct(self, x_MF: Tensor, bias_F: Tensor) -> Tensor:
        """Return [M, F]."""
        return self.forward(x_MF, bias_F)

    def bprop(self, x_MF: Tensor, bias_F: Tensor, output_MF: Tensor, gradient_MF: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of both inputs."""
        return self.backward(x_MF, bias_F, gradient_MF)


class KernelNormalization(nn.Cell):
    """LayerNorm over the last axis (arXiv:1607.06450).

    Args:
        epsilon: Added to the variance.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = Tensor(np.array([epsilon], np.float32))
        self.forward = Kernel("albert_normalize", lambda x, g, b, e: x)
        self.backward = Kernel("albert_normalize_grad", lambda x, g, e, dy: (x, g, g), 3)

    def construct(self, x: Tensor, gamma_D: Tensor, beta_D: Tensor) -> Tensor:
        """Return the normalised [..., D]."""
        return self.forward(x, gamma_D, beta_D, self.epsilon)

    def bprop(
        self, x: Tensor, gamma_D: Tensor, beta_D: Tensor, output: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the three inputs."""
        return self.backward(x, gamma_D, self.epsilon, gradient)


class ResidualNormalization(nn.Cell):
    """LayerNorm of x + bias + residual.

    Args:
        epsilon: Added to the variance.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = Tensor(np.array([epsilon], np.float32))
        self.forward = Kernel("albert_residual_normalize", lambda x, b, r, gamma, beta, e: x)
        self.backward = Kernel("albert_residual_normalize_grad", lambda x, b, r, gamma, e, dy: (x, b, gamma, gamma), 4)

    def construct(self, x_MD: Tensor, bias_D: Tensor, residual_MD: Tensor, gamma_D: Tensor, beta_D: Tensor) -> Tensor:
        """Return the normalised [M, D]."""
        return self.forward(x_MD, bias_D, residual_MD, gamma_D, beta_D, self.epsilon)

    def bprop(
        self,
        x_MD: Tensor,
        bias_D: Tensor,
        residual_MD: Tensor,
        gamma_D: Tensor,
        beta_D: Tensor,
        output_MD: Tensor,
        gradient_MD: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients of the five inputs; x and the residual have the same one."""
        sum_MD, bias, gamma, beta = self.backward(x_MD, bias_D, residual_MD, gamma_D, self.epsilon, gradient_MD)
        return sum_MD, bias, sum_MD, gamma, beta


class DropoutKey(nn.Cell):
    """Two random numbers for each step, whose bits say which elements dropout keeps.

    They are drawn as ``nn.Dropout`` draws its masks: a stream of each cell's own, from MindSpore's seed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.draw = ops.StandardNormal(*_get_graph_seed(0, "dropout"))

    def construct(self) -> Tensor:
        """Return float32 [2]."""
        return self.draw((2,))


class KernelDropout(nn.Cell):
    """Dropout that keeps no mask for the backward pass: the key tells it again.

    Args:
        probability: That of an element to become 0.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = Tensor(np.array([probability], np.float32))
        self.forward = Kernel("albert_dropout", lambda x, p, key: x)
        self.backward = Kernel("albert_dropout", lambda dy, p, key: dy)

    def construct(self, x: Tensor, key_2: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        return self.forward(x, self.probability, key_2)

    def bprop(self, x: Tensor, key_2: Tensor, output: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient of ``x``, and none for the key."""
        return self.backward(gradient, self.probability, key_2), ops.zeros_like(key_2)


class DropoutNormalization(nn.Cell):
    """LayerNorm of residual + dropout(x + bias).

    Args:
        epsilon: Added to the variance.
        probability: That of an element to become 0.
    """

    def __init__(self, epsilon: float, probability: float) -> None:
        super().__init__()
        self.settings = Tensor(np.array([epsilon, probability], np.float32))
        self.forward = Kernel("albert_dropout_normalize", lambda x, b, r, gamma, beta, s, key: x)
        self.backward = Kernel(
            "albert_dropout_normalize_grad", lambda x, b, r, gamma, s, key, dy: (x, b, x, gamma, gamma), 5
        )

    def construct(
        self, x_MD: Tensor, bias_D: Tensor, residual_MD: Tensor, gamma_D: Tensor, beta_D: Tensor, key_2: Tensor
    ) -> Tensor:
        """Return the normalised [M, D]."""
        return self.forward(x_MD, bias_D, residual_MD, gamma_D, beta_D, self.settings, key_2)

    def bprop(
        self,
        x_MD: Tensor,
        bias_D: Tensor,
        residual_MD: Tensor,
        gamma_D: Tensor,
        beta_D: Tensor,
        key_2: Tensor,
        output_MD: Tensor,
        gradient_MD: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients of the first five inputs, and none for the key."""
        x, bias, residual, gamma, beta = self.backward(
            x_MD, bias_D, residual_MD, gamma_D, self.settings, key_2, gradient_MD
        )
        return x, bias, residual, gamma, beta, ops.zeros_like(key_2)


class SplitHeads(nn.Cell):
    """Add a bias and put the heads apart.

    Args:
        heads: Number N.
        is_query: Divide by the square root of H too.
    """

    def __init__(self, heads: int, is_query: bool = False) -> None:
        super().__init__()
        name = "albert_split_query" if is_query else "albert_split_heads"
        self.forward = Kernel(name, lambda x, b, like: (like[0], heads, x[0] // like[0], x[1] // heads))
        self.backward = Kernel(f"{name}_grad", lambda dy: ((dy[0] * dy[2], dy[1] * dy[3]), (dy[1] * dy[3],)), 2)

    def construct(self, x_MD: Tensor, bias_D: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return [B, N, R, H]; of ``mask_B11T`` only B is taken."""
        return self.forward(x_MD, bias_D, mask_B11T)

    def bprop(
        self, x_MD: Tensor, bias_D: Tensor, mask_B11T: Tensor, output: Tensor, gradient_BNRH: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of x and the bias, and none for the mask."""
        x_gradient_MD, bias_gradient_D = self.backward(gradient_BNRH)
        return x_gradient_MD, bias_gradient_D, ops.zeros_like(mask_B11T)


class MergeHeads(nn.Cell):
    """Put the heads side by side.

    Args:
        heads: Number N.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.forward = Kernel("albert_merge_heads", lambda x: (x[0] * x[2], x[1] * x[3]))
        self.backward = Kernel(
            "albert_merge_heads_grad", lambda dy, like: (like[0], heads, dy[0] // like[0], dy[1] // heads)
        )

    def construct(self, x_BNRH: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return [M, D]; of ``mask_B11T`` only B is taken."""
        return self.forward(x_BNRH)

    def bprop(self, x_BNRH: Tensor, mask_B11T: Tensor, output_MD: Tensor, gradient_MD: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient [B, N, R, H], and none for the mask."""
        return self.backward(gradient_MD, mask_B11T), ops.zeros_like(mask_B11T)


class MaskedSoftmax(nn.Cell):
    """Softmax over the last axis of scores with a mask added."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = Kernel("albert_masked_softmax", lambda x, m: x)
        self.backward = Kernel("albert_softmax_grad", lambda p, dp: p)

    def construct(self, scores_BNRT: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return probabilities [B, N, R, T]."""
        return self.forward(scores_BNRT, mask_B11T)

    def bprop(
        self, scores_BNRT: Tensor, mask_B11T: Tensor, probabilities_BNRT: Tensor, gradient_BNRT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the gradient of the scores, and none for the mask."""
        return self.backward(probabilities_BNRT, gradient_BNRT), ops.zeros_like(mask_B11T)


class KernelTranspose(nn.Cell):
    """Turn a matrix; used in backward passes, and has none itself."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = Kernel("albert_transpose", lambda x: (x[1], x[0]))

    def construct(self, x_MD: Tensor) -> Tensor:
        """Return [D, M]."""
        return self.forward(x_MD)


class SumOfSquares(nn.Cell):
    """The sum of the squares of a float32 tensor, without a backward pass; on a CPU without a second tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.is_kernel = kernels_are_there()
        if self.is_kernel:
            self.forward = Kernel("albert_sum_of_squares", lambda x: (1,))

    def construct(self, x: Tensor) -> Tensor:
        """Return float32[]."""
        return self.forward(x).reshape(()) if self.is_kernel else ops.reduce_sum(ops.square(x))
