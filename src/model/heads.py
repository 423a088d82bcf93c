"""Fine-tuning heads on the backbone, and the cell that evaluation, prediction and export run."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn

from src.common.errors import ConfigError
from src.config.sections import NetworkConfig
from src.model.albert_model import AlbertModel
from src.model.layers import Linear

_WRAPPED_PREFIX = "albert.albert."


def check_label_count(num_labels: int) -> None:
    """Raise ``ConfigError`` when a head would have no output."""
    if num_labels < 1:
        raise ConfigError(f"a head needs at least one output, not {num_labels}", "num_class", "count the labels")


def adopt(model: nn.Cell) -> None:
    """Put the wrapper's ``albert.`` in front of a model's parameter names, once however many cells wrap the model.

    A training run wraps one model twice, with a loss and for inference. MindSpore would add the prefix each time,
    and the names in checkpoints would depend on the order.
    """
    if not any(name.startswith(_WRAPPED_PREFIX) for name in model.parameters_dict()):
        model.update_parameters_name("albert.")


class AlbertCLSModel(nn.Cell):
    """Sequence classification, or regression with one output: dropout and a dense layer on the pooled output.

    Args:
        config: Shape of the backbone.
        num_labels: Number C of outputs.
    """

    def __init__(self, config: NetworkConfig, num_labels: int) -> None:
        super().__init__()
        check_label_count(num_labels)
        self.num_labels = num_labels
        self.albert = AlbertModel(config)
        self.dropout = nn.Dropout(p=config.classifier_dropout_prob)
        self.dense_1 = Linear(config.hidden_size, num_labels, config, "float32")

    def construct(self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
        """Return the logits [B, C] float32."""
        pooled_BD = self.albert.pooled(input_ids_BT, segment_ids_BT, input_mask_BT)
        return self.dense_1(self.dropout(pooled_BD.astype(ms.float32)))


class AlbertNERModel(nn.Cell):
    """Token classification: dropout and a dense layer on every token's output.

    Args:
        config: Shape of the backbone.
        num_labels: Number C of outputs of each token.
    """

    def __init__(self, config: NetworkConfig, num_labels: int) -> None:
        super().__init__()
        check_label_count(num_labels)
        self.num_labels = num_labels
        self.albert = AlbertModel(config)
        self.dropout = nn.Dropout(p=config.classifier_dropout_prob)
        self.dense_1 = Linear(config.hidden_size, num_labels, config, "float32")

    def construct(self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
        """Return the logits [B, T, C] float32."""
        batch, length = input_ids_BT.shape
        sequence_BTD, _ = self.albert(input_ids_BT, segment_ids_BT, input_mask_BT)
        sequence_MD = self.dropout(sequence_BTD.astype(ms.float32)).reshape(batch * length, -1)
        return self.dense_1(sequence_MD).reshape(batch, length, self.num_labels)


class AlbertInference(nn.Cell):
    """A model as evaluation, prediction and export run it, without a loss."""

    def __init__(self, model: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        adopt(model)
        self.albert = model

    def construct(self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
        """Return what the model does: logits float32, [B, C] or [B, T, C] of tokens, or a beam's tuple of tensors."""
        return self.albert(input_ids_BT, input_mask_BT, segment_ids_BT)
