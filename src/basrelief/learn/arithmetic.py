"""Where networks run and how exactly they count, chosen from the machine."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Literal

import torch

from basrelief.config import InputError, Settings

LAYOUT = torch.channels_last
"""Order of pictures and maps in memory: convolutions are faster with it in every precision."""

HELD_BYTES = 2**30
"""Freed memory that a process keeps for what comes next, instead of giving it back."""


@dataclass(frozen=True)
class Arithmetic:
    """A device and a precision."""

    device: torch.device
    precision: Literal["fp32", "bf16"]

    @property
    def dtype(self) -> torch.dtype:
        """Type of the numbers that convolutions multiply."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def autocast(self) -> torch.autocast:
        """Context in which convolutions and matrix products use the precision."""
        is_mixed = self.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=is_mixed)

    def __str__(self) -> str:
        return f"{self.device.type}, {self.precision}"


def choose_arithmetic(settings: Settings) -> Arithmetic:
    """Choose device and precision as the settings say, or as suits the machine.

    ``auto`` takes bf16 on processors with AMX or AVX-512 BF16 and on GPUs that have it,
    since on others it is slower than fp32. On a processor this process then holds on to memory
    that layers free (`hold_memory`).

    Raises
    ------
    InputError
        If ``models.device`` names a device that this machine does not have.
    """
    device = _choose_device(settings.models.device)
    if device.type == "cpu":
        hold_memory()
    precision = settings.models.precision
    if precision == "auto":
        precision = "bf16" if _is_fast_in_bf16(device) else "fp32"
    return Arithmetic(device, precision)


def hold_memory() -> None:
    """Have the C library keep freed memory for the next layer: a quarter of the time of VGG16.

    A layer's output is hundreds of megabytes. The GNU library hands such pieces back to the
    system at once, which clears them page by page before the next layer has them again.
    Elsewhere, and where it refuses, nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
        library.mallopt(mmap_threshold, HELD_BYTES)
        library.mallopt(trim_threshold, HELD_BYTES)


def _choose_device(typed: str) -> torch.device:
    has = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if typed == "auto":
        return torch.device(next(name for name, is_there in has.items() if is_there))
    if not has[typed]:
        there = ", ".join(repr(name) for name, is_there in has.items() if is_there)
        raise InputError(
            f"models.device = {typed!r}: this machine has none. It has {there}; "
            "'auto' takes the fastest."
        )
    return torch.device(typed)


def _is_fast_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Asked of the processor, not timed: a busy machine must not change the result.
        has = torch.cpu.get_capabilities()
        return bool(has.get("amx_bf16") or has.get("avx512_bf16"))
    return False
