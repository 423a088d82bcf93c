"""The ALBERT backbone: factorized embeddings, shared post-LayerNorm layers, pooler (arXiv:1909.11942, section 3.1).

Letters in tensor names are their axes: B batch, T tokens, M = B * T, D hidden, E embedding, N heads, H head size,
F feed-forward, V vocabulary. Matrix products run in ``compute_type``, except those that ``float32_operators`` names;
softmax, LayerNorm and residual sums in float32.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.common.errors import ConfigError
from src.config.sections import NetworkConfig
from src.model.activations import Tanh, make_activation
from src.model.attention import AttentionBlock
from src.model.backward import written_out
from src.model.layers import LayerNorm, Linear, ResidualOutput, float_type, new_weight

# Added to the scores of padding; Google's value. exp(-10000) is 0 in float32, so that padding has no weight at all.
MASKED_SCORE = -10000.0


def check_sequence_length(length: int, config: NetworkConfig) -> None:
    """Raise ``ConfigError`` when the table of positions does not reach ``length`` tokens."""
    if length > config.max_position_embeddings:
        raise ConfigError(
            f"a sequence of {length} tokens is longer than max_position_embeddings {config.max_position_embeddings}",
            "seq_length",
            "shorten the sequences; the positions of a trained network cannot be extended",
        )


class TokenEmbeddings(nn.Cell):
    """The table of token embeddings."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.embedding_table = new_weight((config.vocab_size, config.embedding_size), config, "embedding_table")
        self.gather = ops.Gather()

    def construct(self, input_ids_BT: Tensor) -> Tensor:
        """Return [B, T, E] float32."""
        return self.gather(self.embedding_table, input_ids_BT, 0).astype(ms.float32)


