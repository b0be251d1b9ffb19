"""A zip archive that lies elsewhere: its directory and single members, read by ranges of bytes."""

from __future__ import annotations

import io
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from basrelief.sources.archives import BROKEN, MAX_MEMBERS, check_member
from basrelief.sources.fetch.client import PIECE_BYTES, Client, ServiceError, name_host

TAIL_BYTES = 2**20
"""Read at once from the end: the directory of some ten thousand members."""


@dataclass(frozen=True)
class Member:
    """One member of an archive."""

    name: str
    start: int
    """Where its header begins, and below where what follows it does."""

    end: int
    crc: int
    """Of the file itself, as the archive has it."""


@dataclass(frozen=True, eq=False)
class RemoteZip:
    """An archive whose directory was read."""

    url: str
    size: int
    tail: bytes
    """Its end, with the directory: read once for all members."""

    members: dict[str, Member]

    def extract(self, client: Client, name: str, part: Path) -> None:
        """Write a member to a file.

        Raises
        ------
        ServiceError
            If it does not come whole: its checksum is held against the archive's.
        """
        member = self.members[name]
        file = _Remote(client, self.url, self.size, [(self.size - len(self.tail), self.tail)])
        # In one piece: read in small ones, each would be a request.
        file.load(member.start, member.end)
        try:
            with (
                zipfile.ZipFile(file) as archive,
                archive.open(name) as source,
                part.open("wb") as out,
            ):
                shutil.copyfileobj(source, out)
        except BROKEN as error:
            raise ServiceError(f"{name_host(self.url)}: {name} came damaged ({error})") from error


def open_remote_zip(client: Client, url: str) -> RemoteZip:
    """Read the directory of an archive, and nothing else of it.

    Raises
    ------
    ServiceError
        If the service gives no parts of files, or what is there is no archive.
    """
    # Without its size nobody knows where the directory begins: it stands at the end.
    size = client.measure(url)
    if not size:
        raise ServiceError(f"{name_host(url)}: does not say how large {url} is")
    file = _Remote(client, url, size, [])
    start = max(0, size - TAIL_BYTES)
    file.load(start, size)
    try:
        with zipfile.ZipFile(file) as archive:
            infos, directory = archive.infolist(), archive.start_dir
    except BROKEN as error:
        raise ServiceError(f"{name_host(url)}: {url} is no zip archive ({error})") from error
    if len(infos) > MAX_MEMBERS:
        raise ServiceError(f"{name_host(url)}: {url} holds more than {MAX_MEMBERS:,} files")
    # A directory may be in any order; a member ends where the next one begins.
    infos.sort(key=lambda each: each.header_offset)
    ends = [each.header_offset for each in infos[1:]] + [directory]
    members = {}
    for info, end in zip(infos, ends, strict=True):
        # Names of members become names of files.
        check_member(info, url)
        members[info.filename] = Member(info.filename, info.header_offset, end, info.CRC)
    start = min(start, directory)
    tail = b"".join(piece for at, piece in sorted(file.pieces) if at >= start)
    # A directory that is larger than the tail came in pieces, of which some overlap.
    if len(tail) != size - start:
        tail = client.read_range(url, start, size)
    return RemoteZip(url, size, tail, members)


class _Remote(io.RawIOBase):
    """A file elsewhere, of which pieces are here; what is missing is asked for."""

    def __init__(
        self, client: Client, url: str, size: int, pieces: list[tuple[int, bytes]]
    ) -> None:
        super().__init__()
        self.client, self.url, self.size = client, url, size
        self.pieces = list(pieces)
        self.at = 0

    def load(self, start: int, end: int) -> None:
        """Bring a piece, if it is not here."""
        for at, piece in self.pieces:
            if at <= start and end <= at + len(piece):
                return
        self.pieces.append((start, self.client.read_range(self.url, start, end)))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        self.at = max(0, base + offset)
        return self.at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self.size - self.at)
        if wanted <= 0:
            return 0
        piece = next((p for p in self.pieces if p[0] <= self.at < p[0] + len(p[1])), None)
        if piece is None:
            self.load(self.at, min(self.at + max(wanted, PIECE_BYTES), self.size))
            piece = self.pieces[-1]
        skipped = self.at - piece[0]
        found = piece[1][skipped : skipped + wanted]
        buffer[: len(found)] = found
        self.at += len(found)
        return len(found)

    def read(self, size: int = -1) -> bytes:
        # Whole: zipfile takes less than it asked for as the end of the file.
        wanted = self.size - self.at if size < 0 else size
        parts: list[bytes] = []
        while wanted > 0:
            buffer = bytearray(min(wanted, 2**20))
            n_got = self.readinto(memoryview(buffer))
            if not n_got:
                break
            parts.append(bytes(buffer[:n_got]))
            wanted -= n_got
        return b"".join(parts)
