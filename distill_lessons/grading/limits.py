"""What a submission may take of the machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """What a submission may take.

    Attributes:
        seconds: of the processor, in all; and as many in which it only waits.
        cell_seconds: the same for one cell, or one answer.
        memory: bytes, all its processes together.
        disk: bytes.
    """

    seconds: float = 300
    cell_seconds: float = 60
    memory: int = 4 * GIB
    disk: int = GIB

    @classmethod
    def checked(cls, seconds: float, cell_seconds: float, memory: float, disk: float) -> Limits:
        """Return limits for what somebody typed.

        Args:
            seconds: in all.
            cell_seconds: for a cell.
            memory: GiB.
            disk: GiB.

        Raises:
            ValueError: if one is no number that a machine has.
        """
        given = {"seconds": seconds, "cell-seconds": cell_seconds, "memory": memory, "disk": disk}
        for name, value in given.items():
            most = 2**20 if name in ("memory", "disk") else 10**7
            if not 0 < value <= most or not math.isfinite(value):
                unit = "GiB" if name in ("memory", "disk") else "seconds"
                raise ValueError(f"--{name} {value:g} must be above 0 and at most {most} {unit}.")
        return cls(seconds, cell_seconds, int(memory * GIB), int(disk * GIB))
