from __future__ import annotations

from pathlib import Path

import pytest

from src.runtime.doctor import ascend, gpu
from src.runtime.doctor.machine import Machine
from src.runtime.doctor.packages import Installed
from tests.runtime.doctor_support import add_package, add_program, make_machine, only, texts, write

A100 = "0, NVIDIA A100-SXM4-40GB, 8.0, 40960, 3, 470.57.02\n"
LDCONFIG = "2 libs found\n" + "".join(
    f"\t{name} (libc6,x86-64) => /usr/lib/{name}\n" for name in (*gpu.LIBRARIES, "libcuda.so.1")
)
NPU_SMI = """+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.0                   Version: 24.1.0                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 93.6        40                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3161 / 65536         |
+===========================+===============+====================================================+
| 1     910B3               | Alarm         | 93.6        40                0    / 0             |
| 0                         | 0000:C2:00.0  | 0           0    / 0          3161 / 65536         |
+===========================+===============+====================================================+
"""


@pytest.fixture
def gpu_machine(tmp_path: Path) -> Machine:
    """A machine on which all is well."""
    machine = make_machine(tmp_path)
    site = add_package(machine, "mindspore", "2.10.0")
    write(site / "mindspore" / "lib" / "plugin" / "libmindspore_gpu.so.11.6")
    add_program(machine, "nvidia-smi", A100)
    add_program(machine, "ldconfig", LDCONFIG)
    return machine


def with_variables(machine: Machine, **variables: str) -> Machine:
    return Machine(
        {**machine.environment, **variables},
        machine.root,
        machine.project,
        machine.packages,
        machine.limits,
        machine.temporary,
    )


def test_a_gpu_on_which_all_is_well(gpu_machine: Machine) -> None:
    assert texts(gpu.probe(gpu_machine, "GPU")) == [
        "OK       MindSpore 2.10.0 has plugins for CUDA 11.6",
        "OK       GPU 0: NVIDIA A100-SXM4-40GB, driver 470.57.02, 40,957 of 40,960 MiB free",
        "OK       the CUDA 11.6 and cuDNN 8 libraries are found",
    ]


def test_a_gpu_that_nobody_asked_for(gpu_machine: Machine, tmp_path: Path) -> None:
    assert texts(gpu.probe(gpu_machine, "CPU")) == [
        "NOTE     nvidia-smi is here -> look at the GPU with --device_target GPU"
    ]
    (tmp_path / "bin" / "nvidia-smi").unlink()
    assert texts(gpu.probe(gpu_machine, "CPU")) == []


@pytest.mark.parametrize(
    ("output", "status", "error", "what"),
    [
        ("", 9, "NVIDIA-SMI has failed\n", "nvidia-smi: ended with status 9: NVIDIA-SMI has failed"),
        ("", 0, "", "nvidia-smi: it lists no GPU"),
        ("something else\n", 0, "", "nvidia-smi: it lists no GPU"),
    ],
)
def test_nvidia_smi_that_fails(gpu_machine: Machine, output: str, status: int, error: str, what: str) -> None:
    add_program(gpu_machine, "nvidia-smi", output, status, error)
    found = texts(gpu.probe(gpu_machine, "GPU"), "ERROR")
    assert found == [f"ERROR    {what} -> install NVIDIA's driver; in a container, start it with --gpus all"]


