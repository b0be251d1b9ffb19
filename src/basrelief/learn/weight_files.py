"""Files of weights as PyTorch's users have them: plain, wrapped by a trainer, of another size."""

from __future__ import annotations

import pickle
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from basrelief.config import InputError
from basrelief.learn.file_heads import describe_head
from basrelief.learn.leftovers import list_leftovers
from basrelief.learn.magnitudes import find_number_fault

SAFETENSORS = ".safetensors"

WRAPPINGS = ("state_dict", "model_state_dict", "model", "module", "network", "net", "weights")
"""Where trainers keep the weights in what they save; the first that is there counts."""

FILTERS = ("checkpoint_filter_fn", "_filter_torchvision_pretrained")
"""What timm calls, in a network's own module, the function that brings others' weights to it."""

MISMATCHES = (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError)
"""What timm's filters raise for weights of another network."""

MAX_DEPTH = 10
"""How deep in what a trainer saved weights are looked for: none keeps them deeper than three, and
a dict may hold itself."""

PATCHES = "patch_embed.proj.weight"
"""What timm calls the kernels that see the patches of a picture."""

ADVICE = "weights_only"
"""Where PyTorch's own message has this, it advises to run whatever a file brings along."""

State = dict[str, Tensor]


def read_state(where: str, path: Path) -> State:
    """Read the tensors of a file by name, out of what a trainer may have wrapped around them.

    No object of Python is ever loaded from it.

    Parameters
    ----------
    where
        What the file is called in messages.

    Raises
    ------
    InputError
        If it cannot be read, or holds no tensors by name.
    """
    found: Any
    if path.suffix.lower() == SAFETENSORS:
        try:
            found = load_file(path)
        except (OSError, SafetensorError, ValueError) as error:
            raise _refuse_unreadable(where, path, error) from error
    else:
        found = _unpickle(where, path)
    return _unwrap(where, found)


def take_prefixed(prefix: str, state: State) -> State:
    """Take the tensors whose names begin with a prefix, under what follows it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def fit_state(where: str, state: State, model: nn.Module, wants: str) -> State:
    """Find in a file what a network needs, whatever its names begin with; leave classifiers out.

    What is of another size, such as the places of tokens, is brought to the network's by timm's
    own rules.

    Parameters
    ----------
    wants
        What file would fit, for the message.

    Returns
    -------
    Every tensor of the network's own state, by its names.

    Raises
    ------
    InputError
        If a tensor is missing, of another shape, or not finite; or if the file holds more than
        the network and what may follow it, as that of a deeper one does.
    """
    wanted = model.state_dict()
    by_prefix = {
        prefix: own
        for prefix in _list_prefixes(state, wanted)
        if not _list_missing(own := take_prefixed(prefix, state), wanted)
    }
    for prefix, own in by_prefix.items():
        others = tuple(other for other in by_prefix if other.startswith(prefix) and other != prefix)
        own = {key: value for key, value in own.items() if not f"{prefix}{key}".startswith(others)}
        by_prefix[prefix] = _complete(where, own, model, wants)
    fitting = list(by_prefix.values())
    if len(fitting) > 1 and not all(_are_equal(fitting[0], own) for own in fitting[1:]):
        raise InputError(
            f"{where}: {len(fitting)} networks in it fit, and they differ: their names begin with "
            f"{' and '.join(repr(prefix) for prefix in by_prefix)}. Save one of them alone."
        )
    if fitting:
        return fitting[0]
    own = take_prefixed(_find_prefix(state, wanted), state)
    likeliest = _filter(own, model)
    missing = [*_list_other_patches(own, wanted), *_list_missing(likeliest, wanted)]
    if missing and missing[0] == PATCHES:
        likeliest = own
    if missing:
        raise InputError(
            f"{where}: {len(missing)} of {len(wanted)} tensors are missing or of another "
            f"shape, the first {missing[0]!r}{_say_found(missing[0], likeliest, wanted)}. "
            f"{wants}"
        )
    return _complete(where, likeliest, model, wants)


def _complete(where: str, state: State, model: nn.Module, wants: str) -> State:
    """Give every tensor of a network's own state, out of one that has all it wants."""
    wanted = model.state_dict()
    named = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    classifiers = (named,) if isinstance(named, str) else named
    left = list_leftovers(state, wanted, classifiers)
    if left:
        raise InputError(
            f"{where}: {len(left)} tensors in it are of another network, perhaps a deeper one: "
            f"this one has no place for {', '.join(repr(name) for name in left[:3])}"
            f"{', ...' if len(left) > 3 else ''}. {wants}"
        )
    own = {key: state.get(key, values) for key, values in wanted.items()}
    _check_numbers(where, own, wanted)
    # A network with all its weights at zero answers the same whatever it sees.
    if not any(bool(values.any()) for values in own.values() if values.dim() > 1):
        raise InputError(f"{where}: every weight in it is 0. Give weights that have learnt.")
    return own


