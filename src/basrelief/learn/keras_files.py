"""Files of weights as Keras writes them: every layout of HDF5 that it had, and its archives."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from basrelief.config import InputError
from basrelief.learn.file_heads import describe_head
from basrelief.learn.magnitudes import find_number_fault

ARCHIVED = "model.weights.h5"
"""What a ``.keras`` archive calls the file of its weights."""

MAX_BYTES = 4 * 2**30
"""The most that is unpacked of an archive: VGG19 with its classifier takes an eighth."""

MAX_OBJECTS = 20_000
"""The most groups and arrays that are looked at: an optimiser of ResNet50V2 brings about 1,000."""

OPTIMISERS = ("optimizer", "optimizer_weights")
"""Groups that hold what an optimiser gathered, in arrays of the layers' own shapes."""

ROLES = {"kernel": 0, "W": 0, "bias": 1, "b": 1, "gamma": 0, "beta": 1}
ROLES |= {"moving_mean": 2, "running_mean": 2, "moving_variance": 3, "running_std": 3}
"""Keras' names of a layer's arrays, in the order in which it keeps them."""

ROLE = re.compile(rf"(?:^|_)({'|'.join(ROLES)})(?:_\d+)?(?::\d+)?$")

Array = np.ndarray[Any, Any]
Shapes = list[tuple[int, ...]]

