"""Stands in place of ``ascend310_infer``: answers the files of ``preprocess.py`` with the checkpoint of a run.

Its "model" is a text that names the run. Beside it lie what stands beside an exported model.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from src.common.files import sha256_of
from src.export.description import (
    ExportDescription,
    TensorSpec,
    assets_folder,
    description_path,
    write_description,
)
from src.export.description_check import INPUT_NAMES, output_shapes
from src.export.networks import inference_network
from src.model.weights import load_weights
from src.tasks.assets import TaskDescription, read_task_description
from src.tasks.inference import run_batch

DTYPES = {"float32": "<f4", "int32": "<i4"}


def make_model(path: Path, run: Path, *, rows: int | None, length: int | None) -> Path:
    """Write a stand-in for an exported model of a run; ``None`` for sizes that are free."""
    task = read_task_description(run / "assets")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"run": str(run), "rows": rows, "length": length or task.length}), encoding="utf-8")
    shutil.copytree(run / "assets", assets_folder(path), dirs_exist_ok=True)
    inputs = tuple(TensorSpec(name, "int32", (rows, length)) for name in INPUT_NAMES)
    shapes = output_shapes(task, "model", rows, length)
    outputs = tuple(TensorSpec(f"output_{n}", "float32", shape or (rows, None)) for n, shape in enumerate(shapes))
    description = ExportDescription("MINDIR", path.name, sha256_of(path), "model", inputs, outputs, task)
    write_description(description_path(path), description)
    return path


def change_task(model: Path, **values: object) -> None:
    """Change what stands beside a model about its task."""
    content = json.loads(description_path(model).read_text(encoding="utf-8"))
    content["task"] |= values
    description_path(model).write_text(json.dumps(content), encoding="utf-8")


def run_application(model: Path, inputs: Path, output: Path, rows: int | None = None) -> None:
    """Answer the three input folders below ``inputs`` as the application does."""
    folders = [inputs / name for name in ("00_data", "01_data", "02_data")]
    answer(model, folders, output, rows)


def answer(model: Path, folders: Sequence[Path], output: Path, rows: int | None = None) -> None:
    content = json.loads(model.read_text(encoding="utf-8"))
    shape = (rows or content["rows"], content["length"])
    task, network = _network(Path(content["run"]))
    output.mkdir(parents=True, exist_ok=True)
    stems = sorted(path.stem for path in folders[0].glob("*.bin"))
    described: list[dict[str, object]] = []
    for stem in stems:
        arrays = [np.fromfile(folder / f"{stem}.bin", "<i4").reshape(shape).astype(np.int32) for folder in folders]
        results = run_batch(network, arrays)
        described = [
            {"index": index, "name": f"output_{index}", "dtype": str(values.dtype), "shape": list(values.shape)}
            for index, values in enumerate(results)
        ]
        for index, values in enumerate(results):
            values.astype(DTYPES[str(values.dtype)]).tofile(output / f"{stem}_{index}.bin")
    report = {"model": str(model), "device": task.kind, "outputs": described, "files": stems}
    (output / "results.json").write_text(json.dumps(report), encoding="utf-8")


def _network(run: Path) -> tuple[TaskDescription, object]:
    task = replace(read_task_description(run / "assets"))
    network = inference_network(task)
    (checkpoint,) = (run / "checkpoints").glob("*-best.ckpt")
    load_weights(network, checkpoint, what="all")
    return task, network


def main(argv: Sequence[str]) -> int:
    """Take the command line of ``ascend310_infer``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mindir_path", type=Path, required=True)
    for name in ("input0_path", "input1_path", "input2_path"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--input3_path", type=Path)
    parser.add_argument("--output_dir", type=Path, default=Path("result_files"))
    parser.add_argument("--time_dir", type=Path, default=Path("time_result"))
    parser.add_argument("--device_id", type=int, default=0)
    parser.add_argument("--device", default="Ascend")
    parser.add_argument("--warmup", type=int, default=0)
    parser.add_argument("--check_model", choices=("true", "false"), default="false")
    options = parser.parse_args(argv)
    if options.check_model == "true":
        return 0
    folders = [options.input0_path, options.input1_path, options.input2_path]
    answer(options.mindir_path, folders, options.output_dir)
    options.time_dir.mkdir(exist_ok=True)
    line = f"device {options.device} {options.device_id}, warmup {options.warmup}"
    (options.time_dir / "test_perform_static.txt").write_text(line + "\n", encoding="utf-8")
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
