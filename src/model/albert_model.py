"""The ALBERT backbone: factorized embeddings, shared post-LayerNorm layers, pooler (arXiv:1909.11942, section 3.1).

Letters in tensor names are their axes: B batch, T tokens, M = B * T, D hidden, E embedding, N heads, H head size,
F feed-forward, V vocabulary; R the positions of a row where something reads the last layer's output, and Q = B * R.
Matrix products run in ``compute_type``, except those that ``float32_operators`` names; softmax, LayerNorm and residual
sums in float32.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.common.errors import ConfigError
from src.config.sections import NetworkConfig
from src.model.activations import GELU_TANH_NAMES, Tanh, make_activation
from src.model.attention import AttentionBlock
from src.model.backward import written_out
from src.model.compiled import kernels_fit, recomputes
from src.model.kernels import BiasGelu
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
        self.is_fused = kernels_fit(config) and config.hidden_act in GELU_TANH_NAMES
        self.activation = BiasGelu() if self.is_fused else make_activation(config.hidden_act)
        self.output = ResidualOutput(config.intermediate_size, config, applications, "output")
        self.use_relative_positions = config.use_relative_positions
        self.gather = ops.Gather()
        self.is_constant = ops.functional.isconstant

    def construct(
        self, hidden_MD: Tensor, mask_B11T: Tensor, application: int, read_BR: Tensor | None = None
    ) -> Tensor:
        """Return the layer's output [M, D] float32, or [Q, D]: only its rows ``read_BR``.

        Those need keys and values of every token, but of all the rest of the layer their own rows alone.

        Args:
            hidden_MD: The output of the layer before.
            mask_B11T: Added to the scores.
            application: Counts the uses of this layer within the pass.
            read_BR: Rows of [M, D], int32.
        """
        if read_BR is None:
            return self._at(hidden_MD, hidden_MD, mask_B11T, application)
        read_Q, positions = read_BR.reshape(-1), read_BR.shape[1]
        if self.use_relative_positions or self._are_all(positions, mask_B11T.shape[3]):
            # Relative positions have a table of vectors for all query positions in their order.
            return self.gather(self._at(hidden_MD, hidden_MD, mask_B11T, application), read_Q, 0)
        if mask_B11T.shape[2] > 1:
            # It was spread over the query positions, and all have the same.
            mask_B11T = mask_B11T[:, :, :positions]
        return self._at(self.gather(hidden_MD, read_Q, 0), hidden_MD, mask_B11T, application)

    def _are_all(self, positions: int, length: int) -> bool:
        """Say whether as many positions are read as there are; a graph for any shape cannot know."""
        return self.is_constant(positions) and self.is_constant(length) and positions >= length

    def _at(self, queries_QD: Tensor, hidden_MD: Tensor, mask_B11T: Tensor, application: int) -> Tensor:
        """Return the layer's output for ``queries_QD``, [Q, D] float32."""
        attended_QD = self.attention(queries_QD, hidden_MD, mask_B11T, application)
        return self.output(self._feed_forward(attended_QD), attended_QD, application)

    def _feed_forward(self, attended_QD: Tensor) -> Tensor:
        """Return the activated first half of the feed-forward block, [Q, F] float32."""
        if self.is_fused:
            return self.activation(self.intermediate.multiply(attended_QD), self.intermediate.bias)
        # In float32, because the cube inside GELU overflows float16 from 97 on.
        return self.activation(self.intermediate(attended_QD).astype(ms.float32))


