"""Multi-head self-attention, with absolute or relative positions."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from src.config.sections import NetworkConfig
from src.model.attention_forms import CompiledForms, PlainForms
from src.model.compiled import kernels_fit
from src.model.layers import Linear, ResidualOutput, float_type, new_weight
from src.model.names import MAX_RELATIVE_DISTANCE


class RelativePositions(nn.Cell):
    """One learned vector for each distance j - i, clipped to +-16 (Shaw et al. 2018, arXiv:1803.02155, section 3.2).

    As in the MindSpore model zoo, all heads share the vectors, and keys and values share one table.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        head_size = config.hidden_size // config.num_attention_heads
        table_shape = (2 * MAX_RELATIVE_DISTANCE + 1, head_size)
        self.embeddings_for_position = new_weight(table_shape, config, "embeddings_for_position")
        places = np.arange(config.max_position_embeddings, dtype=np.int32)
        distance_PP = np.clip(places[None, :] - places[:, None], -MAX_RELATIVE_DISTANCE, MAX_RELATIVE_DISTANCE)
        self.index_PP = Tensor(distance_PP + MAX_RELATIVE_DISTANCE)
        self.gather = ops.Gather()

    def construct(self, length: int) -> Tensor:
        """Return the vectors [T, T, H] for query position i (first axis) and key position j (second axis)."""
        return self.gather(self.embeddings_for_position, self.index_PP[:length, :length], 0)


class SelfAttention(nn.Cell):
    """Scaled dot-product attention; products in the compute type, softmax in float32.

    Args:
        config: Shape of the network.
        applications: How often the layer is applied in one pass; see ``ResidualOutput``.
    """

    def __init__(self, config: NetworkConfig, applications: int) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_attention_heads
        self.head_size = size // config.num_attention_heads
        self.scores_type = float_type(config.compute_type_of("attention_scores"))
        self.context_type = float_type(config.compute_type_of("attention_context"))
        self.query_layer = Linear(size, size, config, config.compute_type_of("query_layer"))
        self.key_layer = Linear(size, size, config, config.compute_type_of("key_layer"))
        self.value_layer = Linear(size, size, config, config.compute_type_of("value_layer"))
        self.use_relative_positions = config.use_relative_positions
        if config.use_relative_positions:
            self._generate_relative_positions_embeddings = RelativePositions(config)
        forms = CompiledForms if kernels_fit(config) else PlainForms
        self.forms = forms(config, applications)
        self.matmul = ops.BatchMatMul()
        self.matmul_transposed = ops.BatchMatMul(transpose_b=True)

    def construct(self, queries_QD: Tensor, hidden_MD: Tensor, mask_B11T: Tensor, application: int) -> Tensor:
        """Return what the queries attend to, [Q, D] of the type of its product.

        Args:
            queries_QD: The rows that ask, Q = B * R: the same number R in each row of the batch. Normally
                ``hidden_MD`` itself, as relative positions need it.
            hidden_MD: All rows, for keys and values.
            mask_B11T: Added to the scores [B, N, R, T].
            application: Counts the uses of this layer within the pass.
        """
        query_BNRH = self.forms.query(self.query_layer, queries_QD, mask_B11T).astype(self.scores_type)
        key_BNTH = self.forms.heads(self.key_layer, hidden_MD, mask_B11T).astype(self.scores_type)
        value_BNTH = self.forms.heads(self.value_layer, hidden_MD, mask_B11T).astype(self.context_type)

        scores_BNRT = self.matmul_transposed(query_BNRH, key_BNTH).astype(ms.float32)
        if self.use_relative_positions:
            relative_TTH = self._generate_relative_positions_embeddings(mask_B11T.shape[3])
            relative_scores_BNTT = self._relative_scores(query_BNRH, relative_TTH.astype(self.scores_type))
            scores_BNRT = scores_BNRT + relative_scores_BNTT.astype(ms.float32)
        probabilities_BNRT = self.forms.softmax(scores_BNRT, mask_B11T).astype(self.context_type)
        probabilities_BNRT = self.forms.drop(probabilities_BNRT, application)

        context_BNRH = self.matmul(probabilities_BNRT, value_BNTH)
        if self.use_relative_positions:
            relative_TTH = relative_TTH.astype(self.context_type)
            context_BNRH = context_BNRH + self._relative_values(probabilities_BNRT, relative_TTH)
        return self.forms.merge(context_BNRH, mask_B11T)

    def _relative_scores(self, query_BNTH: Tensor, relative_TTH: Tensor) -> Tensor:
        """Return query . a_ij as [B, N, T, T]: for each query position one product over all batches and heads."""
        batch, heads, length, head_size = query_BNTH.shape
        query_TBH = query_BNTH.transpose(2, 0, 1, 3).reshape(length, batch * heads, head_size)
        scores_TBT = self.matmul_transposed(query_TBH, relative_TTH)
        return scores_TBT.reshape(length, batch, heads, length).transpose(1, 2, 0, 3)

    def _relative_values(self, probabilities_BNTT: Tensor, relative_TTH: Tensor) -> Tensor:
        """Return the sum over j of p_ij a_ij as [B, N, T, H]."""
        batch, heads, length, _ = probabilities_BNTT.shape
        probabilities_TBT = probabilities_BNTT.transpose(2, 0, 1, 3).reshape(length, batch * heads, length)
        values_TBH = self.matmul(probabilities_TBT, relative_TTH)
        return values_TBH.reshape(length, batch, heads, self.head_size).transpose(1, 2, 0, 3)


class AttentionBlock(nn.Cell):
    """Self-attention with its projection, residual and LayerNorm."""

    def __init__(self, config: NetworkConfig, applications: int) -> None:
        super().__init__()
        self.attention = SelfAttention(config, applications)
        self.output = ResidualOutput(config.hidden_size, config, applications, "attention_output")

    def construct(self, queries_QD: Tensor, hidden_MD: Tensor, mask_B11T: Tensor, application: int) -> Tensor:
        """Return [Q, D] float32; arguments as in ``SelfAttention``."""
        context_QD = self.attention(queries_QD, hidden_MD, mask_B11T, application)
        return self.output(context_QD, queries_QD, application)
