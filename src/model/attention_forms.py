"""What attention does besides its products, in two forms: MindSpore's operators, or the compiled kernels.

Letters as in ``albert_model.py``.
"""

from __future__ import annotations

import math

from mindspore import Tensor, nn, ops

from src.config.sections import NetworkConfig
from src.model.backward import Softmax, written_out
from src.model.kernels import DropoutKey, KernelDropout, MaskedSoftmax, MergeHeads, SplitHeads


class PlainForms(nn.Cell):
    """What attention does besides its products, out of MindSpore's operators.

    Args:
        config: Shape of the network.
        applications: How often the layer is applied in one pass; see ``ResidualOutput``.
    """

    def __init__(self, config: NetworkConfig, applications: int) -> None:
        super().__init__()
        self.count = config.num_attention_heads
        self.head_size = config.hidden_size // self.count
        self.scale = 1.0 / math.sqrt(self.head_size)
        self.dropouts = nn.CellList([nn.Dropout(p=config.attention_probs_dropout_prob) for _ in range(applications)])
        self.masked_softmax = Softmax() if written_out() else ops.Softmax(axis=-1)

    def query(self, layer: nn.Cell, x_QD: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return the queries [B, N, R, H], divided by the square root of H, in the type of ``layer``."""
        # Scaling the query instead of the scores costs less and keeps float16 products far from overflow.
        return self._split(layer(x_QD) * self.scale, mask_B11T.shape[0])

    def heads(self, layer: nn.Cell, x_MD: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return the output of ``layer`` as [B, N, T, H]."""
        return self._split(layer(x_MD), mask_B11T.shape[0])

    def softmax(self, scores_BNRT: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return probabilities float32 [B, N, R, T]."""
        return self.masked_softmax(scores_BNRT + mask_B11T)

    def drop(self, probabilities_BNRT: Tensor, application: int) -> Tensor:
        """Return what dropout leaves of the probabilities."""
        return self.dropouts[application](probabilities_BNRT)

    def merge(self, context_BNRH: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return [Q, D]."""
        return context_BNRH.transpose(0, 2, 1, 3).reshape(-1, self.count * self.head_size)

    def _split(self, x_MD: Tensor, batch: int) -> Tensor:
        return x_MD.reshape(batch, -1, self.count, self.head_size).transpose(0, 2, 1, 3)


class CompiledForms(nn.Cell):
    """The same in compiled kernels, float32.

    Args:
        config: Shape of the network.
        applications: How often the layer is applied in one pass; see ``ResidualOutput``.
    """

    def __init__(self, config: NetworkConfig, applications: int) -> None:
        super().__init__()
        self.split_query = SplitHeads(config.num_attention_heads, is_query=True)
        self.split = SplitHeads(config.num_attention_heads)
        self.masked_softmax = MaskedSoftmax()
        self.merge_heads = MergeHeads(config.num_attention_heads)
        self.drops = config.attention_probs_dropout_prob > 0
        if self.drops:
            self.keys = nn.CellList([DropoutKey() for _ in range(applications)])
            self.dropout = KernelDropout(config.attention_probs_dropout_prob)

    def query(self, layer: nn.Cell, x_QD: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return the queries [B, N, R, H], divided by the square root of H."""
        return self.split_query(layer.multiply(x_QD), layer.bias, mask_B11T)

    def heads(self, layer: nn.Cell, x_MD: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return the output of ``layer`` as [B, N, T, H]."""
        return self.split(layer.multiply(x_MD), layer.bias, mask_B11T)

    def softmax(self, scores_BNRT: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return probabilities [B, N, R, T]."""
        return self.masked_softmax(scores_BNRT, mask_B11T)

    def drop(self, probabilities_BNRT: Tensor, application: int) -> Tensor:
        """Return what dropout leaves of the probabilities."""
        if self.training and self.drops:
            return self.dropout(probabilities_BNRT, self.keys[application]())
        return probabilities_BNRT

    def merge(self, context_BNRH: Tensor, mask_B11T: Tensor) -> Tensor:
        """Return [Q, D]."""
        return self.merge_heads(context_BNRH, mask_B11T)
