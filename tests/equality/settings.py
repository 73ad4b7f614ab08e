"""The settings of a machine that results must not depend on, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Final

from reperform.tests.equality.corpus import Share


class Machine(StrEnum):
    """What a setting needs."""

    ANY = "any"
    X86 = "x86-64"  # the variable means nothing elsewhere
    ARM64 = "arm64"  # under emulation
    CUDA = "cuda"


@dataclass(frozen=True, slots=True)
class Setting:
    """Variables of the environment of a process, beside which nothing that is listed in CLEARED is set."""

    variables: Mapping[str, str] = field(hash=False)
    on: Machine = Machine.ANY

    def __str__(self) -> str:
        """As one would write it before a command; what it needs besides stands in front."""
        where = "" if self.on in {Machine.ANY, Machine.X86} else f"{self.on}: "
        return where + " ".join(f"{name}={value}" for name, value in self.variables.items())

    @property
    def needs(self) -> frozenset[str]:
        """Features that a processor must have, with LLVM's names."""
        capability = {"avx2": "+avx2", "avx512": "+avx512f"}.get(self.variables.get(_ISA, ""), "")
        return frozenset(f"{capability},{self.variables.get('NUMBA_CPU_FEATURES', '')}".replace("+", "").split(",")) - {
            ""
        }

    @property
    def share(self) -> Share:
        """Emulation is some fifty times slower."""
        return Share.FEW if self.on is Machine.ARM64 else Share.FULL


_REFERENCE: Final = {"REPERFORM_KERNELS": "reference"}
_FLOAT64: Final = {"REPERFORM_KERNELS": "cpu", "REPERFORM_PRODUCT": "float64"}
_INT16: Final = {"REPERFORM_KERNELS": "cpu", "REPERFORM_PRODUCT": "int16"}
_ONE: Final = {"OMP_NUM_THREADS": "1"}
_TWO: Final = {"OMP_NUM_THREADS": "2"}

# Instruction sets that the loops of the package are compiled for: AVX2, AVX2 with VNNI, and what every x86-64 has.
_COMPILED: Final = tuple(
    {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    for name, features in (
        ("haswell", "+avx2,+fma"),
        ("haswell", "+avx2,+fma,+avxvnni"),
        ("x86-64", "+sse2"),
    )
)

_ISA: Final = "ATEN_CPU_CAPABILITY"
_MKL: Final = "MKL_CBWR"
_ONEDNN: Final = "ONEDNN_MAX_CPU_ISA"

# The first that runs is what the others are compared with.
SETTINGS: Final = (
    *(Setting(kernels | threads) for kernels, threads in product((_REFERENCE, _FLOAT64, _INT16), (_ONE, _TWO))),
    *(
        Setting(_REFERENCE | {_ISA: isa} | threads, Machine.X86)
        for isa, threads in product(("default", "avx2", "avx512"), (_ONE, _TWO))
    ),
    *(
        Setting(kernels | {_ISA: isa} | _TWO, Machine.X86)
        for kernels, isa in product((_FLOAT64, _INT16), ("default", "avx2"))
    ),
    *(
        Setting(kernels | compiled | _ONE, Machine.X86)
        for compiled, kernels in product(_COMPILED, (_FLOAT64, _INT16))
        if kernels is _INT16 or "vnni" not in compiled["NUMBA_CPU_FEATURES"]
    ),
    *(Setting(_REFERENCE | {_MKL: mode} | _TWO, Machine.X86) for mode in ("COMPATIBLE", "AVX2", "AVX512")),
    *(Setting(kernels | {_MKL: "COMPATIBLE"} | _ONE, Machine.X86) for kernels in (_FLOAT64, _INT16)),
    *(Setting(_REFERENCE | {_ONEDNN: isa} | _TWO, Machine.X86) for isa in ("SSE41", "AVX2", "AVX512_CORE")),
    *(Setting(_INT16 | {_ONEDNN: isa} | _TWO, Machine.X86) for isa in ("SSE41", "AVX2")),
    *(
        Setting(_REFERENCE | {"ARM_CPU": processor} | _ONE, Machine.ARM64)
        for processor in ("neoverse-n1", "cortex-a72")
    ),
    Setting(_ONE, Machine.CUDA),
)

# What else in the environment could reach a kernel.
CLEARED: Final = frozenset(
    {name for setting in SETTINGS for name in setting.variables}
    | {"NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "DNNL_MAX_CPU_ISA"}
)
