"""What a file is that should hold weights, by how it begins: said where it cannot be read."""

from __future__ import annotations

import zipfile
from pathlib import Path

from basrelief.config import InputError
from basrelief.sources.archives import BROKEN
from basrelief.sources.formats import describe_stranger, read_head

HDF5 = b"\x89HDF"
ZIP = b"PK\x03\x04"
PICKLE = b"\x80"

KINDS = {
    HDF5: "HDF5, as Keras writes it; its name should end in .h5",
    b"GGUF": "GGUF, which is not read; give .safetensors",
    b"\x93NUMPY": "an array of NumPy's; save the weights by name: safetensors.torch.save_file",
    b"{": "JSON, such as the settings that lie beside weights; give the weights",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
}
"""What is given in the place of weights; see `formats.STRANGERS` for what is given anywhere."""

TAR_AT = 257
"""Where an archive of tar names itself (POSIX, ustar)."""

UNKNOWN = "of no kind that is read"


def describe_head(path: Path) -> str | None:
    """Say what a file is that could not be read as weights, and what would help.

    Returns
    -------
    None where it begins as weights do, or as nothing known: then it is damaged.
    """
    try:
        head = read_head(path, path.name)
    except InputError:
        return None
    suffix = path.suffix.lower()
    if head.startswith(ZIP):
        return _describe_zip(path, suffix)
    # The length of what follows, and then that: JSON (safetensors).
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return None if suffix == ".safetensors" else "safetensors; its name should end in that"
    if head[TAR_AT : TAR_AT + 5] == b"ustar":
        return "a tar archive; unpack it, and give the file of weights in it"
    if head.startswith(PICKLE):
        is_meant = suffix not in (".safetensors", ".h5", ".hdf5", ".keras")
        return None if is_meant else "PyTorch's; its name should end in .pth"
    if head.startswith(HDF5) and suffix in (".h5", ".hdf5"):
        return None
    found = next((kind for magic, kind in KINDS.items() if head.startswith(magic)), None)
    found = found or describe_stranger(head)
    return None if found == UNKNOWN else found


def _describe_zip(path: Path, suffix: str) -> str | None:
    """Tell archives apart: PyTorch's, Keras', TorchScript's and any other."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()[:10_000]}
    except BROKEN:
        return None
    if "constants.pkl" in names:
        return "TorchScript; save the weights alone: torch.save(model.state_dict(), FILE)"
    if "data.pkl" in names and suffix in (".safetensors", ".h5", ".hdf5", ".keras"):
        return "PyTorch's; its name should end in .pth"
    if "model.weights.h5" in names and suffix != ".keras":
        return "Keras' archive; its name should end in .keras"
    if not names & {"data.pkl", "model.weights.h5"}:
        return (
            "a zip archive without weights of PyTorch or Keras; unpack it, and give what it holds"
        )
    return None