class AlbertGroup(nn.Cell):
    """``inner_group_num`` distinct layers that are applied one after the other."""

    def __init__(self, config: NetworkConfig, applications: int) -> None:
        super().__init__()
        self.inner_group = nn.CellList([AlbertLayer(config, applications) for _ in range(config.inner_group_num)])
        self.last = config.inner_group_num - 1
        if recomputes(config):
            for layer in self.inner_group:
                layer.recompute()

    def construct(
        self, hidden_MD: Tensor, mask_B11T: Tensor, application: int, read_BR: Tensor | None = None
    ) -> Tensor:
        """Return [M, D] float32, or [Q, D] where ``read_BR`` says which of these rows are read."""
        for number, layer in enumerate(self.inner_group):
            hidden_MD = layer(hidden_MD, mask_B11T, application, read_BR if number == self.last else None)
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

    def construct(self, embeddings_BTE: Tensor, mask_B11T: Tensor, read_BR: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the mapped embeddings and the output of every layer, each [M, D] float32.

        Args:
            embeddings_BTE: Sums of the embeddings, float32.
            mask_B11T: Added to the scores, float32.
            read_BR: Rows of [M, D], int32. If given, the last layer computes these alone, and its output is [Q, D].
        """
        embeddings_ME = embeddings_BTE.reshape(-1, embeddings_BTE.shape[2])
        hidden_MD = self.embedding_hidden_mapping_in(embeddings_ME).astype(ms.float32)
        states: tuple[Tensor, ...] = (hidden_MD,)
        for layer, group in enumerate(self.group_of_layer):
            read = read_BR if layer == len(self.group_of_layer) - 1 else None
            hidden_MD = self.group[group](hidden_MD, mask_B11T, self.application_of_layer[layer], read)
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
        self.spreads_mask = written_out() and not kernels_fit(config)
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
        return sequence_BTD.astype(self.output_type), self._pool(sequence_BTD[:, 0])

    def pooled(self, input_ids_BT: Tensor, token_type_ids_BT: Tensor, input_mask_BT: Tensor) -> Tensor:
        """Return the pooled output [B, D] alone, for which the last layer computes the first tokens only."""
        first_B1 = self._first_rows(input_ids_BT)
        return self._pool(self._read(input_ids_BT, token_type_ids_BT, input_mask_BT, first_B1)[:, 0])

    def at_positions(
        self, input_ids_BT: Tensor, token_type_ids_BT: Tensor, input_mask_BT: Tensor, positions_BP: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the sequence output at ``positions_BP`` int32, [B * P, D], and the pooled output [B, D].

        The last layer computes these positions and the first tokens only: R = P + 1.
        """
        first_B1 = self._first_rows(input_ids_BT)
        read_BR = ops.concat((first_B1, positions_BP + first_B1), 1)
        output_BRD = self._read(input_ids_BT, token_type_ids_BT, input_mask_BT, read_BR)
        selected_BPD = output_BRD[:, 1:].astype(self.output_type)
        return selected_BPD.reshape(-1, self.config.hidden_size), self._pool(output_BRD[:, 0])

    def only_positions(
        self, input_ids_BT: Tensor, token_type_ids_BT: Tensor, input_mask_BT: Tensor, positions_BP: Tensor
    ) -> Tensor:
        """Return the sequence output at ``positions_BP`` int32, [B * P, D], which the last layer computes alone."""
        read_BP = positions_BP + self._first_rows(input_ids_BT)
        output_BPD = self._read(input_ids_BT, token_type_ids_BT, input_mask_BT, read_BP)
        return output_BPD.reshape(-1, self.config.hidden_size).astype(self.output_type)

    def hidden_states(
        self, input_ids_BT: Tensor, token_type_ids_BT: Tensor, input_mask_BT: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the mapped embeddings and the output of every layer, each [B, T, D] float32."""
        batch, length = input_ids_BT.shape
        states: tuple[Tensor, ...] = ()
        for state_MD in self._encoded(input_ids_BT, token_type_ids_BT, input_mask_BT, None):
            states = (*states, state_MD.reshape(batch, length, -1))
        return states

    def _read(self, input_ids_BT: Tensor, token_type_ids_BT: Tensor, input_mask_BT: Tensor, read_BR: Tensor) -> Tensor:
        """Return the rows ``read_BR`` of the encoder's output, [B, R, D] float32.

        Callers take slices, whose gradient MindSpore makes. With ``recompute`` it looks for such a gradient at the end
        of a layer; where one of ``backward.py`` came first, as the pooler's, it would make a circle in the graph.
        """
        output_QD = self._encoded(input_ids_BT, token_type_ids_BT, input_mask_BT, read_BR)[-1]
        return output_QD.reshape(*read_BR.shape, -1)

    def _first_rows(self, input_ids_BT: Tensor) -> Tensor:
        """Return the numbers of the first tokens among all M, [B, 1] int32."""
        batch, length = input_ids_BT.shape
        return ops.arange(batch).astype(ms.int32).reshape(batch, 1) * length

    def _pool(self, first_BD: Tensor) -> Tensor:
        """Return the pooled output [B, D] of the first tokens' output [B, D] float32."""
        return self.tanh(self.dense(first_BD)).astype(self.output_type)

    def _encoded(
        self, input_ids_BT: Tensor, token_type_ids_BT: Tensor, input_mask_BT: Tensor, read_BR: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Return what the encoder does."""
        batch, length = input_ids_BT.shape
        tokens_BTE = self.albert_embedding_lookup(input_ids_BT)
        embeddings_BTE = self.albert_embedding_postprocessor(token_type_ids_BT, tokens_BTE)
        mask_B11T = (1.0 - input_mask_BT.astype(ms.float32)).reshape(batch, 1, 1, length) * MASKED_SCORE
        # Once here and not in every layer: see SpreadColumn. A graph for any shape cannot know the shape beforehand.
        if self.spreads_mask and self.is_constant(batch) and self.is_constant(length):
            mask_B11T = ops.broadcast_to(mask_B11T, (batch, self.heads, length, length))
        return self.albert_encoder(embeddings_BTE, mask_B11T, read_BR)
