"""Does the kernel of the lessons start, and is it this Python?"""

from __future__ import annotations

import sys
from pathlib import Path

from distill_lessons.course.checking import Check, install, short
from distill_lessons.course.running import encryption

# Runs in the kernel: something simple, and which Python it is.
PROBE = "import sys; print(1 + 1, sys.executable, sys.prefix, sep='\\n')"


def kernel(name: str = "python3") -> Check:
    """Check that the lessons' kernel starts, computes, and runs this Python."""
    output: list[str] = []
    try:
        from jupyter_client.manager import KernelManager

        manager = KernelManager(kernel_name=name, transport_encryption=encryption())
        manager.start_kernel()
        client = manager.blocking_client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=60)
            client.execute_interactive(
                PROBE,
                store_history=False,
                timeout=60,
                output_hook=lambda m: output.append(m["content"].get("text", "")),
            )
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    except Exception as error:
        return Check("kernel", "problem", short(error), install("ipykernel"))
    lines = "".join(output).splitlines()
    if len(lines) != 3 or lines[0] != "2":
        seen = f"{name!r} answered {''.join(output)!r}"
        return Check("kernel", "problem", seen, install("ipykernel"))
    return judge_kernel(name, executable=lines[1], prefix=lines[2])


def judge_kernel(name: str, executable: str, prefix: str) -> Check:
    """Check that a kernel with this `executable` and `prefix` belongs to our environment.

    The prefix decides: in one environment ``python`` and ``python3`` are the same, and the
    executables of two environments may be links to one file.
    """
    if Path(prefix).resolve() == Path(sys.prefix).resolve():
        return Check("kernel", "OK", f"{name!r} starts and runs this Python")
    remedy = f"Point it here: {sys.executable} -m ipykernel install --sys-prefix --name {name}"
    seen = f"{name!r} runs another Python, {executable}, not {sys.executable}"
    return Check("kernel", "problem", seen, remedy)
