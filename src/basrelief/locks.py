"""Locks of folders: one process works in a folder at a time, and tells others that it does."""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TextIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

from basrelief.config import InputError
from basrelief.run import Run

LOCK = ".lock"
"""The file by which a process keeps a folder to itself."""

FAR = 2**30
"""Where Windows locks a byte, behind all that stands in the file: others may read the rest."""

HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What systems say of a file that another process has locked: the last two on Windows."""

NO_LINK, NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)
OPENING = os.O_RDWR | os.O_CREAT | NO_LINK | NO_WAIT
"""How a lock is opened. Windows has no pipes in folders, and few links."""

HOLDER = re.compile(r"\d+ on .*")
"""What stands in it: which process, on which machine."""


@contextmanager
def locking(run: Run, typed: str) -> Iterator[None]:
    """Keep the folder of a run to this process for a while.

    Parameters
    ----------
    typed
        The folder as the user gave it: ``out = 'runs/a'``.

    Raises
    ------
    InputError
        Names the process that works in it; or what lies there is no lock of the program's.
    """
    path = run.folder / LOCK
    with _open_lock(path, typed) as file:
        is_taken = _take(file)
        is_there = path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))
        if not (is_taken and is_there):
            # Held by another, or just given back by one that has removed it: whoever comes next
            # makes a new file, and both would think to have it alone.
            file.seek(0)
            raise InputError(
                f"{typed}: another basrelief works there (process {file.read().strip() or '?'}). "
                "Wait until it has ended, or choose another folder."
            )
        found = file.read(200)
        if found and not HOLDER.fullmatch(found):
            raise _not_a_lock(typed)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()} on {platform.node()}")
        file.flush()
        try:
            yield
        finally:
            # Windows removes no file that is open; the next one takes it as it lies.
            if sys.platform != "win32":
                path.unlink(missing_ok=True)


def _take(file: TextIO) -> bool:
    """Lock an open file; False where another process has it.

    The system takes it back from a process that dies, whatever became of the file.
    """
    try:
        if sys.platform == "win32":
            file.seek(FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in HELD:
            raise
        return False
    return True


def _open_lock(path: Path, typed: str) -> TextIO:
    """Open the lock of a folder, made where there is none."""
    try:
        # Not through a link, whose file would be emptied; and a pipe is not waited for.
        number = os.open(path, OPENING, 0o666)
    except OSError as error:
        raise _not_a_lock(typed) from error
    stat = os.fstat(number)
    # A file of two names may be anybody's under the other one.
    if not S_ISREG(stat.st_mode) or stat.st_nlink > 1:
        os.close(number)
        raise _not_a_lock(typed)
    return os.fdopen(number, "r+", encoding="utf-8", errors="replace")


def _not_a_lock(typed: str) -> InputError:
    return InputError(
        f"{typed}: {LOCK} in it is no file that this program wrote. Move it away, or choose "
        "another folder."
    )