def test_no_nvidia_smi(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    found = texts(gpu.probe(machine, "GPU"), "ERROR")
    assert found[0].startswith("ERROR    nvidia-smi: no such program -> install NVIDIA's driver")
    assert found[1].startswith(
        "ERROR    8 of the 8 CUDA libraries of the plugin for CUDA 11.6 are not found: libcudart.so"
    )
    assert found[2].startswith("ERROR    the driver's libcuda.so.1 is not found")


@pytest.mark.parametrize(
    ("line", "level", "what"),
    [
        ("0, H100, 9.0, 81559, 10, 550.1\n", "WARNING", "its compute capability 9.0 is newer than 8.6"),
        ("0, K80, 3.7, 11441, 10, 470.1\n", "ERROR", "its compute capability 3.7 is too old"),
        ("0, A100, 8.0, 40960, 30000, 470.1\n", "WARNING", "10,960 of 40,960 MiB free: another process uses it"),
        ("0, V100, [N/A], [N/A], [N/A], 418.1\n", "OK", "GPU 0: V100, driver 418.1"),
    ],
)
def test_gpus_that_do_not_fit(gpu_machine: Machine, line: str, level: str, what: str) -> None:
    add_program(gpu_machine, "nvidia-smi", line)
    (device,) = gpu.list_devices(gpu_machine)[0]
    found = only(gpu.check_device(device))
    assert found.level == level
    assert what in found.what


@pytest.mark.parametrize(
    ("value", "level", "what"),
    [
        ("0", "OK", "CUDA_VISIBLE_DEVICES=0"),
        ("", "ERROR", "CUDA_VISIBLE_DEVICES= hides every GPU"),
        ("-1", "ERROR", "CUDA_VISIBLE_DEVICES=-1 hides every GPU"),
        ("0,3", "ERROR", "CUDA_VISIBLE_DEVICES=0,3: there is no GPU 3"),
        ("GPU-8a3f", "OK", "CUDA_VISIBLE_DEVICES=GPU-8a3f"),
    ],
)
def test_hidden_gpus(gpu_machine: Machine, value: str, level: str, what: str) -> None:
    found = only(gpu.check_visible(with_variables(gpu_machine, CUDA_VISIBLE_DEVICES=value), 1))
    assert found.level == level
    assert found.what.startswith(what)


def test_the_libraries_of_another_cuda(gpu_machine: Machine, tmp_path: Path) -> None:
    add_program(gpu_machine, "ldconfig", "\tlibcudart.so.12 (libc6,x86-64) => /x\n\tlibcuda.so.1 (libc6) => /y\n")
    for name in gpu.LIBRARIES[2:]:
        write(tmp_path / "cuda" / name)
    machine = with_variables(gpu_machine, LD_LIBRARY_PATH=str(tmp_path / "cuda"))
    found = only(gpu.check_libraries(machine))
    assert found.level == "ERROR"
    assert found.what.endswith("are not found: libcudart.so.11.0, libcublas.so.11 (there are libcudart.so.12)")


def test_a_wheel_without_a_plugin(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    add_package(machine, "mindspore", "2.12.0")
    installed = Installed(machine)
    assert only(gpu.check_wheel(installed)).what == "MindSpore 2.12.0 has no plugin for GPUs"
    assert only(ascend.check_wheel(installed)).what == "MindSpore 2.12.0 has no plugin for Ascend"
    assert list(gpu.check_wheel(Installed(make_machine(tmp_path, packages=[])))) == []


def ascend_machine(tmp_path: Path, cann: str = "8.5.0", **variables: str) -> Machine:
    """Return a machine with two devices, a driver and CANN, whose set_env.sh was sourced."""
    devices = ("davinci0", "davinci1", "davinci_manager", "devmm_svm", "hisi_hdc")
    home = tmp_path / "system" / "usr/local/Ascend/ascend-toolkit/latest"
    files = {
        **{f"dev/{name}": "" for name in devices},
        "usr/local/Ascend/driver/version.info": "Version=24.1.0\nascendhal_version=7.35.19\n",
        "usr/local/Ascend/firmware/version.info": "Version=7.5.0.1.129\n",
        "usr/local/Ascend/ascend-toolkit/set_env.sh": "",
        "usr/local/Ascend/ascend-toolkit/latest/compiler/version.info": f"Version={cann}\n",
    }
    for name in ("te", "hccl"):
        files[f"usr/local/Ascend/ascend-toolkit/latest/python/site-packages/{name}/__init__.py"] = ""
    environment = {
        "ASCEND_HOME_PATH": str(home),
        "ASCEND_OPP_PATH": str(home / "opp"),
        "LD_LIBRARY_PATH": f"{home}/lib64:/usr/local/Ascend/driver/lib64/driver",
        "PYTHONPATH": str(home / "python" / "site-packages"),
        **variables,
    }
    machine = make_machine(tmp_path, {name: value for name, value in environment.items() if value}, files)
    site = add_package(machine, "mindspore", "2.10.0")
    write(site / "mindspore" / "lib" / "plugin" / "libmindspore_ascend.so.2")
    add_program(machine, "npu-smi", NPU_SMI.replace("Alarm", "OK   "))
    return machine


def test_ascend_devices_on_which_all_is_well(tmp_path: Path) -> None:
    machine = ascend_machine(tmp_path)
    assert texts(ascend.probe(machine, "Ascend")) == [
        "OK       MindSpore 2.10.0 has a plugin for Ascend",
        "OK       2 devices in /dev: davinci0, davinci1",
        "OK       driver 24.1.0, firmware 7.5.0.1.129",
        "OK       device 0: 910B3, health OK",
        "OK       device 1: 910B3, health OK",
        f"OK       CANN 8.5.0 in {machine.value('ASCEND_HOME_PATH')}",
    ]
    assert texts(ascend.probe(machine, "CPU")) == [
        "NOTE     there are Ascend devices -> look at them with --device_target Ascend"
    ]


def test_a_machine_without_ascend(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    assert texts(ascend.probe(machine, "CPU")) == []
    found = [line[9:40] for line in texts(ascend.probe(machine, "Ascend"), "ERROR", "WARNING")]
    assert found == [
        "there is no /dev/davinci0: no d",
        "/usr/local/Ascend/driver/versio",
        "npu-smi: no such program -> add",
        "ASCEND_HOME_PATH and ASCEND_OPP",
    ]


def test_a_device_in_alarm(tmp_path: Path) -> None:
    machine = ascend_machine(tmp_path)
    add_program(machine, "npu-smi", NPU_SMI)
    assert texts(ascend.check_npu_smi(machine)) == [
        "OK       device 0: 910B3, health OK",
        "ERROR    device 1: 910B3, health Alarm -> npu-smi info -t health -i 1 says more",
    ]
    add_program(machine, "npu-smi", NPU_SMI.replace("Alarm  ", "Warning"))
    assert texts(ascend.check_npu_smi(machine))[1].startswith("WARNING  device 1: 910B3, health Warning")


def test_npu_smi_that_fails(tmp_path: Path) -> None:
    machine = ascend_machine(tmp_path)
    add_program(machine, "npu-smi", "", 255, "DrvMngGetConsoleLogLevel failed. (g_conLogLevel=3)\ndcmi module error\n")
    assert only(ascend.check_npu_smi(machine)).what == "npu-smi info ended with status 255: dcmi module error"
    add_program(machine, "npu-smi", "nothing\n")
    assert only(ascend.check_npu_smi(machine)).what == "npu-smi info lists no device"


def test_set_env_was_not_sourced(tmp_path: Path) -> None:
    machine = ascend_machine(tmp_path, ASCEND_HOME_PATH="", ASCEND_OPP_PATH="", LD_LIBRARY_PATH="", PYTHONPATH="")
    found = only(ascend.check_cann(machine))
    assert found.level == "ERROR"
    assert found.what == (
        "ASCEND_HOME_PATH and ASCEND_OPP_PATH are not set: CANN is installed and its variables are missing"
    )
    assert found.fix == f"source {tmp_path}/system/usr/local/Ascend/ascend-toolkit/set_env.sh"


def test_half_of_set_env(tmp_path: Path) -> None:
    found = texts(ascend.check_cann(ascend_machine(tmp_path, LD_LIBRARY_PATH="", PYTHONPATH="")), "ERROR")
    assert [line.partition(" -> ")[0] for line in found] == [
        "ERROR    LD_LIBRARY_PATH has no lib64 of CANN",
        "ERROR    CANN's Python packages are not found: te, hccl; without them no operator can be compiled",
    ]
    machine = ascend_machine(tmp_path, ASCEND_OPP_PATH=str(tmp_path))
    assert "is no folder opp of CANN" in texts(ascend.check_cann(machine), "WARNING")[0]


@pytest.mark.parametrize(
    ("version", "level"),
    [("8.2.RC1", "OK"), ("9.1.0", "OK"), ("7.0.0", "WARNING"), ("8.0.0", "WARNING"), ("", "WARNING")],
)
def test_versions_of_cann(tmp_path: Path, version: str, level: str) -> None:
    found = next(iter(ascend.check_cann(ascend_machine(tmp_path, version))))
    assert found.level == level


def test_cann_without_a_version_file(tmp_path: Path) -> None:
    machine = ascend_machine(tmp_path)
    (Path(machine.value("ASCEND_HOME_PATH")) / "compiler" / "version.info").unlink()
    assert "is not there: the version of CANN is not known" in texts(ascend.check_cann(machine), "WARNING")[0]


def test_a_driver_elsewhere_and_none(tmp_path: Path) -> None:
    machine = ascend_machine(tmp_path)
    write(machine.root / "etc/ascend_install.info", "UserName=HwHiAiUser\nDriver_Install_Path_Param=/opt/Ascend\n")
    assert only(ascend.check_driver(machine)).what == "/opt/Ascend/driver/version.info is not there"
    write(machine.root / "opt/Ascend/driver/version.info", "version=25.0.RC1\n")
    assert only(ascend.check_driver(machine)).what == "driver 25.0.RC1, firmware not known from here"
    no_library = with_variables(machine, LD_LIBRARY_PATH="")
    assert texts(ascend.check_driver(no_library), "WARNING")[0].endswith("-> source /opt/Ascend/driver/bin/setenv.bash")


def test_devices_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = ascend_machine(tmp_path)
    (machine.root / "dev" / "hisi_hdc").unlink()
    assert only(ascend.check_nodes(machine)).what == "/dev/hisi_hdc is not there"
    # The tests may run as root, who may open everything.
    monkeypatch.setattr(ascend.os, "access", lambda path, mode: path.name != "davinci1")
    assert texts(ascend.check_nodes(machine), "ERROR")[1].startswith(
        "ERROR    this user may not open /dev/davinci1 -> "
    )


def test_a_number_of_no_device(tmp_path: Path) -> None:
    assert list(ascend.check_visible(ascend_machine(tmp_path, DEVICE_ID="1"))) == []
    found = only(ascend.check_visible(ascend_machine(tmp_path, DEVICE_ID="2")))
    assert found.as_line() == "ERROR    DEVICE_ID=2, and 2 devices can be used -> use a number below 2"
    hidden = ascend_machine(tmp_path, DEVICE_ID="1", ASCEND_RT_VISIBLE_DEVICES="1")
    assert only(ascend.check_visible(hidden)).fix == "use a number below 1"