def _unpickle(where: str, path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # torch warns of archives of TorchScript before it refuses them.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named is None:
            raise _refuse_unreadable(where, path, error) from error
        raise InputError(
            f"{where}: not a plain file of weights: it holds Python objects ({named[1]!r}), and "
            "running what a file brings along is never done. Save the weights alone: "
            "torch.save(model.state_dict(), FILE)."
        ) from error
    except Exception as error:  # an unpickler raises many kinds
        raise _refuse_unreadable(where, path, error) from error


def _refuse_unreadable(where: str, path: Path, error: Exception) -> InputError:
    found = describe_head(path)
    if found is not None:
        return InputError(f"{where}: not a plain file of weights: it is {found}.")
    line = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    if ADVICE in str(error):
        line = "its beginning is none that PyTorch writes, or what follows does not fit it"
    reason = "".join(sign if sign.isprintable() else "?" for sign in line)
    return InputError(
        f"{where}: not a plain file of weights, or damaged: cannot be read ({reason}). "
        "Fetch or save it again."
    )


def _unwrap(where: str, found: Any) -> State:
    """Take the tensors out of what a trainer saved around them."""
    wrapped = found
    for _ in range(MAX_DEPTH):
        if not isinstance(wrapped, Mapping):
            break
        if any(isinstance(v, Tensor) for v in wrapped.values()):
            break
        inner = [wrapped[key] for key in WRAPPINGS if isinstance(wrapped.get(key), Mapping)]
        if not inner:
            break
        wrapped = inner[0]
    tensors: State = {}
    if isinstance(wrapped, Mapping):
        tensors = {str(k): v for k, v in wrapped.items() if isinstance(v, Tensor)}
    if not tensors:
        what = f"something of type {type(found).__name__}"
        if isinstance(found, Mapping):
            what = (
                f"a dict with {', '.join(repr(str(key)) for key in list(found)[:5]) or 'nothing'}"
            )
        raise InputError(
            f"{where}: holds {what}, not tensors by name. Save the weights alone: "
            "torch.save(model.state_dict(), FILE)."
        )
    return tensors


def _list_prefixes(state: State, wanted: State) -> list[str]:
    """List what the names of a network in the file may begin with, such as ``module.``."""
    # Any of the network's own names would do; a rare one gives few that are tried in vain.
    last = next(reversed(wanted))
    return sorted({key.removesuffix(last) for key in state if _ends_with(key, last)})


def _ends_with(key: str, name: str) -> bool:
    return key == name or key.endswith(f".{name}")


def _find_prefix(state: State, wanted: State) -> str:
    """Find the prefix under which most of a network's names are, whatever their shapes."""
    prefixes = {
        key.removesuffix(name)
        for name in list(wanted)[:3]
        for key in state
        if _ends_with(key, name)
    }
    count = {prefix: sum(prefix + key in state for key in wanted) for prefix in prefixes}
    return max(sorted(count), key=lambda prefix: count[prefix], default="")


def _filter(state: State, model: nn.Module) -> State:
    """Bring others' names and sizes to a network of timm's by its own function, if it has one."""
    module = sys.modules[type(model).__module__]
    own = next((getattr(module, name) for name in FILTERS if hasattr(module, name)), None)
    if own is None:
        return state
    try:
        filtered = own(dict(state)) if own.__name__.startswith("_") else own(dict(state), model)
    except MISMATCHES:
        # Weights of another network: what is missing is said of them as they are.
        return state
    return {key: value for key, value in filtered.items() if isinstance(value, Tensor)}


def _list_missing(state: State, wanted: State) -> list[str]:
    return [
        key
        for key in wanted
        # Files from before PyTorch 0.4.1 do not count the batches; nothing is made of the count.
        if not (key not in state and key.endswith("num_batches_tracked"))
        and (key not in state or state[key].shape != wanted[key].shape)
    ]


def _list_other_patches(state: State, wanted: State) -> list[str]:
    """List the embedding of patches if it was learnt for others: timm would stretch its kernels."""
    if PATCHES not in state or PATCHES not in wanted or state[PATCHES].dim() < 4:
        return []
    return [PATCHES] if state[PATCHES].shape[2:] != wanted[PATCHES].shape[2:] else []


def _say_found(key: str, state: State, wanted: State) -> str:
    if key not in state:
        # As Python writes them: a damaged file may have line breaks in its names.
        names = ", ".join(repr(name) for name in list(state)[:2])
        return f" (it has {names}, ...)" if names else ""
    return f" ({tuple(state[key].shape)} instead of {tuple(wanted[key].shape)})"


def _are_equal(one: State, other: State) -> bool:
    return all(torch.equal(values, other[key]) for key, values in one.items())


def _check_numbers(where: str, state: State, wanted: State) -> None:
    """Refuse numbers that no network can count with."""
    for key, values in state.items():
        is_decimal = values.is_floating_point() and values.layout == torch.strided
        if values.is_meta:
            raise InputError(
                f"{where}: {key!r} has a shape and no numbers, as on the 'meta' device. "
                "Save the weights of a network that has been loaded."
            )
        if wanted[key].is_floating_point() and not is_decimal:
            raise InputError(f"{where}: {key!r} is {values.dtype}, not plain decimal numbers.")
        largest = float(values.double().abs().max()) if is_decimal and values.numel() else 0.0
        fault = find_number_fault(largest, values.dim())
        if fault:
            raise InputError(
                f"{where}: {key!r} holds {fault}. Give weights that were saved before that."
            )
        if key.endswith("running_var") and bool((values.float() < 0).any()):
            raise InputError(
                f"{where}: {key!r} holds variances below 0, so the file is damaged or of another "
                "kind of layer. Give it as it was saved."
            )
