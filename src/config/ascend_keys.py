"""Keys of precision on Ascend, of dumps and of profiles; names as the documented Ascend fine-tuning has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from src.common.json_files import read_json
from src.config.dump_steps import read_dump_steps
from src.config.sections import Section
from src.config.value_types import NULL_WORD, Int, IntList, any_case

PrecisionName = Literal[
    "allow_fp32_to_fp16",
    "force_fp16",
    "must_keep_origin_dtype",
    "allow_mix_precision",
    "force_fp32",
    "allow_fp32_to_bf16",
    "allow_mix_precision_fp16",
    "allow_mix_precision_bf16",
]
PrecisionMode = Annotated[PrecisionName | None, any_case(get_args(PrecisionName)), NULL_WORD]
# What another device than an Ascend does by itself, so that the value says nothing wrong there.
_AS_EVERYWHERE = ("must_keep_origin_dtype", "force_fp32")
# What looks into one training; the run directory does not keep it for the next one.
DIAGNOSTIC_KEYS = (
    "over_dump",
    "over_dump_path",
    "data_dump_flag",
    "data_dump_step",
    "data_dump_path",
    "profiling",
    "enable_profiling",
    "profile_steps",
    "profile_level",
    "profiling_dump_path",
)


def _as_text(value: Any) -> Any:
    """Turn the number 10 of a yaml file into text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked_steps(text: str) -> str:
    read_dump_steps(text)
    return text


def _two_numbers(value: tuple[int, ...]) -> tuple[int, ...]:
    if len(value) != 2 or value[0] < 0 or value[1] < 1:
        raise ValueError("expected two numbers, the updates to leave out (0 or more) and to profile (1 or more)")
    return value


DumpSteps = Annotated[str, AfterValidator(_checked_steps), BeforeValidator(_as_text)]
ProfileSteps = Annotated[IntList, AfterValidator(_two_numbers)]


class AscendKeys(Section):
    """Precision on an Ascend; looks into a training on any device."""

    group: ClassVar[str] = "Precision and diagnostics"

    precision_mode: PrecisionMode = Field(
        None, description="how an Ascend chooses the types of operators; null leaves it as it is"
    )
    use_mixlist: bool = Field(
        False, description="keep the operators that mixlist_file names in float32 when compute_type is float16"
    )
    mixlist_file: str = Field("configs/ops_info.json", description="json of the operators that stay in float32")
    over_dump: bool = Field(
        False, description="when an update is not finite, find the first layer that overflowed and report it"
    )
    over_dump_path: str = Field("", description="folder of these reports; empty takes over_dump in the run directory")
    data_dump_flag: bool = Field(False, description="write what operators read and compute in some training updates")
    data_dump_step: DumpSteps = Field(
        "10",
        description="these updates, counted from 0 at the start of the training: numbers, and ranges such as 5-8, with "
        "bars between them",
    )
    data_dump_path: str = Field("", description="empty folder for them; empty takes data_dump in the run directory")
    profiling: bool = Field(False, description="profile some training updates, and write where their time goes")
    enable_profiling: bool = Field(False, description="another name of profiling")
    profile_steps: ProfileSteps = Field(
        (5, 5), description="updates to leave out at the start of the training, and updates to profile"
    )
    profile_level: Int = Field(0, ge=0, le=2, description="how much an Ascend's profile holds; others have one level")
    profiling_dump_path: str = Field(
        "", description="folder of MindSpore's own files of the profile; empty takes profiling in the run directory"
    )
    auto_tune: bool = Field(False, description="let an Ascend tune its operators while it compiles (AOE, online)")
    fusion_off_flag: bool = Field(False, description="switch fusions of an Ascend's compiler as fusion_off_file says")
    fusion_off_file: str = Field("fusion_switch.cfg", description="json of CANN that switches fusions on and off")

    @property
    def profiles(self) -> bool:
        """Whether a profile is asked for, under either name."""
        return self.profiling or self.enable_profiling

    @property
    def looks_into_training(self) -> bool:
        """Whether a dump or a profile is asked for."""
        return self.profiles or self.over_dump or self.data_dump_flag


def ascend_problems(
    keys: AscendKeys, device_target: str, compute_type: str | None, trains: bool
) -> list[tuple[tuple[str, ...], str, str]]:
    """Return the keys, what is wrong and what to do, for each value that cannot be meant.

    Args:
        keys: The keys.
        device_target: Where the network runs.
        compute_type: Of the network, as it was given.
        trains: Whether the command trains.
    """
    problems: list[tuple[tuple[str, ...], str, str]] = []
    if device_target != "Ascend":
        if keys.precision_mode not in (None, *_AS_EVERYWHERE):
            what = (
                f"precision_mode {keys.precision_mode} is a setting of an Ascend's compiler, not of a {device_target}"
            )
            fix = "use compute_type float16 of the network, or leave precision_mode out"
            problems.append((("precision_mode", "device_target"), what, fix))
        is_half = compute_type == "float16" or (compute_type in (None, "auto") and device_target != "CPU")
        if keys.precision_mode == "force_fp32" and is_half:
            what = f"precision_mode force_fp32 cannot make a {device_target} compute in float32, compute_type decides"
            problems.append((("precision_mode", "device_target"), what, "use compute_type float32 of the network"))
        for key in ("auto_tune", "fusion_off_flag"):
            if getattr(keys, key):
                what = f"{key} is a setting of an Ascend's compiler, not of a {device_target}"
                problems.append(((key, "device_target"), what, "leave it out"))
    elif keys.fusion_off_flag and (wrong := _wrong_fusion_file(Path(keys.fusion_off_file))):
        what = f"fusion_off_file {keys.fusion_off_file} {wrong}"
        fix = 'write for example {"Switch": {"GraphFusion": {"ALL": "off"}}}'
        problems.append((("fusion_off_file", "fusion_off_flag"), what, fix))
    if not trains:
        for key in ("profiling", "enable_profiling", "over_dump", "data_dump_flag"):
            if getattr(keys, key):
                problems.append(
                    ((key,), f"{key} looks into a training, and this command does not train", "leave it out")
                )
    if keys.data_dump_flag and keys.profiles:
        what = "a data dump slows every operator down, so a profile of the same run tells nothing"
        problems.append((("data_dump_flag", "profiling", "enable_profiling"), what, "ask for one of them"))
    return problems


def _wrong_fusion_file(path: Path) -> str:
    """Return what is wrong with a file of fusion switches, an empty string for a right one."""
    try:
        content = read_json(path)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except ValueError:
        return "is no JSON"
    switches = content.get("Switch") if isinstance(content, dict) else None
    if not isinstance(switches, dict):
        return "holds no Switch"
    for kind, names in switches.items():
        if kind not in ("GraphFusion", "UBFusion") or not isinstance(names, dict):
            return f"holds {kind!r}, where GraphFusion and UBFusion are known"
        wrong = [name for name, state in names.items() if state not in ("on", "off")]
        if wrong:
            return f"switches {wrong[0]} neither on nor off"
    return ""
