"""Cells whose backward pass is written by hand, because MindSpore's own is slow on a CPU or keeps too much memory.

Measured in docs/performance.md. Elsewhere than on a CPU MindSpore's fused operators are the better choice, and
``written_out`` is the one place that decides. All of it is plain calculus: the same gradients, other operators.
What belongs to the backward pass is in a cell named ``backward``: profiles and dumps tell by it (``BACKWARD_SCOPE`` of
``src/runtime/profile_summary.py``).

Letters as in ``albert_model.py``, with I and O for the sizes of a dense layer's input and output.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops


def written_out() -> bool:
    """Say whether the device of this process is one where the written-out form is the faster one."""
    return str(ms.get_context("device_target")) == "CPU"


class SpreadColumn(nn.Cell):
    """Repeat a column in every column of a matrix, as a product with a row of ones.

    An operator that repeats a column by itself makes the CPU's kernel keep a table of 16 bytes for each element of its
    result, as long as the graph lives: over a gigabyte for base size and 8 x 128 tokens.
    """

    def __init__(self) -> None:
        super().__init__()
        self.matmul = ops.MatMul()

    def construct(self, x_M1: Tensor, size: int) -> Tensor:
        """Return [M, size]."""
        return self.matmul(x_M1, ops.ones((1, size), x_M1.dtype))


class RowSum(nn.Cell):
    """Sum a matrix over its rows.

    On a CPU as a product with a row of ones, which takes a third of ``ReduceSum`` there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written_out = written_out()
        self.matmul = ops.MatMul()
        self.reduce_sum = ops.ReduceSum()

    def construct(self, x_MD: Tensor) -> Tensor:
        """Return [D] of the type of ``x_MD``."""
        if self.written_out and x_MD.dtype == ms.float32:
            return self.matmul(ops.ones((1, x_MD.shape[0]), ms.float32), x_MD).reshape(-1)
        return self.reduce_sum(x_MD, 0)


class AddBias(nn.Cell):
    """Add a vector to every row; forward as ``BiasAdd``, backward as a plain sum.

    A broadcast sum makes the CPU's kernel keep a table of 16 bytes for each output element, in every application of a
    layer: four times what it adds up. ``BiasAdd`` keeps none, but its own gradient is far slower there than a sum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add = ops.BiasAdd()
        self.backward = RowSum()

    def construct(self, x_MO: Tensor, bias_O: Tensor) -> Tensor:
        """Return [M, O]."""
        return self.add(x_MO, bias_O)

    def bprop(self, x_MO: Tensor, bias_O: Tensor, output_MO: Tensor, gradient_MO: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of both inputs."""
        return gradient_MO, self.backward(gradient_MO)


