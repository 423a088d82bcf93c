"""The network's keys as a user writes them: every one optional, what is left out comes from the preset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, create_model

from src.config.sections import NetworkConfig, Section
from src.config.value_types import NULL_WORD, ComputeType, Int, NetworkSize, NetworkVersion

# Keys of Google's albert_config.json that neither Google's public model nor this one reads: a user may paste the
# json's keys as they are.
IGNORED_GOOGLE_KEYS = {
    "net_structure_type": Int,
    "gap_size": Int,
    "num_memory_blocks": Int,
    "down_scale_factor": Int,
    "layers_to_keep": list[Any],
}
_IGNORED_HELP = "of Google's albert_config.json; accepted and ignored, as Google's own public model ignores it"


def _optional_fields() -> dict[str, Any]:
    """Return the fields of ``NetworkConfig``, each with its bounds and with ``null`` for "from the preset"."""
    fields: dict[str, Any] = {}
    for name, info in NetworkConfig.model_fields.items():
        annotation = ComputeType if name == "compute_type" else info.rebuild_annotation()
        description = info.description
        if name == "compute_type":
            description = f"{description}; auto: float16 on Ascend and GPU, float32 on the CPU, where float16 is slower"
        fields[name] = (Annotated[annotation | None, NULL_WORD], Field(None, description=description))
    for name, annotation in IGNORED_GOOGLE_KEYS.items():
        fields[name] = (Annotated[annotation | None, NULL_WORD], Field(None, description=_IGNORED_HELP))
    return fields


if TYPE_CHECKING:
    NetworkKeys = Section
else:
    NetworkKeys = create_model("NetworkKeys", __base__=Section, __module__=__name__, **_optional_fields())


class NetworkChoice(Section):
    """Which preset the network starts from."""

    group: ClassVar[str] = "Network"

    albert_network: NetworkSize = Field("base", description="size of the network; custom takes every size from keys")
    albert_version: NetworkVersion = Field(
        "v1", description="v2 has no dropout in the encoder (the classifier keeps its own); the rest is as v1"
    )


def given_keys(section: Section) -> dict[str, Any]:
    """Return the keys of a ``NetworkKeys`` that have a value and mean something to the network."""
    values = section.model_dump(exclude_none=True)
    return {name: value for name, value in values.items() if name not in IGNORED_GOOGLE_KEYS}
