"""Say which setting makes a checkpoint's shapes differ from the network's."""

from __future__ import annotations

from collections.abc import Mapping

_SIZES_BY_NAME = {
    "albert_embedding_lookup.embedding_table": ("vocab_size", "embedding_size"),
    "albert_embedding_postprocessor.embedding_table": ("type_vocab_size", "embedding_size"),
    "albert_embedding_postprocessor.full_position_embeddings": ("max_position_embeddings", "embedding_size"),
    "albert_encoder.embedding_hidden_mapping_in.weight": ("hidden_size", "embedding_size"),
    "dense_1.weight": ("num_class", "hidden_size"),
}
_INTERMEDIATE_SUFFIX = ".intermediate.weight"
_PUBLISHED_HIDDEN_SIZES = {768: "base", 1024: "large", 2048: "xlarge", 4096: "xxlarge"}

Shape = tuple[int, ...]


def _with_published_name(setting: str, size: int) -> str:
    if setting == "hidden_size" and size in _PUBLISHED_HIDDEN_SIZES:
        return f"{size} ({_PUBLISHED_HIDDEN_SIZES[size]})"
    return str(size)


def mismatch_reason(shapes: Mapping[str, tuple[Shape, Shape]]) -> str:
    """Return the likely reason, with a separator in front, or an empty string when none is known.

    Args:
        shapes: (shape in the checkpoint, shape in the network) by canonical name.
    """
    reasons: dict[str, str] = {}
    for name, (found, expected) in shapes.items():
        settings = _SIZES_BY_NAME.get(name)
        if name.endswith(_INTERMEDIATE_SUFFIX):
            settings = ("intermediate_size", "hidden_size")
        if settings is None or len(found) != len(settings):
            continue
        if found == expected[::-1]:
            reasons["transposed"] = "weights look transposed, the converter that wrote them is at fault"
            continue
        for setting, there, here in zip(settings, found, expected, strict=True):
            if there != here:
                there_text, here_text = _with_published_name(setting, there), _with_published_name(setting, here)
                reasons[setting] = f"{setting} is {there_text} in the checkpoint and {here_text} in the network"
    return f" ({'; '.join(reasons.values())})" if reasons else ""
