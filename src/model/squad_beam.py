"""Question answering by beam search with a score for "no answer" (google-research/albert ``run_squad_v2.py``).

The head comes from XLNet (arXiv:1906.08237): the end is scored for a given start. Letters as in ``albert_model.py``,
with K starts for each row and J ends for each start.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer

from src.config.sections import NetworkConfig
from src.model.activations import Tanh
from src.model.albert_model import AlbertModel
from src.model.layers import LayerNorm, Linear, float_type, new_weight
from src.model.squad import FORBIDDEN_LOGIT, allowed_positions


class StartLogits(nn.Cell):
    """Score every token as the start."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.size = config.hidden_size
        self.dense = Linear(self.size, 1, config, "float32")

    def construct(self, sequence_BTD: Tensor, allowed_BT: Tensor) -> Tensor:
        """Return the logits [B, T] float32, -10000 at positions that are not allowed."""
        logits_M1 = self.dense(sequence_BTD.reshape(-1, self.size))
        return ops.where(allowed_BT, logits_M1.reshape(allowed_BT.shape), FORBIDDEN_LOGIT)


class PairDense(nn.Cell):
    """A dense layer of two joined vectors that yields the two halves of its sum.

    W [x, y] + b = W1 x + (W2 y + b): tokens and starts are multiplied once each, and not once for every pair.

    Args:
        size: Size D of each vector and of the output.
        config: Gives initialisation and type of the parameters.
    """

    def __init__(self, size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.size = size
        self.weight = new_weight((size, 2 * size), config, "weight")
        self.bias = Parameter(initializer("zeros", (size,), float_type(config.dtype)), name="bias")
        self.matmul = ops.MatMul(transpose_b=True)

    def construct(self, first_RD: Tensor, second_SD: Tensor) -> tuple[Tensor, Tensor]:
        """Return W1 x [R, D] and W2 y + b [S, D], float32."""
        weight = self.weight.astype(ms.float32)
        second_SD = self.matmul(second_SD, weight[:, self.size :]) + self.bias.astype(ms.float32)
        return self.matmul(first_RD, weight[:, : self.size]), second_SD


class EndLogits(nn.Cell):
    """Score every token as the end of an answer that begins at a given token.

    The largest tensor is [B, K, T, D]: K is 1 in training and 5 in inference.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.size = config.hidden_size
        self.dense_0 = PairDense(self.size, config)
        self.tanh = Tanh()
        self.LayerNorm = LayerNorm(self.size, config)
        self.dense_1 = Linear(self.size, 1, config, "float32")
        self.gather = ops.Gather()

    def construct(self, sequence_BTD: Tensor, start_BK: Tensor, allowed_BT: Tensor) -> Tensor:
        """Return the logits [B, K, T] float32 for the starts at positions ``start_BK`` (int32)."""
        batch, length, size = sequence_BTD.shape
        token_MD = sequence_BTD.reshape(-1, self.size)
        # Not Gather with batch_dims: MindSpore 2.10 leaves them out when it exports to ONNX.
        first_B1 = ops.arange(batch).astype(ms.int32).reshape(batch, 1) * length
        start_SD = self.gather(token_MD, (start_BK + first_B1).reshape(-1), 0)
        token_MD, start_SD = self.dense_0(token_MD, start_SD)
        pair_BKTD = token_MD.reshape(batch, 1, length, size) + start_SD.reshape(batch, -1, 1, size)
        logits_Q1 = self.dense_1(self.LayerNorm(self.tanh(pair_BKTD)).reshape(-1, self.size))
        return ops.where(allowed_BT.expand_dims(1), logits_Q1.reshape(batch, -1, length), FORBIDDEN_LOGIT)


class Projection(nn.Cell):
    """A dense layer with one output and no bias."""

    def __init__(self, in_size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.weight = new_weight((1, in_size), config, "weight")
        self.matmul = ops.MatMul(transpose_b=True)

    def construct(self, x_BD: Tensor) -> Tensor:
        """Return [B] float32."""
        return self.matmul(x_BD, self.weight.astype(ms.float32)).reshape(-1)


class AnswerClass(nn.Cell):
    """Score the absence of an answer, from the start that is expected and from ``[CLS]``.

    In training too the start is the mean of the tokens under the start's probabilities, as in the reference. HF
    transformers' XLNet takes the gold start there.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.dense_0 = Linear(2 * config.hidden_size, config.hidden_size, config, "float32")
        self.tanh = Tanh()
        self.dropout = nn.Dropout(p=config.classifier_dropout_prob)
        self.dense_1 = Projection(config.hidden_size, config)
        self.matmul = ops.BatchMatMul()

    def construct(self, sequence_BTD: Tensor, start_log_probability_BT: Tensor) -> Tensor:
        """Return the logits [B] float32; over 0 means that there is no answer."""
        expected_BD = self.matmul(ops.exp(start_log_probability_BT).expand_dims(1), sequence_BTD)[:, 0]
        pair_BP = ops.cat((expected_BD, sequence_BTD[:, 0]), axis=1)
        return self.dense_1(self.dropout(self.tanh(self.dense_0(pair_BP))))


class AlbertSquadBeamModel(nn.Cell):
    """The backbone with the scores of start, of end for a given start, and of "no answer".

    Parts and parameters have the names of the reference.

    Args:
        config: Shape of the backbone; ``classifier_dropout_prob`` is the dropout of the answerability.
        start_n_top: Number K of starts that inference follows.
        end_n_top: Number J of ends for each of them. Sequences have max(K, J) tokens at least.
    """

    def __init__(self, config: NetworkConfig, start_n_top: int = 5, end_n_top: int = 5) -> None:
        super().__init__()
        self.start_n_top = start_n_top
        self.end_n_top = end_n_top
        self.albert = AlbertModel(config)
        self.start_logits = StartLogits(config)
        self.end_logits = EndLogits(config)
        self.answer_class = AnswerClass(config)
        self.log_softmax = ops.LogSoftmax(axis=-1)
        self.top_k = ops.TopK(sorted=True)

    def construct(
        self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Search the best starts, and the best ends of each.

        Args:
            input_ids_BT: Token ids, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
            segment_ids_BT: Segment of each token, int32.

        Returns:
            Log-probabilities of the starts, float32 [B, K], best first, and their positions, int32 [B, K];
            log-probabilities of the ends given their start and positions, both [B, K * J]: end j of start i stands at
            i * J + j; logits of "no answer" float32 [B]. Where fewer positions are allowed than asked for, the others
            have log-probabilities of about -10000.
        """
        sequence_BTD, allowed_BT = self._encode(input_ids_BT, input_mask_BT, segment_ids_BT)
        start_BT = self.log_softmax(self.start_logits(sequence_BTD, allowed_BT))
        start_top_BK, start_index_BK = self.top_k(start_BT, self.start_n_top)
        end_BKT = self.log_softmax(self.end_logits(sequence_BTD, start_index_BK, allowed_BT))
        end_top_BKJ, end_index_BKJ = self.top_k(end_BKT, self.end_n_top)
        width = self.start_n_top * self.end_n_top
        return (
            start_top_BK,
            start_index_BK,
            end_top_BKJ.reshape(-1, width),
            end_index_BKJ.reshape(-1, width),
            self.answer_class(sequence_BTD, start_BT),
        )

    def log_probabilities(
        self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor, start_position_B: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the log-probabilities of start and of end given the true start, both [B, T], and the logits [B].

        Args:
            input_ids_BT: Token ids, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
            segment_ids_BT: Segment of each token, int32.
            start_position_B: The true starts, int32.
        """
        sequence_BTD, allowed_BT = self._encode(input_ids_BT, input_mask_BT, segment_ids_BT)
        start_BT = self.log_softmax(self.start_logits(sequence_BTD, allowed_BT))
        end_B1T = self.log_softmax(self.end_logits(sequence_BTD, start_position_B.reshape(-1, 1), allowed_BT))
        return start_BT, end_B1T[:, 0], self.answer_class(sequence_BTD, start_BT)

    def _encode(self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens [B, T, D] float32 and where an answer may begin or end, bool [B, T]."""
        sequence_BTD, _ = self.albert(input_ids_BT, segment_ids_BT, input_mask_BT)
        return sequence_BTD.astype(ms.float32), allowed_positions(input_mask_BT, segment_ids_BT)
