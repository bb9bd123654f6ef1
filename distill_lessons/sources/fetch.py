"""Read a source, and download what of it is not there.

Many kernels may start at once on one shared folder: one of them downloads and the others wait. A
download is verified in a folder of its own and renamed into its place, so whatever happens to it
(a kill, a full disk, a web page instead of the data), nothing unfinished stands under the final
name.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import http.client
import itertools
import os
import shutil
import tarfile
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

from distill_lessons import progress
from distill_lessons.sources.record import Contents, Download, File, NotUsable, Source

# A mirror is given up after so many seconds without a byte, or when after that time it still sends
# fewer bytes a second than this.
TIMEOUT, SLOWEST = 20.0, 5_000
# Seconds to wait for another kernel that is downloading.
PATIENCE = 3600.0
CHUNK, MEGABYTE = 2**16, 10**6
# No file of any source is larger, packed or unpacked: neither a server that never ends nor an
# archive that unpacks to more than the memory holds gets further.
LARGEST = 2**28
# What the disk says when there is no sense in asking another mirror.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def read(source: Source, root: Path) -> Contents:
    """Return what a source holds, downloading files that are missing or damaged.

    Args:
        source: its record.
        root: the data folder.

    Raises:
        FileNotFoundError: if files are missing or damaged and cannot be downloaded; it says which
            files, why not, and two ways out.
    """
    try:
        return source.reader(source, root)
    except NotUsable:
        fetch(source, root)
    try:
        return source.reader(source, root)
    except NotUsable as problem:
        raise _not_found(source, root, [str(problem)], "it came and went") from problem


def fetch(source: Source, root: Path) -> None:
    """Download the files of a source that are missing or damaged.

    A damaged file is kept under another name: it may be the user's own.

    Args:
        source: its record.
        root: the data folder; created if needed.

    Raises:
        FileNotFoundError: see `read`.
    """
    if not (problems := source.problems(root)):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone(source, root) as locked:
            wanted = [d for d in source.downloads if any(f.problem(root) for f in d.files)]
            if not wanted:
                return  # another kernel has done it
            if locked:
                _clean(source, root)
            staging = Path(tempfile.mkdtemp(prefix=_prefix(source), dir=root))
            try:
                print(f"Downloading {source.name} (about {source.megabytes} MB) to {root}.")
                for download in wanted:
                    _from_mirrors(download, source.mirrors, staging)
                for file in (file for download in wanted for file in download.files):
                    _place(file, staging, root)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise _not_found(source, root, problems, str(error)) from error


def _prefix(source: Source) -> str:
    return f".{source.name}-part-"


def _clean(source: Source, root: Path) -> None:
    """Remove what killed downloads left; only with the lock is it certain that they are dead."""
    for left in root.glob(f"{_prefix(source)}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _alone(source: Source, root: Path) -> Iterator[bool]:
    """Hold the lock of a source and give True; give False where the file system has no locks.

    The lock saves work. Without it every kernel downloads for itself, and the last one's files
    stand, which are as good as the first one's.
    """
    from filelock import FileLock, Timeout

    path = root / f".{source.name}.lock"
    lock = FileLock(path, mode=0o666)  # on a shared folder another account must be able to lock too
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Another kernel is downloading {source.name} to {root}; waiting for it.")
            lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        raise TimeoutError(
            f"another process has held {path} for {PATIENCE / 60:.0f} minutes; stop it"
        ) from error
    except (OSError, NotImplementedError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _from_mirrors(download: Download, mirrors: tuple[str, ...], staging: Path) -> None:
    """Put the verified files of a download below `staging`, from the first mirror that has them.

    Raises:
        OSError: if no mirror has them; it says what each of them did.
    """
    said = []
    for mirror in mirrors:
        try:
            _from(mirror, download, staging)
            return
        except (ValueError, OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _DISK:
                raise
            said.append(f"{mirror}{download.name}: {error or type(error).__name__}")
    raise OSError("; ".join(said))


def _from(mirror: str, download: Download, staging: Path) -> None:
    packed = staging / "packed"
    kind = _get(mirror + download.name, packed)
    try:
        _unpack(download, packed, staging)
    except (ValueError, EOFError, OSError, zlib.error, tarfile.TarError, KeyError) as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        size = packed.stat().st_size
        raise ValueError(f"sent {size:,} bytes of {kind}, not the published file") from error


def _get(url: str, path: Path) -> str:
    """Write what a server sends to `path` and return the kind of content that it names.

    Raises:
        OSError: if the server cannot be reached, refuses, stalls or breaks off.
        ValueError: if it sends without end.
    """
    start = time.monotonic()
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, path.open("wb") as sink:
        promised = int(answer.headers.get("Content-Length") or 0)
        megabytes = promised // MEGABYTE
        with progress.ticking(megabytes, f"{url.rpartition('/')[2]}, megabytes") as tick:
            got = 0
            # Not `read`, which would wait for a whole chunk however slowly it drips.
            while chunk := answer.read1(CHUNK):
                sink.write(chunk)
                for _ in range(got // MEGABYTE, (got + len(chunk)) // MEGABYTE):
                    tick()
                got += len(chunk)
                if got > LARGEST:
                    raise ValueError(f"does not end after {got:,} bytes")
                seconds = time.monotonic() - start
                if seconds > TIMEOUT and got < SLOWEST * seconds:
                    raise TimeoutError(f"only {got:,} bytes in {seconds:.0f} s")
        if got < promised:
            raise ConnectionError(f"broke off after {got:,} of {promised:,} bytes")
        return str(answer.headers.get_content_type())


def _unpack(download: Download, packed: Path, staging: Path) -> None:
    """Unpack a download below `staging`.

    Raises:
        ValueError: if a file in it is not the published one.
        OSError, EOFError, zlib.error, tarfile.TarError: if it cannot be unpacked.
    """
    if download.name.endswith(".tar.gz"):
        with tarfile.open(packed, "r:gz") as tar:
            for file in download.files:  # by name: nothing else is taken from the archive
                member = tar.extractfile(file.path)
                if member is None:
                    raise ValueError(f"{file.path} is not a regular file")
                _stage(file, member.read(LARGEST), staging)
        return
    [file] = download.files
    if download.name.endswith(".gz") and not file.path.endswith(".gz"):
        with gzip.open(packed) as unpacked:
            _stage(file, unpacked.read(LARGEST), staging)
    else:
        _stage(file, packed.read_bytes(), staging)


def _stage(file: File, content: bytes, staging: Path) -> None:
    if not file.is_published(content):
        raise ValueError(f"{file.path} is not the published file")
    path = staging / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())


def _place(file: File, staging: Path, root: Path) -> None:
    """Rename a verified file into its place; a damaged one there is kept under another name."""
    target = root / file.path
    if not file.problem(root):
        return  # another kernel was first
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        _keep_aside(target, file)
    (staging / file.path).replace(target)


def _keep_aside(target: Path, file: File) -> None:
    """Give what stands in a file's place another name, unless it is whole by now.

    Without locks another kernel may do the same at any moment: a name is taken only where nobody
    has it yet, and what was taken may turn out to be what the other one has just put there.
    """
    for number in itertools.count(1):
        aside = target.with_name(f"{target.name}.damaged" + (f"-{number}" if number > 1 else ""))
        if os.path.lexists(aside):
            continue
        try:
            os.link(target, aside)  # so that there is never nothing, should somebody read meanwhile
        except FileExistsError:
            continue
        except OSError:  # a folder, or a file system without links
            with contextlib.suppress(FileNotFoundError):
                target.replace(aside)
        break
    if aside.is_file() and file.is_published(aside.read_bytes()):
        aside.unlink()
    else:
        print(f"{target} was damaged; it is kept as {aside.name}.")


def _not_found(source: Source, root: Path, problems: list[str], why: str) -> FileNotFoundError:
    folder = source.files[0].path.split("/")[0]
    return FileNotFoundError(
        f"The data set {source.name!r} is not usable: {'; '.join(problems)}. Downloading it failed "
        f"too ({why}). Two ways out: copy the folder {folder!r} from a machine that has it to "
        f"{root} (or point DISTILL_DATA to where it is), or work with the digits, which need no "
        "file: unset DISTILL_DATASET."
    )
