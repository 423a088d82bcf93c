"""What a train step would take on an Ascend 910, and on eight: an estimate on paper, nobody has measured it.

    one device     t = sum over the parts of max(FLOPs / peak, bytes / memory bandwidth)
    all-reduce     a = 2 (n - 1) / n * 4 * parameters / link bandwidth     (a ring, gradients in float32)
    n devices      t + a

Nothing of the all-reduce is hidden behind the backward pass: the layers share their weights, so that their gradients
are complete only at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.roofline.parts import Part, Shape, parts_of
from src.config.presets import preset
from src.config.sections import NetworkConfig

_FLOAT32 = 4


@dataclass(frozen=True)
class Device:
    """What the vendor says of a device.

    Attributes:
        name: Its name.
        peak_tflops: TFLOP/s of matrix products in float16.
        memory_gb_s: Bandwidth of its memory, 10^9 bytes/s.
        link_gb_s: Bandwidth of one link to a neighbour, 10^9 bytes/s in each direction.
    """

    name: str
    peak_tflops: float
    memory_gb_s: float
    link_gb_s: float


# 256 TFLOP/s, 1.2 TB/s of HBM2, and links (HCCS) of 240 Gbit/s: Huawei at Hot Chips 31 (2019), "DaVinci: A Scalable
# Architecture for Neural Network Computing".
ASCEND_910 = Device("Ascend 910", 256.0, 1200.0, 30.0)
DEVICES = 8


@dataclass(frozen=True)
class Estimate:
    """The estimate of one step; times in seconds.

    Attributes:
        shape: The step, on each device.
        flops: Model FLOPs.
        products_s: At the peak, of the products alone.
        step_s: Of one device.
        reduce_bytes: What each device sends in the all-reduce of ``devices``.
        reduce_s: What that takes.
        devices: How many train together.
    """

    shape: Shape
    flops: int
    products_s: float
    step_s: float
    reduce_bytes: float
    reduce_s: float
    devices: int

    @property
    def utilisation(self) -> float:
        """Return the model-FLOPs utilisation of one device at its limits: nothing can be above it."""
        return self.products_s / self.step_s

    @property
    def tokens_per_s(self) -> float:
        """Return the tokens of one device alone."""
        return self.shape.tokens / self.step_s

    @property
    def all_tokens_per_s(self) -> float:
        """Return the tokens of all devices together."""
        return self.devices * self.shape.tokens / (self.step_s + self.reduce_s)


def part_seconds(part: Part, device: Device) -> float:
    """Return what a part takes at the limits of a device, whichever binds."""
    return max(part.flops / (device.peak_tflops * 1e12), part.bytes / (device.memory_gb_s * 1e9))


def estimate(shape: Shape, device: Device = ASCEND_910, devices: int = DEVICES) -> Estimate:
    """Return the estimate of a step."""
    parts = parts_of(shape)
    flops = sum(part.flops for part in parts)
    step_s = sum(part_seconds(part, device) for part in parts)
    sent = 2 * (devices - 1) / devices * shape.parameters * _FLOAT32
    return Estimate(
        shape, flops, flops / (device.peak_tflops * 1e12), step_s, sent, sent / (device.link_gb_s * 1e9), devices
    )


def step_of(
    size: str, rows: int, length: int, predictions: int = 0, *, version: str = "v1", compute_type: str = "float16"
) -> Shape:
    """Return the step of a published size."""
    keys = {**preset(size, version), "seq_length": length, "compute_type": compute_type}
    return Shape(NetworkConfig(**keys), rows, length, predictions)


# The batches of pretrain_config.yaml, and a usual one of fine-tuning.
STEPS = (
    ("pre-training base", step_of("base", 256, 128, 20)),
    ("pre-training large", step_of("large", 24, 512, 77)),
    ("pre-training xlarge", step_of("xlarge", 24, 512, 77)),
    ("pre-training xxlarge", step_of("xxlarge", 12, 512, 77)),
    ("fine-tuning base", step_of("base", 32, 128)),
)


def estimate_table(steps: Sequence[tuple[str, Shape]] = STEPS, device: Device = ASCEND_910) -> str:
    """Return the table of the documents, marked as an estimate."""
    lines = [
        f"ESTIMATE, not measured: {device.name}, {device.peak_tflops:g} TFLOP/s in float16, "
        f"{device.memory_gb_s:g} GB/s of memory, links of {device.link_gb_s:g} GB/s.",
        "",
        "| step | batch of each | TFLOP | products alone, ms | one device, ms | largest mfu | tokens/s | all-reduce "
        f"sends, MB | takes, ms | tokens/s of {DEVICES} | speed-up |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, shape in steps:
        found = estimate(shape, device)
        cells = (
            name,
            f"{shape.rows} x {shape.length}",
            f"{found.flops / 1e12:.2f}",
            f"{1000 * found.products_s:.1f}",
            f"{1000 * found.step_s:.1f}",
            f"{found.utilisation:.0%}",
            f"{found.tokens_per_s:,.0f}",
            f"{found.reduce_bytes / 1e6:.0f}",
            f"{1000 * found.reduce_s:.1f}",
            f"{found.all_tokens_per_s:,.0f}",
            f"{found.all_tokens_per_s / found.tokens_per_s:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
