"""Pre-training heads and loss: masked language model and sentence order (arXiv:1909.11942, section 3.1).

Letters as in ``albert_model.py``, with P predictions per row and Q = B * P.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer

from src.config.sections import NetworkConfig
from src.model.activations import make_activation
from src.model.albert_model import AlbertModel
from src.model.backward import AddBias
from src.model.layers import LayerNorm, Linear, float_type
from src.model.loss_network import LossNetwork

# The reference adds it to the sum of the weights, so that a batch without predictions has loss 0.
EMPTY_GUARD = 1e-5


class MaskedLanguageModelHead(nn.Cell):
    """Score the vocabulary at the masked positions only: hidden to embedding size, then the tied token table.

    Args:
        config: Shape of the network.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.embedding_size, config, "float32")
        self.activation = make_activation(config.hidden_act)
        self.layernorm = LayerNorm(config.embedding_size, config)
        self.output_bias = Parameter(
            initializer("zeros", (config.vocab_size,), float_type(config.dtype)), name="output_bias"
        )
        self.compute_type = float_type(config.compute_type_of("masked_lm_scores"))
        self.matmul = ops.MatMul(transpose_b=True)
        self.add_bias = AddBias()

    def construct(self, hidden_QD: Tensor, table_VE: Tensor) -> Tensor:
        """Return the logits [Q, V] float32."""
        transformed_QE = self.layernorm(self.activation(self.dense(hidden_QD)))
        scores_QV = self.matmul(transformed_QE.astype(self.compute_type), table_VE.astype(self.compute_type))
        return self.add_bias(scores_QV.astype(ms.float32), self.output_bias.astype(ms.float32))


class SentenceOrderHead(nn.Cell):
    """Tell whether two segments are in their order (0) or swapped (1), from the pooled output, without dropout."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, 2, config, "float32")

    def construct(self, pooled_BD: Tensor) -> Tensor:
        """Return the logits [B, 2] float32."""
        return self.dense(pooled_BD.astype(ms.float32))


class AlbertPreTrainingModel(nn.Cell):
    """The backbone with both heads; attribute names give the parameter names of the model zoo.

    Args:
        config: Shape of the network.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.albert = AlbertModel(config)
        self.cls1 = MaskedLanguageModelHead(config)
        self.cls2 = SentenceOrderHead(config)

    def construct(
        self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor, positions_BP: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the vocabulary's logits at ``positions_BP`` [Q, V] and the order's logits [B, 2], float32."""
        hidden_QD, pooled_BD = self.albert.at_positions(input_ids_BT, segment_ids_BT, input_mask_BT, positions_BP)
        return self._vocabulary_logits(hidden_QD), self.cls2(pooled_BD)

    def masked_logits(
        self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor, positions_BP: Tensor
    ) -> Tensor:
        """Return the vocabulary's logits at ``positions_BP`` alone, [Q, V] float32."""
        hidden_QD = self.albert.only_positions(input_ids_BT, segment_ids_BT, input_mask_BT, positions_BP)
        return self._vocabulary_logits(hidden_QD)

    def _vocabulary_logits(self, hidden_QD: Tensor) -> Tensor:
        return self.cls1(hidden_QD.astype(ms.float32), self.albert.albert_embedding_lookup.embedding_table)


class AlbertPreTraining(LossNetwork):
    """The pre-training model with its loss: the sum of both heads' cross entropies.

    MLM: sum(w * nll) / (sum(w) + 1e-5) over the predictions; SOP: mean nll over the rows (google-research/albert
    ``run_pretraining.py``). Both divisors come from outside, for the whole batch over micro-batches and devices.

    Args:
        model: The model.
    """

    figure_names = ("mlm_loss", "sop_loss", "mlm_accuracy", "sop_accuracy")
    normalizer_count = 2

    def __init__(self, model: AlbertPreTrainingModel) -> None:
        super().__init__(model)

    def construct(
        self,
        input_ids_BT: Tensor,
        input_mask_BT: Tensor,
        segment_ids_BT: Tensor,
        sop_label_B1: Tensor,
        positions_BP: Tensor,
        label_BP: Tensor,
        weight_BP: Tensor,
        row_weight_B: Tensor,
        normalizers: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the loss and the figures of ``figure_names``, float32 scalars.

        Args:
            input_ids_BT: Token ids with masks, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
            segment_ids_BT: Segment of each token, int32.
            sop_label_B1: 0 in order, 1 swapped, int32 (the records call it ``next_sentence_labels``).
            positions_BP: Places of the predictions in the row, int32.
            label_BP: Ids of the original tokens there, int32.
            weight_BP: 1 for a prediction, 0 for padding, float32.
            row_weight_B: 1 for a row that counts, 0 for a filler, float32.
            normalizers: float32 [2], sum of the prediction weights and number of rows of the whole batch; 0 where
                nothing counts.
        """
        mlm_QV, sop_B2 = self.albert(input_ids_BT, input_mask_BT, segment_ids_BT, positions_BP)
        mlm_weight_Q = (weight_BP * row_weight_B.reshape(-1, 1)).reshape(-1) / (normalizers[0] + EMPTY_GUARD)
        mlm_loss, mlm_accuracy = self._cross_entropy(mlm_QV, label_BP.reshape(-1), mlm_weight_Q)
        # Where no row counts the loss is 0 and not 0/0.
        row_weight_B = row_weight_B / ops.maximum(normalizers[1], 1.0)
        sop_loss, sop_accuracy = self._cross_entropy(sop_B2, sop_label_B1.reshape(-1), row_weight_B)
        return mlm_loss + sop_loss, (mlm_loss, sop_loss, mlm_accuracy, sop_accuracy)

    def _cross_entropy(self, logits_QC: Tensor, label_Q: Tensor, weight_Q: Tensor) -> tuple[Tensor, Tensor]:
        """Return weighted sums of the negative log-likelihood and of the right answers."""
        log_probability_Q1 = ops.gather_elements(self.log_softmax(logits_QC), 1, label_Q.reshape(-1, 1))
        right_Q = self.right(logits_QC, label_Q)
        return -(weight_Q * log_probability_Q1.reshape(-1)).sum(), (weight_Q * right_Q).sum()
