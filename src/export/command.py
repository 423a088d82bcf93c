"""``export.py``: from a checkpoint to a model that other programs run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn

from src.common.environment import package_versions
from src.common.files import sha256_of
from src.common.interrupts import quiet_interrupts
from src.common.log import setup_logging
from src.common.native_output import without_graph_dumps
from src.config.load import LoadedConfig
from src.config.modelarts_keys import dry_run_line
from src.export.description import (
    AIR,
    ENCODER,
    ONNX,
    ExportDescription,
    assets_folder,
    description_path,
    write_description,
)
from src.export.exported import open_network
from src.export.graph import write_graph
from src.export.networks import inference_network
from src.export.place import publish, workshop
from src.export.plan import ExportPlan
from src.export.samples import sample_batches
from src.export.shapes import exported_length, exported_task, input_specs, output_names, output_specs, shortest_length
from src.export.source import ExportSource, find_source
from src.export.verify import check_difference, largest_difference
from src.model.compiled import portable
from src.model.weights import load_weights
from src.runtime.device import setup_device
from src.tasks.assets import read_task_description, save_assets
from src.tasks.inference import InferenceNetwork, run_batch

logger = logging.getLogger(__name__)

Arrays = list[np.ndarray]


def run_export(loaded: LoadedConfig[Any], plan: ExportPlan) -> int:
    """Export what the configuration names; return the exit status.

    Raises:
        AlbertError: Something that the user can mend. Nothing is left then, and nothing was replaced.
    """
    setup_logging()
    for notice in loaded.notices:
        logger.info("%s", notice)
    setup_device(plan.device_target, plan.device_id)
    source = find_source(loaded, plan)
    with quiet_interrupts(sigterm=True), without_graph_dumps(), workshop(plan.target) as folder:
        network = _load(source, plan)
        description = _make(network, source, plan, folder)
        if loaded.dry_run:
            logger.info("%s", dry_run_line(loaded.values))
            return 0
        publish(folder, plan)
    _show(description, plan)
    return 0


def _load(source: ExportSource, plan: ExportPlan) -> nn.Cell:
    """Return the network with the weights of the checkpoint."""
    with portable():
        network = inference_network(source.task, plan.part)
    what = source.task.kind if plan.part != ENCODER else "backbone"
    origin = "the configuration" if source.run is None else f"the run {source.run}"
    logger.info("network: %s, as %s describes it", what, origin)
    logger.info(
        "%s", load_weights(network, source.checkpoint, what="backbone" if plan.part == ENCODER else "all").summary()
    )
    network.set_train(False)
    return network


def _make(network: nn.Cell, source: ExportSource, plan: ExportPlan, folder: Path) -> ExportDescription:
    """Write all parts of the export into ``folder``, and compare the model with the checkpoint."""
    length = exported_length(source.task, plan)
    task = exported_task(source.task, length)
    inputs = input_specs(task, plan, length)
    batches = sample_batches(task, inputs, shortest_length(task, plan.part))
    expected = [run_batch(network, batch) for batch in batches]
    model = folder / plan.target.name
    names = output_names(task, plan.part)
    write_graph(network, plan.format, inputs, names, model, plan.key, plan.encryption)
    assets = assets_folder(model)
    assets.mkdir()
    save_assets(assets, source, task)
    description = ExportDescription(
        format=plan.format,
        file=model.name,
        sha256=sha256_of(model),
        part=plan.part,
        inputs=inputs,
        outputs=output_specs(names, expected[0], expected[1]),
        task=read_task_description(assets),
        versions=_versions(plan),
        encryption=plan.encryption,
        checkpoint=source.checkpoint.name,
        checkpoint_sha256=sha256_of(source.checkpoint),
    )
    if plan.format != AIR:
        difference = _compare(model, description, plan, batches, expected)
        description = replace(description, max_difference=difference)
    write_description(description_path(model), description)
    return description


def _compare(
    model: Path,
    description: ExportDescription,
    plan: ExportPlan,
    batches: Sequence[tuple[np.ndarray, ...]],
    expected: Sequence[Arrays],
) -> float:
    """Open the model that was written and return the largest difference to what the checkpoint gave."""
    target = "CPU" if plan.format == ONNX else plan.device_target
    exported: InferenceNetwork = open_network(model, description, target, plan.key, device_id=plan.device_id)
    found = [run_batch(exported, batch) for batch in batches]
    difference = max(map(largest_difference, expected, found))
    is_half = description.task.network_config().compute_type == "float16"
    check_difference(difference, str(plan.target), is_half=is_half, target=plan.device_target)
    logger.info("compared with the checkpoint on %d batches", len(batches))
    return difference


def _versions(plan: ExportPlan) -> dict[str, str]:
    """Return the versions of what wrote the model and checked it."""
    names = ("mindspore", "numpy", *(("onnxruntime",) if plan.format == ONNX else ()))
    return {name: version for name, version in package_versions(names).items() if version}


def _show(description: ExportDescription, plan: ExportPlan) -> None:
    """Print what was made."""
    megabytes = plan.target.stat().st_size / 1e6
    encrypted = f", encrypted by {description.encryption}" if description.encryption else ""
    print(f"exported {plan.target} ({description.format}, {megabytes:.1f} MB{encrypted})")
    for label, specs in (("takes", description.inputs), ("gives", description.outputs)):
        print(f"  {label}: {', '.join(spec.shown() for spec in specs)}")
    if description.max_difference is None:
        print("  not compared with the checkpoint: an AIR file cannot be run here")
    else:
        print(f"  largest difference to the checkpoint: {description.max_difference:.2g}")
    print(f"  beside it: {description_path(plan.target).name}, {assets_folder(plan.target).name}")
