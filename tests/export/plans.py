"""Plans of an export as values, for tests of what is done with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from src.export.plan import ExportPlan

_PLAN = ExportPlan(
    format="MINDIR",
    part="model",
    rows=1,
    length=None,
    predictions=2,
    target=Path("model.mindir"),
    overwrite=False,
    device_target="CPU",
    device_id=0,
    key=None,
    encryption="",
)


def plan_of(**values: Any) -> ExportPlan:
    return replace(_PLAN, **values)