BROKEN = (
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What h5py and zipfile raise for damaged files, depending on what the damage hits first."""


@dataclass(frozen=True)
class KerasLayer:
    """A layer that has weights: its name in the file, and the names of its arrays in order."""

    name: str
    arrays: tuple[str, ...]

    is_listed: bool = True
    """Whether the file says after which layer it comes; else its name has to."""


KerasLayers = list[KerasLayer]


def read_keras(
    where: str, path: Path, wanted: Mapping[str, Sequence[Shapes]], called: str, hint: str
) -> dict[str, list[list[Array]]]:
    """Read the layers that a network wants, kind by kind, in the order in which Keras lists them.

    Parameters
    ----------
    where
        What the file is called in messages.
    wanted
        By kind, in words ("convolutions"), the shapes of each layer's arrays as Keras has them.
    called, hint
        The network's name, and which file would fit: for the message.

    Returns
    -------
    By kind, of each layer its arrays.

    Raises
    ------
    InputError
        If the file is none of Keras', no model in it fits or several do, it points outside
        itself, or its numbers are not finite.
    """
    try:
        with _open(path) as file:
            _refuse_theano(where, file)
            arrays = _survey(where, file)
            models = _list_models(file, list(arrays))
            chosen = _choose(models, arrays, wanted)
            if isinstance(chosen, str):
                raise InputError(f"{where}: {chosen} {called}. {hint}")
            read = {
                kind: [[_read(where, arrays[name]) for name in layer.arrays] for layer in layers]
                for kind, layers in chosen.items()
            }
    except BROKEN as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        found = describe_head(path)
        raise InputError(
            f"{where}: not a Keras file of weights ({f'it is {found}' if found else reason})."
        ) from error
    return read


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    if path.suffix.lower() != ".keras":
        with h5py.File(path, "r") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(ARCHIVED).file_size > MAX_BYTES:
            raise ValueError(f"{ARCHIVED} in it is larger than {MAX_BYTES} bytes")
        content: BinaryIO = io.BytesIO(archive.read(ARCHIVED))
    with h5py.File(content, "r") as file:
        yield file


def _refuse_theano(where: str, file: h5py.File) -> None:
    """Refuse kernels that Theano learnt: it convolves with them turned by half a circle."""
    for group in (file, file.get("model_weights", getlink=False)):
        name = group.attrs.get("backend", "") if isinstance(group, h5py.Group) else ""
        name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        if name.lower() == "theano":
            raise InputError(
                f"{where}: its kernels were learnt with Theano (its attribute 'backend' says "
                "so), which mirrors them. Load it in Keras 2 with TensorFlow, which turns them, "
                "and save it again."
            )


def _survey(where: str, file: h5py.File) -> dict[str, h5py.Dataset]:
    """Find every array of a file by name; nothing that lies outside it is opened."""
    found: dict[str, h5py.Dataset] = {}
    seen, waiting = set[int](), [("", file["/"])]
    while waiting:
        prefix, group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        # A group may hold itself.
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _refuse_outside(where, prefix + name, "a link")
            item = group[name]
            if isinstance(item, h5py.Group) and name not in OPTIMISERS:
                waiting.append((f"{prefix}{name}/", item))
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise _refuse_outside(where, prefix + name, "numbers of another file")
                found[prefix + name] = item
            if len(found) + len(waiting) > MAX_OBJECTS:
                raise ValueError(f"it holds more than {MAX_OBJECTS} arrays and groups")
    return found


def _refuse_outside(where: str, name: str, what: str) -> InputError:
    # HDF5 would open any file that it is pointed to, and take its bytes for numbers.
    return InputError(
        f"{where}: {name!r} in it is {what}, which is never followed. Give a file that holds its "
        "own weights, as Keras' save_weights writes it."
    )


def _list_models(file: h5py.File, names: list[str]) -> list[KerasLayers]:
    """List the models that a file may be read as: the whole, and those nested in it."""
    parents: dict[str, list[str]] = {}
    for name in names:
        parents.setdefault(name.rpartition("/")[0], []).append(name)
    # Keras 3 keeps a layer's arrays by number in a group of their own.
    numbered = {parent: own for parent, own in parents.items() if parent.endswith("/vars")}
    containers: dict[str, KerasLayers] = {}
    for parent in sorted(numbered, key=_split_numbers):
        layer = parent.removesuffix("/vars")
        arrays = tuple(sorted(numbered[parent], key=_split_numbers))
        containers.setdefault(layer.rpartition("/")[0], []).append(KerasLayer(layer, arrays))
    legacy = [name for name in names if name.rpartition("/")[0] not in numbered]
    return [*containers.values(), *_list_legacy(file, legacy)]


def _list_legacy(file: h5py.File, names: list[str]) -> Iterator[KerasLayers]:
    """List the models of a file of Keras 2: a group a layer, a nested model being a layer."""
    top = "model_weights/" if "model_weights" in file else ""
    listed = list(_follow_attributes(file[top or "/"], top))
    is_whole = set(listed) == set(names)
    layers: dict[str, list[str]] = {}
    # Without the lists that Keras writes, by name: numbers in names follow the network.
    for name in listed if is_whole else sorted(names, key=_split_numbers):
        layers.setdefault(name.rpartition("/")[0], []).append(name)
    whole = [
        KerasLayer(parent, tuple(sorted(own, key=_rank_role)), is_whole)
        for parent, own in layers.items()
        if own
    ]
    yield whole
    for nested in dict.fromkeys(layer.name.removeprefix(top).split("/")[0] for layer in whole):
        inner = [layer for layer in whole if layer.name.startswith(f"{top}{nested}/")]
        if len(inner) < len(whole):
            yield inner


def _follow_attributes(group: h5py.Group, prefix: str) -> Iterator[str]:
    """Give the arrays of a Keras 2 model in the order that its attributes list them in."""
    for layer in _read_names(group, "layer_names"):
        if layer in group:
            for weight in _read_names(group[layer], "weight_names"):
                yield f"{prefix}{layer}/{weight}"


def _read_names(group: h5py.Group, attribute: str) -> list[str]:
    names = np.atleast_1d(group.attrs.get(attribute, [])).tolist()
    # Bytes in files of Keras 2, text in those of Keras 3.
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _split_numbers(name: str) -> list[tuple[int, int, str]]:
    """Split a name so that it sorts by its numbers: "conv2d_10" after "conv2d_9"."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _rank_role(name: str) -> int:
    found = ROLE.search(name.rpartition("/")[2])
    return ROLES[found[1]] if found else len(ROLES)


def _choose(
    models: list[KerasLayers],
    arrays: Mapping[str, h5py.Dataset],
    wanted: Mapping[str, Sequence[Shapes]],
) -> dict[str, KerasLayers] | str:
    """Choose the one model whose layers have the shapes that are wanted; or say what keeps it."""
    by_model = [_sort_layers(model, arrays) for model in models]
    fitting = {
        tuple(layer.name for kind in wanted for layer in by_kind[kind]): by_kind
        for by_kind in by_model
        if all(_shapes(by_kind[kind], arrays) == list(wanted[kind]) for kind in wanted)
    }
    if len(fitting) == 1:
        by_kind = next(iter(fitting.values()))
        return _find_disorder(by_kind) or by_kind
    if fitting:
        names = " and ".join(repr(layers[0]) for layers in list(fitting)[:2])
        return f"save one network alone: {len(fitting)} in it (from {names}) fit"
    # Of the likeliest, the one with most layers: what is nested in another has fewer.
    likeliest = max(by_model, key=lambda by_kind: sum(map(len, by_kind.values())), default={})
    for kind, shapes in wanted.items():
        found = _shapes(likeliest.get(kind, []), arrays)
        if found != list(shapes):
            say = f"its {len(found)} {kind} do not fit"
            if len(found) == len(shapes):
                at = next(k for k, own in enumerate(found) if own != shapes[k])
                say = (
                    f"{likeliest[kind][at].name!r} in it is {found[at]} instead of {shapes[at]}, "
                    f"so that {say}"
                )
            return f"{say} the {len(shapes)} of"
    raise AssertionError


def _find_disorder(by_kind: Mapping[str, KerasLayers]) -> str:
    """Say which layers nothing puts in order, neither the file nor their numbers; empty if none."""
    for kind, layers in by_kind.items():
        # Only what follows the same word: "block10" comes after "block2", and "last" nowhere.
        by_word = {re.sub(r"_?\d+", "", layer.name): layer for layer in layers}
        if len(by_word) > 1 and not all(layer.is_listed for layer in layers):
            names = " and ".join(repr(layer.name) for layer in list(by_word.values())[:2])
            return (
                f"nothing in it says in which order its {kind} come, {names} for example: save it "
                "with Keras' save_weights, which lists them, for"
            )
    return ""


def _sort_layers(model: KerasLayers, arrays: Mapping[str, h5py.Dataset]) -> dict[str, KerasLayers]:
    """Tell a model's layers apart by what their arrays are; dense layers are left out."""
    by_kind: dict[str, KerasLayers] = {"convolutions": [], "batch normalisations": []}
    for layer in model:
        ranks = [len(arrays[name].shape or ()) for name in layer.arrays]
        if ranks[0] == 4:
            by_kind["convolutions"].append(layer)
        elif ranks == [1, 1, 1, 1]:
            by_kind["batch normalisations"].append(layer)
    return by_kind


def _shapes(layers: KerasLayers, arrays: Mapping[str, h5py.Dataset]) -> list[Shapes]:
    return [[tuple(arrays[name].shape) for name in layer.arrays] for layer in layers]


def _read(where: str, stored: h5py.Dataset) -> Array:
    """Read an array whose shape fits, and look at its numbers."""
    if stored.dtype.kind != "f":
        raise InputError(f"{where}: {stored.name!r} is {stored.dtype}, not decimal numbers.")
    # Of any length and order of bytes: what is too large for a network becomes infinite.
    with np.errstate(over="ignore"):
        values = np.asarray(stored).astype(np.float32)
    fault = find_number_fault(float(np.abs(values).max(initial=0.0)), values.ndim)
    if fault:
        raise InputError(
            f"{where}: {stored.name!r} holds {fault}. Give weights that were saved before that."
        )
    return values