class EmbeddingPostprocessor(nn.Cell):
    """Add segment and position embeddings, normalise, drop.

    With relative positions the attention knows about order, and no absolute positions are added.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        size = config.embedding_size
        self.max_length = config.max_position_embeddings
        self.use_absolute_positions = not config.use_relative_positions
        self.embedding_table = new_weight((config.type_vocab_size, size), config, "embedding_table")
        if self.use_absolute_positions:
            self.full_position_embeddings = new_weight((self.max_length, size), config, "full_position_embeddings")
        self.layernorm = LayerNorm(size, config)
        self.dropout = nn.Dropout(p=config.hidden_dropout_prob)
        self.gather = ops.Gather()
        self.is_constant = ops.functional.isconstant

    def construct(self, token_type_ids_BT: Tensor, tokens_BTE: Tensor) -> Tensor:
        """Return [B, T, E] float32."""
        length = tokens_BTE.shape[1]
        # A graph exported for any length learns the length only when it runs; it cannot hold a Python error.
        if self.is_constant(length) and length > self.max_length:
            raise ValueError(f"a sequence of {length} tokens is longer than max_position_embeddings {self.max_length}")
        sum_BTE = tokens_BTE + self.gather(self.embedding_table, token_type_ids_BT, 0).astype(ms.float32)
        if self.use_absolute_positions:
            sum_BTE = sum_BTE + self.full_position_embeddings[:length].astype(ms.float32)
        return self.dropout(self.layernorm(sum_BTE))


class AlbertLayer(nn.Cell):
    """One transformer layer: self-attention, then feed-forward, each followed by residual sum and LayerNorm."""

    def __init__(self, config: NetworkConfig, applications: int) -> None:
        super().__init__()
        self.attention = AttentionBlock(config, applications)
        compute_type = config.compute_type_of("intermediate")
        self.intermediate = Linear(config.hidden_size, config.intermediate_size, config, compute_type)
        self.activation = make_activation(config.hidden_act)
        self.output = ResidualOutput(config.intermediate_size, config, applications, "output")

    def construct(self, hidden_MD: Tensor, mask_B11T: Tensor, application: int) -> Tensor:
        """Return [M, D] float32; ``application`` counts the uses of this layer within the pass."""
        attended_MD = self.attention(hidden_MD, mask_B11T, application)
        # In float32, because the cube inside GELU overflows float16 from 97 on.
        feed_forward_MF = self.activation(self.intermediate(attended_MD).astype(ms.float32))
        return self.output(feed_forward_MF, attended_MD, application)


class AlbertGroup(nn.Cell):
    """``inner_group_num`` distinct layers that are applied one after the other."""

    def __init__(self, config: NetworkConfig, applications: int) -> None:
        super().__init__()
        self.inner_group = nn.CellList([AlbertLayer(config, applications) for _ in range(config.inner_group_num)])
        if config.recompute:
            for layer in self.inner_group:
                layer.recompute()

    def construct(self, hidden_MD: Tensor, mask_B11T: Tensor, application: int) -> Tensor:
        """Return [M, D] float32."""
        for layer in self.inner_group:
            hidden_MD = layer(hidden_MD, mask_B11T, application)
        return hidden_MD


class AlbertEncoder(nn.Cell):
    """Map embeddings to the hidden size and apply the groups: layer l uses group int(l / layers * groups).

    The mapping is there for every size, as in the model zoo and HF transformers; Google's code leaves it out
    when the sizes are equal, which no published model has.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        layers, groups = config.num_hidden_layers, config.num_hidden_groups
        self.group_of_layer = tuple(layer * groups // layers for layer in range(layers))
        # The how-manieth application of its group each layer is.
        self.application_of_layer = tuple(self.group_of_layer[:i].count(g) for i, g in enumerate(self.group_of_layer))
        compute_type = config.compute_type_of("embedding_hidden_mapping_in")
        self.embedding_hidden_mapping_in = Linear(config.embedding_size, config.hidden_size, config, compute_type)
        self.group = nn.CellList([AlbertGroup(config, self.group_of_layer.count(g)) for g in range(groups)])

    def construct(self, embeddings_BTE: Tensor, mask_B11T: Tensor) -> tuple[Tensor, ...]:
        """Return the mapped embeddings and the output of every layer, each [M, D] float32."""
        embeddings_ME = embeddings_BTE.reshape(-1, embeddings_BTE.shape[2])
        hidden_MD = self.embedding_hidden_mapping_in(embeddings_ME).astype(ms.float32)
        states: tuple[Tensor, ...] = (hidden_MD,)
        for layer, group in enumerate(self.group_of_layer):
            hidden_MD = self.group[group](hidden_MD, mask_B11T, self.application_of_layer[layer])
            states = (*states, hidden_MD)
        return states


class AlbertModel(nn.Cell):
    """The backbone. Sequences may have any length up to ``max_position_embeddings``.

    Args:
        config: Shape of the network; it is only read. Dropout follows ``set_train()``.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.albert_embedding_lookup = TokenEmbeddings(config)
        self.albert_embedding_postprocessor = EmbeddingPostprocessor(config)
        self.albert_encoder = AlbertEncoder(config)
        self.dense = Linear(config.hidden_size, config.hidden_size, config, "float32")
        self.tanh = Tanh()
        self.output_type = float_type(config.dtype)
        self.heads = config.num_attention_heads
        self.spreads_mask = written_out()
        self.is_constant = ops.functional.isconstant

    def construct(
        self, input_ids_BT: Tensor, token_type_ids_BT: Tensor, input_mask_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the sequence output [B, T, D] and the pooled output [B, D].

        Args:
            input_ids_BT: Token ids, int32.
            token_type_ids_BT: Segment of each token, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
        """
        sequence_BTD = self.hidden_states(input_ids_BT, token_type_ids_BT, input_mask_BT)[-1]
        pooled_BD = self.tanh(self.dense(sequence_BTD[:, 0]))
        return sequence_BTD.astype(self.output_type), pooled_BD.astype(self.output_type)

    def hidden_states(
        self, input_ids_BT: Tensor, token_type_ids_BT: Tensor, input_mask_BT: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the mapped embeddings and the output of every layer, each [B, T, D] float32."""
        batch, length = input_ids_BT.shape
        tokens_BTE = self.albert_embedding_lookup(input_ids_BT)
        embeddings_BTE = self.albert_embedding_postprocessor(token_type_ids_BT, tokens_BTE)
        mask_B11T = (1.0 - input_mask_BT.astype(ms.float32)).reshape(batch, 1, 1, length) * MASKED_SCORE
        # Once here and not in every layer: see SpreadColumn. A graph for any shape cannot know the shape beforehand.
        if self.spreads_mask and self.is_constant(batch) and self.is_constant(length):
            mask_B11T = ops.broadcast_to(mask_B11T, (batch, self.heads, length, length))
        states: tuple[Tensor, ...] = ()
        for state_MD in self.albert_encoder(embeddings_BTE, mask_B11T):
            states = (*states, state_MD.reshape(batch, length, -1))
        return states
