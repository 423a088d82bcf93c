"""The network of a task as it answers, without a loss: what evaluation, prediction and export run."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn

from src.common.errors import ConfigError
from src.data.record_schema import SQUAD
from src.export.description import ENCODER
from src.model.albert_model import AlbertModel
from src.model.fill_mask import AlbertFillMask
from src.model.heads import AlbertCLSModel, AlbertInference, AlbertNERModel
from src.model.pretraining import AlbertPreTrainingModel
from src.tasks.assets import PRETRAINING, TaskDescription
from src.tasks.inference import InferenceNetwork
from src.tasks.squad_answering import squad_model

__all__ = ["EncoderInference", "InferenceNetwork", "inference_network"]


class EncoderInference(nn.Cell):
    """The backbone alone, with the inputs in the order of the other networks.

    Args:
        model: The backbone.
    """

    def __init__(self, model: AlbertModel) -> None:
        super().__init__(auto_prefix=False)
        self.albert = model

    def construct(self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sequence output [B, T, D] and the pooled output [B, D], float32.

        Args:
            input_ids_BT: Token ids, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
            segment_ids_BT: Segment of each token, int32.
        """
        sequence_BTD, pooled_BD = self.albert(input_ids_BT, segment_ids_BT, input_mask_BT)
        return sequence_BTD.astype(ms.float32), pooled_BD.astype(ms.float32)


def inference_network(task: TaskDescription, part: str = "model") -> nn.Cell:
    """Return the cell that answers for a task, with fresh weights and without dropout.

    Args:
        task: What the network is for.
        part: ``model``, or ``encoder`` for the backbone alone.

    Raises:
        ConfigError: The description lacks what the head is made from.
    """
    config = task.network_config()
    network: nn.Cell
    if part == ENCODER:
        network = EncoderInference(AlbertModel(config))
    elif task.kind == PRETRAINING:
        network = AlbertFillMask(AlbertPreTrainingModel(config))
    elif task.kind == SQUAD:
        if task.answers is None:
            fix = "restore its task.json, or train again with run_squad_v1.py"
            raise ConfigError("the run does not say how questions are answered", "answers", fix)
        network = AlbertInference(squad_model(config, task.answers))
    elif task.kind == "token_classification":
        network = AlbertInference(AlbertNERModel(config, len(task.labels)))
    else:
        network = AlbertInference(AlbertCLSModel(config, 1 if task.kind == "regression" else len(task.labels)))
    network.set_train(False)
    return network
