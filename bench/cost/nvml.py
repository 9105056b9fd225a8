"""Clocks and energy from NVIDIA's management library, where the package `nvidia-ml-py` and a GPU are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from bench.cost.records import Unavailable


def clocks(device: torch.device) -> dict[str, float]:
    """MHz as they are now: of a GPU's multiprocessors and memory (and the most they can), or the mean of the cores."""
    if device.type != "cuda":
        return {"cores": _cores()}
    nvml, handle = _open(device)
    try:
        return {
            "multiprocessors": float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            "multiprocessors, most": float(nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
            "memory": float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            "memory, most": float(nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        }
    except nvml.NVMLError as error:
        raise Unavailable(f"NVML does not tell the clocks: {error}") from error


class EnergyMeter:
    """Joule that a GPU's board took. Raises Unavailable where no counter can be read."""

    def __init__(self, device: torch.device) -> None:
        if device.type != "cuda":
            raise Unavailable("energy is read from NVML, which is for NVIDIA's GPUs")
        self._nvml, self._handle = _open(device)
        self._start = self._read()

    def joule(self) -> float:
        """Since the meter was made."""
        return (self._read() - self._start) / 1e3

    def _read(self) -> int:
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except self._nvml.NVMLError as error:
            raise Unavailable(f"NVML does not tell the energy: {error}") from error


def _open(device: torch.device) -> tuple[Any, Any]:
    """NVML and its handle of the device. By its UUID: NVML numbers all GPUs, torch only the visible ones."""
    try:
        import pynvml
    except ImportError:
        raise Unavailable("the package nvidia-ml-py is not installed (pip install -e '.[energy]')") from None
    try:
        pynvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(device).uuid).removeprefix("GPU-")
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError as error:
        raise Unavailable(f"NVML does not know this GPU: {error}") from error


def _cores(cpuinfo: Path = Path("/proc/cpuinfo")) -> float:
    try:
        found = re.findall(r"^cpu MHz\s*:\s*([\d.]+)$", cpuinfo.read_text(encoding="utf-8"), flags=re.MULTILINE)
    except OSError:
        found = []
    if not found:
        raise Unavailable("the system does not tell the clocks of its cores")
    return sum(map(float, found)) / len(found)
