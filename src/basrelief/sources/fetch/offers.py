"""What services offer of a place, and how it is brought: each file whole, with whose it is."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256 as hash_bytes
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from basrelief.config import InputError
from basrelief.hashes import hash_file
from basrelief.run import Record, is_disk_full, read_json, replacing, write_json
from basrelief.sources.archives import show_size
from basrelief.sources.fetch.client import N_AT_ONCE, Client, name_host
from basrelief.sources.fetch.downloads import download, read_kept
from basrelief.sources.inputs import CREDITS, find_existing
from basrelief.sources.licences import Credit

SPARE_BYTES = 2**30
"""What a disk must have left after a download: the run that follows writes as well."""

_writing = threading.Lock()


class EmptyPlaceError(InputError):
    """A place holds no area, so that nothing else that is brought of it would be of use."""


@dataclass(frozen=True)
class Offer:
    """One file that a service has of a place."""

    what: str
    """It in a few words, for the user: ``surface TQ28NE, 1 m``."""

    url: str
    name: str
    """Its path within the user's folder."""

    n_bytes: int | None
    """How large it is, or about: services that fill archives when asked cannot be asked before."""

    year: int | None
    """Of the edition, or of the last flight where that is known."""

    credit: Credit

    sha256: str | None = None
    check: Callable[[Path], None] | None = None
    """As `Client.download` takes it."""

    make: Callable[[Client, Path], None] | None = None
    """Writes the file under a path that is given, where it is not one download: boundaries come
    in pages, and of an archive only a part is wanted."""


@contextmanager
def showing_bytes(client: Client, offers: Sequence[Offer]) -> Iterator[Client]:
    """Show what came, how fast and how long the rest takes; nothing where nobody sees it.

    Gives the client to bring the offers with.
    """
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=sum_bytes(offers) or None)
        yield replace(client, count=lambda n_bytes: bar.advance(task, n_bytes))


@dataclass(frozen=True)
class Brought:
    """What came of offers."""

    files: tuple[Path, ...]
    """In the order of their offers."""

    failures: tuple[str, ...]
    """One line each: what did not come, and why."""


def sum_bytes(offers: Sequence[Offer]) -> int:
    """Add up what offers weigh, in bytes; those of unknown size count nothing."""
    return sum(offer.n_bytes or 0 for offer in offers)


def bring(
    client: Client, offers: Sequence[Offer], folder: Path, say: Callable[[str], None]
) -> Brought:
    """Download offers and lay them into a folder, each with its credit.

    What cannot be had is named, at once and again in what is returned; the rest goes on.

    Raises
    ------
    InputError
        If two offers have one name, there is no room for them, or the place holds no area.
    OSError
        If the disk is full.
    """
    _check_names(offers, folder)
    _check_room(client, offers, folder)
    found: dict[int, Path | str] = {}
    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        waiting = {
            pool.submit(_bring_one, client, each, folder): k for k, each in enumerate(offers)
        }
        try:
            for done in as_completed(waiting):
                k = waiting[done]
                found[k] = done.result()
                word = f"not brought: {found[k]}" if isinstance(found[k], str) else offers[k].what
                say(f"{len(found)} of {len(offers)}: {word}")
        except BaseException:
            # Whoever stops the program must not wait for pauses and half an archive.
            client.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    ordered = [found[k] for k in range(len(offers))]
    failures = tuple(each for each in ordered if isinstance(each, str))
    return Brought(tuple(each for each in ordered if isinstance(each, Path)), failures)


def keep_credit(folder: Path, name: str, offer: Offer, record: Record) -> None:
    """Write into a folder's ``credits.json`` whose a file is; what was said of it before goes.

    Parameters
    ----------
    name
        The file's path within the folder.
    record
        Its ``url``, ``sha256``, ``n_bytes`` and ``fetched``, as `Client.download` keeps them.
    """
    path = folder / CREDITS
    entry = (
        {"file": name, "what": offer.what, "year": offer.year}
        | record
        | {"credit": asdict(offer.credit)}
    )
    with _writing:
        known = read_json(path) if path.exists() else []
        # A file that was fetched anew has one entry, the last.
        others = [each for each in known if each["file"] != name]
        write_json(path, sorted([*others, entry], key=lambda each: str(each["file"])))


def _bring_one(client: Client, offer: Offer, folder: Path) -> Path | str:
    """Bring one offer; its place in the folder, or a line that says why it did not come."""
    target = folder / offer.name
    try:
        with replacing(target) as part:
            record = _make(client, offer, part) if offer.make else _download(client, offer, part)
        keep_credit(folder, offer.name, offer, record)
    except EmptyPlaceError:
        raise
    except InputError as error:
        return f"{offer.what}: {error}"
    except OSError as error:
        # Nor could any of the others be written, and each would be fetched for nothing.
        if is_disk_full(error):
            raise
        return f"{offer.what}: cannot be written ({error.strerror})"
    return target


def _download(client: Client, offer: Offer, part: Path) -> Record:
    """Download an offer by way of the cache; gives what is kept of it."""
    # Files of one name at two addresses are two files, in the cache that all places share.
    digest = hash_bytes(offer.url.encode()).hexdigest()[:10]
    kept = f"{name_host(offer.url)}/{digest}-{Path(offer.name).name}"
    # A copy in the folder and not a link: caches are emptied, and folders moved.
    found = download(client, offer.url, kept, sha256=offer.sha256, check=offer.check)
    shutil.copyfile(found, part)
    return read_kept(found)


def _make(client: Client, offer: Offer, part: Path) -> Record:
    """Let an offer write its file; gives what is known of it."""
    assert offer.make is not None
    offer.make(client, part)
    return {
        "url": offer.url,
        "sha256": hash_file(part),
        "n_bytes": part.stat().st_size,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _check_names(offers: Sequence[Offer], folder: Path) -> None:
    """Refuse names that are no file's in the folder: some are taken from what services answer."""
    names = [offer.name for offer in offers]
    for name in names:
        path = PurePosixPath(name)
        # An address that a service gives may hold "..", by mistake or not.
        is_within = not path.is_absolute() and ".." not in path.parts and name.isprintable()
        if not is_within or not path.suffix or (folder / path).is_dir():
            raise InputError(f"{name!r}: is no name for a file that is brought.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{twice}: two files would be brought under this name.")


def _check_room(client: Client, offers: Sequence[Offer], folder: Path) -> None:
    """Refuse what a disk has no room for, before hours of downloads."""
    new = sum_bytes([each for each in offers if not (folder / each.name).exists()])
    here, cache = (find_existing(path.absolute()) for path in (folder, client.cache))
    # The cache keeps a copy of its own.
    needed = new * (2 if here.stat().st_dev == cache.stat().st_dev else 1) + SPARE_BYTES
    free = shutil.disk_usage(here).free
    if new and needed > free:
        raise InputError(
            f"{folder}: {show_size(needed)} are needed there and {show_size(free)} are "
            "free. Choose another folder, or a smaller place."
        )
