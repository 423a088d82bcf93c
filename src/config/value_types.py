"""Types of single configuration values: what a yaml scalar or a word of the command line may look like.

Yaml hands over numbers, booleans and text; the command line hands over text only; PyYAML reads ``1e-5`` as text.
The types below accept all of these for the same key and refuse what would change meaning on the way (``true`` for
a number).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator

from src.common.glue_tasks import glue_task_name

MOST_BATCH_ROWS = 65_536
"""Rows of a batch on one device: more do not fit into any, and fail while memory is asked for."""
MOST_TFLOPS = 100_000
"""TFLOP/s of one device: more was meant in another unit."""
_LARGEST_INT = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Unavailable:
    """Mark a key that is known and accepts its default only; any other value is refused with ``reason``."""

    reason: str


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a whole number")
    if isinstance(value, str) and "e" in value.lower():
        try:
            number = float(value)
        except ValueError:
            return value
        return int(number) if number.is_integer() else value
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _null_word(value: Any) -> Any:
    return None if isinstance(value, str) and value.lower() in ("null", "none", "") else value


def _auto_word(value: Any) -> Any:
    return None if isinstance(value, str) and value.lower() == "auto" else value


def _list_of(value: Any) -> Any:
    """Turn ``32,64``, ``[32, 64]`` and ``64`` into a list."""
    if isinstance(value, str):
        try:
            parsed = yaml.safe_load(value if value.lstrip().startswith("[") else f"[{value}]")
        except yaml.YAMLError:
            return value
        return value if parsed is None else parsed
    if isinstance(value, (int, float)):
        return [value]
    return value


def _countable(value: int) -> int:
    # MindSpore counts steps, rows and sizes in 32 bits, and numpy none beyond 64.
    if abs(value) > _LARGEST_INT:
        raise ValueError(f"is beyond the largest number, {_LARGEST_INT}")
    return value


def _some_steps(value: int) -> int:
    if value == 0:
        raise ValueError("trains nothing: give a number over 0, or -1 to count from the epochs")
    return value


def any_case(choices: Iterable[str], **aliases: str) -> BeforeValidator:
    """Return a validator that accepts ``choices`` (and aliases of them) in any case."""
    table = {choice.lower(): choice for choice in choices} | aliases

    def match(value: Any) -> Any:
        return table.get(value.lower(), value) if isinstance(value, str) else value

    return BeforeValidator(match)


def _float_type_name(value: Any) -> Any:
    """Accept ``mstype.float32`` and ``fp32`` for ``float32``, as the old yaml files wrote it."""
    if isinstance(value, str):
        short = {"fp32": "float32", "fp16": "float16"}
        name = value.lower().removeprefix("mstype.").removeprefix("ms.")
        return short.get(name, name)
    return value


def _glue_name(value: Any) -> Any:
    return (glue_task_name(value) or value) if isinstance(value, str) else value


Int = Annotated[int, BeforeValidator(_whole_number), AfterValidator(_countable)]
Float = Annotated[float, BeforeValidator(_number)]
NULL_WORD = BeforeValidator(_null_word)
OptionalInt = Annotated[Int | None, NULL_WORD]
OptionalFloat = Annotated[Float | None, NULL_WORD]
TrainSteps = Annotated[Int, AfterValidator(_some_steps)]
AutoFlag = Annotated[bool | None, BeforeValidator(_auto_word)]
IntList = Annotated[tuple[Int, ...], BeforeValidator(_list_of)]
TextList = Annotated[tuple[str, ...], BeforeValidator(_list_of)]
FloatType = Annotated[Literal["float32", "float16"], BeforeValidator(_float_type_name)]
ComputeType = Annotated[Literal["auto", "float32", "float16"], BeforeValidator(_float_type_name)]

DeviceTarget = Annotated[Literal["CPU", "GPU", "Ascend"], any_case(("CPU", "GPU", "Ascend"))]
NetworkSize = Annotated[
    Literal["base", "large", "xlarge", "xxlarge", "custom"], any_case(("base", "large", "xlarge", "xxlarge", "custom"))
]
NetworkVersion = Annotated[Literal["v1", "v2"], any_case(("v1", "v2"))]
OptimizerName = Annotated[
    Literal["AdamWeightDecay", "Lamb", "Momentum"], any_case(("AdamWeightDecay", "Lamb", "Momentum"))
]
TaskKind = Annotated[
    Literal["", "classification", "regression", "token_classification"],
    any_case(("", "classification", "regression", "token_classification")),
]
Mode = Annotated[
    Literal["", "train_and_eval", "predict", "export_only"], any_case(("", "train_and_eval", "predict", "export_only"))
]
_METRICS = ("auto", "accuracy", "f1", "macro_f1", "mcc", "pearson", "spearman_correlation", "entity_f1")
MetricName = Annotated[
    Literal["auto", "accuracy", "f1", "macro_f1", "mcc", "pearson", "spearman_correlation", "entity_f1"],
    any_case(_METRICS, **{"": "auto", "acc": "accuracy", "spearman": "spearman_correlation"}),
]
SquadHead = Annotated[Literal["span", "beam"], any_case(("span", "beam"), two_logit="span")]
FileFormat = Annotated[Literal["MINDIR", "ONNX", "AIR"], any_case(("MINDIR", "ONNX", "AIR"))]
ExportPart = Annotated[Literal["model", "encoder"], any_case(("model", "encoder"))]
EncryptionMode = Annotated[Literal["AES-GCM", "AES-CBC", "SM4-CBC"], any_case(("AES-GCM", "AES-CBC", "SM4-CBC"))]
TaskName = Annotated[
    Literal["", "CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI", "MNLI-mm", "QNLI", "RTE", "WNLI", "AX"],
    BeforeValidator(_glue_name),
]
