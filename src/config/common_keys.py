"""Keys that the three yaml files share; ``group`` is their heading in ``--help`` and in the documentation."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from src.config.sections import LossScaleConfig, Section
from src.config.value_types import (
    MOST_TFLOPS,
    AutoFlag,
    DeviceTarget,
    EncryptionMode,
    ExportPart,
    FileFormat,
    Float,
    Int,
    OptionalInt,
)


class RunKeys(Section):
    """Run directory, log and seed of a run."""

    group: ClassVar[str] = "Run directory and log"

    description: str = Field("run", min_length=1, description="name of the run")
    run_dir: str = Field(
        "", description="folder for everything that a run leaves behind; empty takes runs/<description>"
    )
    overwrite: bool = Field(
        False, description="empty an existing run directory first; export.py: replace an earlier export"
    )
    resume: bool = Field(False, description="go on from the newest checkpoint of the run directory")
    seed: Int = Field(12345, ge=0, lt=2**31, description="seed of data order, initialisation and dropout")
    log_steps: Int = Field(10, ge=1, description="updates between two lines of the log")


class UpdateKeys(Section):
    """How gradients become an update."""

    group: ClassVar[str] = "Gradients and loss scale"

    accumulation_steps: Int = Field(1, ge=1, description="micro-batches whose gradients make one update")
    max_grad_norm: Float = Field(1.0, gt=0, description="global norm to which gradients are clipped")
    enable_lossscale: AutoFlag = Field(
        None, description="dynamic loss scale: true, false, or auto (null): on with 16-bit compute_type"
    )
    loss_scale_value: Float = Field(65536.0, gt=0, description="first value of the loss scale")
    scale_factor: Float = Field(2.0, gt=1, description="factor by which the loss scale grows and shrinks")
    scale_window: Int = Field(1000, ge=1, description="updates without overflow after which the loss scale grows")

    def loss_scale(self) -> LossScaleConfig:
        """Return the section that the train cell is made from; ``enable_lossscale`` must be resolved."""
        return LossScaleConfig(
            enable=bool(self.enable_lossscale),
            value=self.loss_scale_value,
            factor=self.scale_factor,
            window=self.scale_window,
        )


class DeviceKeys(Section):
    """Where the network runs."""

    group: ClassVar[str] = "Device and processes"

    device_target: DeviceTarget = Field("CPU", description="where the network runs")
    device_id: Int = Field(0, ge=0, description="number of the device; a process group gives each process its own")
    distribute: bool = Field(False, description="train with several processes, one per device")
    device_num: Int = Field(1, ge=1, description="number of processes when distribute is true")
    peak_tflops: Float = Field(
        0.0,
        ge=0,
        le=MOST_TFLOPS,
        description="most TFLOP/s of one device in its compute_type, for the figure mfu of the log; 0: unknown",
    )


class VocabularyKeys(Section):
    """The tokenizer's files."""

    group: ClassVar[str] = "Vocabulary"

    vocab_file_path: str = Field("", description="vocab.txt of a WordPiece model, or the .vocab beside spm_model_file")
    spm_model_file: str = Field("", description="SentencePiece model; empty takes WordPiece with vocab_file_path")
    do_lower_case: bool = Field(True, description="lower-case the text; false for cased models")


class FinetuneCheckpointKeys(Section):
    """Checkpoints read and written by fine-tuning."""

    group: ClassVar[str] = "Checkpoints"

    load_pretrain_checkpoint_path: str = Field(
        "", description="pre-trained weights to start from: .ckpt, .safetensors, or a checkpoint of TensorFlow or HF"
    )
    load_finetune_checkpoint_path: str = Field(
        "", description="fine-tuned checkpoint to evaluate or predict with when do_train is false"
    )
    save_finetune_checkpoint_path: str = Field(
        "", description="folder for the checkpoints; empty takes the one in the run directory"
    )
    from_scratch: bool = Field(False, description="allow training from random weights, without a checkpoint")
    save_checkpoint_steps: Int = Field(0, ge=0, description="updates between checkpoints; 0 saves once per epoch")
    save_checkpoint_num: Int = Field(2, ge=1, description="recent checkpoints kept, besides the best one")


class ExportKeys(Section):
    """What export.py reads."""

    group: ClassVar[str] = "Export"

    export_ckpt_file: str = Field("", description="checkpoint to export; empty takes the best one of the run")
    export_file_name: str = Field(
        "albert", min_length=1, description="path of the exported file, without or with its ending"
    )
    file_format: FileFormat = Field("MINDIR", description="format of the exported file; AIR needs an Ascend")
    export_part: ExportPart = Field(
        "model", description="model: the network with its head; encoder: the backbone alone"
    )
    export_batch_size: Int = Field(1, ge=1, le=65_536, description="rows of every batch of the exported model")
    export_seq_length: OptionalInt = Field(
        None, ge=3, description="tokens of every row of the exported model; null takes the length of the training"
    )
    export_predictions: Int = Field(20, ge=1, description="places of [MASK] in every row, of a pre-training network")
    export_dynamic: bool = Field(
        False, description="export for batches of any size and length instead; with file_format MINDIR only"
    )
    enc_key_file: str = Field(
        "",
        description="file with the key to encrypt with, or env:NAME for an environment variable; empty: no encryption",
    )
    enc_mode: EncryptionMode = Field("AES-GCM", description="how to encrypt")
