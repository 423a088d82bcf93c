"""Question answering by two scores for each token: where the answer begins and where it ends.

Letters as in ``albert_model.py``. Every row is ``[CLS] question [SEP] window [SEP] padding``.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.config.sections import NetworkConfig
from src.model.albert_model import AlbertModel
from src.model.layers import Linear

# Stands for minus infinity, and float16 can hold it. exp(-10000) is 0 in float32. The reference takes -1e30.
FORBIDDEN_LOGIT = -10000.0


def allowed_positions(input_mask_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
    """Return where an answer may begin or end: at ``[CLS]``, which means no answer, and at the window's tokens.

    This is 0 where the records' ``p_mask`` is 1. A row that is empty, or has one visible token, keeps position 0, so
    that a softmax over the allowed positions is always finite.

    Args:
        input_mask_BT: 1 at tokens, 0 at the padding behind them, int32. T is 3 at least.
        segment_ids_BT: 1 at the window and the ``[SEP]`` behind it, int32.

    Returns:
        bool [B, T].
    """
    first_B1 = ops.ones_like(input_mask_BT[:, :1])
    # Behind a token of the window stands another real token; behind the last [SEP] none does.
    inner = (segment_ids_BT[:, 1:-1] == 1).astype(ms.int32) * input_mask_BT[:, 1:-1] * input_mask_BT[:, 2:]
    return ops.cat((first_B1, inner, ops.zeros_like(first_B1)), axis=1) > 0


class AlbertSquadModel(nn.Cell):
    """A dense layer with two outputs on every token, without dropout (google-research/albert ``run_squad_v1.py``).

    For SQuAD v1.1, and for v2.0 with a threshold on start + end at ``[CLS]``. The name of the layer is that of the
    model zoo.

    Args:
        config: Shape of the backbone.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.albert = AlbertModel(config)
        self.hidden_size = config.hidden_size
        self.dense1 = Linear(config.hidden_size, 2, config, "float32")

    def construct(self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
        """Return the logits of start and end [B, T, 2] float32, -10000 at positions that are not allowed.

        Args:
            input_ids_BT: Token ids, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
            segment_ids_BT: Segment of each token, int32.
        """
        batch, length = input_ids_BT.shape
        sequence_BTD, _ = self.albert(input_ids_BT, segment_ids_BT, input_mask_BT)
        logits_M2 = self.dense1(sequence_BTD.astype(ms.float32).reshape(-1, self.hidden_size))
        allowed_BT1 = allowed_positions(input_mask_BT, segment_ids_BT).expand_dims(2)
        return ops.where(allowed_BT1, logits_M2.reshape(batch, length, 2), FORBIDDEN_LOGIT)