class WeightProduct(nn.Cell):
    """x W^T, with both products of the backward pass in the form that the CPU's library computes fast.

    Args:
        in_size: I.
        out_size: O.
        turn: Turns a matrix faster than ``ops.Transpose``, so that more products can have that form.
    """

    def __init__(self, in_size: int, out_size: int, turn: nn.Cell | None = None) -> None:
        super().__init__()
        self.product = ops.MatMul(transpose_b=True)
        self.backward = WeightProductBackward(in_size, out_size, turn)

    def construct(self, x_MI: Tensor, weight_OI: Tensor) -> Tensor:
        """Return [M, O]."""
        return self.product(x_MI, weight_OI)

    def bprop(self, x_MI: Tensor, weight_OI: Tensor, output_MO: Tensor, gradient_MO: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of both inputs."""
        return self.backward(x_MI, weight_OI, gradient_MO)


class WeightProductBackward(nn.Cell):
    """The two products of the backward pass.

    A product whose right matrix is wide and not transposed takes on a CPU up to two and a half times as long as one
    with that matrix transposed or narrow. The backward pass of a layer that narrows (the second half of the
    feed-forward block, I = 4 O) would have two of them. So its weights are turned, once for all applications of the
    layer, and so is the gradient of its weights. (Four narrow products and a ``Concat`` of them would be faster still,
    but MindSpore takes 13 seconds longer to compile them, whatever the number of layers.)

    A narrow right matrix is still a tenth slower than a transposed one. Where turning costs little, every right matrix
    is transposed.

    Args:
        in_size: I.
        out_size: O.
        turn: Turns a matrix faster than ``ops.Transpose``.
    """

    def __init__(self, in_size: int, out_size: int, turn: nn.Cell | None) -> None:
        super().__init__()
        self.turns_all = turn is not None
        self.narrows = in_size > out_size and written_out()
        self.product = ops.MatMul(transpose_b=True)
        self.product_plain = ops.MatMul()
        self.product_of_columns = ops.MatMul(transpose_a=True)
        self.product_of_turned = ops.MatMul(transpose_a=True, transpose_b=True)
        self.turn = turn or Turn()

    def construct(self, x_MI: Tensor, weight_OI: Tensor, gradient_MO: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of x [M, I] and of the weights [O, I]."""
        if self.turns_all:
            x_gradient_MI = self.product(gradient_MO, self.turn(weight_OI))
            if self.narrows:
                return x_gradient_MI, self.turn(self.product_of_turned(x_MI, self.turn(gradient_MO)))
            return x_gradient_MI, self.product_of_turned(gradient_MO, self.turn(x_MI))
        if self.narrows:
            x_gradient_MI = self.product(gradient_MO, self.turn(weight_OI))
            return x_gradient_MI, self.turn(self.product_of_columns(x_MI, gradient_MO))
        return self.product_plain(gradient_MO, weight_OI), self.product_of_columns(gradient_MO, x_MI)


class Turn(nn.Cell):
    """Turn a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.transpose = ops.Transpose()

    def construct(self, x_MD: Tensor) -> Tensor:
        """Return [D, M]."""
        return self.transpose(x_MD, (1, 0))


class Normalization(nn.Cell):
    """LayerNorm over the last axis (arXiv:1607.06450); forward as MindSpore's, backward out of products.

    Args:
        epsilon: Added to the variance.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.normalize = ops.LayerNorm(-1, -1, epsilon)
        self.backward = NormalizationBackward(epsilon)

    def construct(self, x: Tensor, gamma_D: Tensor, beta_D: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the normalised [..., D], and means and variances [..., 1], which have no gradient here."""
        normalised, means, variances = self.normalize(x, gamma_D, beta_D)
        return normalised, means, variances

    def bprop(
        self,
        x: Tensor,
        gamma_D: Tensor,
        beta_D: Tensor,
        outputs: tuple[Tensor, Tensor, Tensor],
        gradients: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the three inputs."""
        return self.backward(x, gamma_D, outputs[1], outputs[2], gradients[0])


class NormalizationBackward(nn.Cell):
    """The backward pass of ``Normalization``.

    With g = gamma dy and n = (x - mean) / deviation, dx = (g - mean(g) - n mean(g n)) / deviation, where the means go
    over the last axis; dgamma and dbeta are the sums of dy n and of dy over the rows.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.matmul = ops.MatMul()
        self.product_of_columns = ops.MatMul(transpose_a=True)
        self.spread = SpreadColumn()
        self.sum_rows = RowSum()

    def construct(
        self, x: Tensor, gamma_D: Tensor, means: Tensor, variances: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of x [..., D], gamma [D] and beta [D]."""
        size = x.shape[-1]
        gradient_MD = gradient.reshape(-1, size)
        centered_MD = x.reshape(-1, size) - self.spread(means.reshape(-1, 1), size)
        inverse_M1 = ops.rsqrt(variances.reshape(-1, 1) + self.epsilon)
        product_MD = gradient_MD * centered_MD
        average_D1 = gamma_D.reshape(-1, 1) / size
        shift_M1 = self.matmul(gradient_MD, average_D1) * inverse_M1
        slope_M1 = self.matmul(product_MD, average_D1) * (inverse_M1 * inverse_M1 * inverse_M1)
        scaled_MD = gradient_MD * self.matmul(inverse_M1, gamma_D.reshape(1, -1))
        x_gradient_MD = scaled_MD - centered_MD * self.spread(slope_M1, size) - self.spread(shift_M1, size)
        gamma_gradient_D = self.product_of_columns(inverse_M1, product_MD).reshape(-1)
        return x_gradient_MD.reshape(x.shape), gamma_gradient_D, self.sum_rows(gradient_MD)


class Softmax(nn.Cell):
    """Softmax over the last axis; backward with the sums over that axis as a product."""

    def __init__(self) -> None:
        super().__init__()
        self.softmax = ops.Softmax(axis=-1)
        self.backward = SoftmaxBackward()

    def construct(self, x: Tensor) -> Tensor:
        """Return probabilities of the shape of ``x``."""
        return self.softmax(x)

    def bprop(self, x: Tensor, probabilities: Tensor, gradient: Tensor) -> tuple[Tensor]:
        """Return the gradient of ``x``."""
        return (self.backward(probabilities, gradient),)


class SoftmaxBackward(nn.Cell):
    """The backward pass of ``Softmax``: p (dp - sum(p dp))."""

    def __init__(self) -> None:
        super().__init__()
        self.matmul = ops.MatMul()
        self.spread = SpreadColumn()

    def construct(self, probabilities: Tensor, gradient: Tensor) -> Tensor:
        """Return the gradient of what the probabilities were made of."""
        size = gradient.shape[-1]
        products_MT = (probabilities * gradient).reshape(-1, size)
        sums_M1 = self.matmul(products_MT, ops.ones((size, 1), ms.float32))
        return probabilities * (gradient - self.spread(sums_M1, size).reshape(gradient.shape))
