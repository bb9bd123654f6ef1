"""Files that are whole or not there: written under another name and renamed when they are done.

Whoever reads meanwhile finds the old file or the new one, and a full disk, a kill or a power cut
leaves no half of a file under a name that someone trusts. Knows nothing of what is in a file.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path


def write(path: Path, content: bytes | str, *, private: bool = False) -> None:
    """Write a file as a whole, in place of an older one.

    Args:
        path: where to; its folder must exist.
        content: bytes, or text to be written as UTF-8. What UTF-8 cannot hold (half of a surrogate
            pair, as in the name of a file in an old encoding) is written with backslashes.
        private: True if only this account may read it.

    Raises:
        OSError: if it cannot be written; an older file is then as it was.
    """
    write_all({path: content}, private=private)


def write_all(contents: Mapping[Path, bytes | str], *, private: bool = False) -> None:
    """Write files that belong together: none is put in place before all of them are on the disk.

    Args:
        contents: see `write`.
        private: see `write`.

    Raises:
        OSError: if one cannot be written; all older ones are then as they were.
    """
    with contextlib.ExitStack() as stack:
        temporaries = [
            (stack.enter_context(_temporary(path, content, private)), path)
            for path, content in contents.items()
        ]
        for temporary, path in temporaries:
            temporary.replace(path)


def write_new(path: Path, content: bytes | str) -> None:
    """Write a file as a whole under a name that is free.

    Args:
        path: where to; its folder must exist.
        content: see `write`.

    Raises:
        FileExistsError: if there is anything of that name; it is left alone.
        OSError: if the file cannot be written; then there is none.
    """
    with _temporary(path, content, private=False) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename it fails where something is
        except FileExistsError:
            raise
        except OSError:  # a file system without links, such as a USB stick's
            if os.path.lexists(path):
                raise FileExistsError(f"{path} exists") from None
            temporary.rename(path)


@contextlib.contextmanager
def _temporary(path: Path, content: bytes | str, private: bool) -> Iterator[Path]:
    """Write the content beside its place, and remove it afterwards if it is still there."""
    if isinstance(content, str):
        content = content.encode("utf-8", errors="backslashreplace")
    # Short, since the name itself may be as long as the file system allows.
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(temporary, flags, 0o600 if private else 0o666), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # some disks say only now that they are full
        except OSError as error:  # by the name that the caller knows
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
