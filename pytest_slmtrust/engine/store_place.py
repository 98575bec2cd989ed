"""Where a store may be: on a file system of this machine.

SQLite's write-ahead log lies in memory that all its processes share, and the locks of network file systems are not to be relied
on (https://www.sqlite.org/wal.html, https://www.sqlite.org/howtocorrupt.html): two machines would damage one store.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..escaping import one_line
from ..requests import BackendError

#: File systems that several machines share, as the kernel names them.
_SHARED = re.compile(
    r"(nfs\d?|cifs|smb\d?|smbfs|afs|openafs|ceph|lustre|gpfs|beegfs|orangefs|ocfs2|gfs2?|ncpfs|coda|"
    r"fuse\.(sshfs|glusterfs|ceph|s3fs|gcsfuse|rclone|juicefs|davfs2?|moosefs|mfs|goofys|blobfuse2?))\Z"
)
_MOUNTS = Path("/proc/self/mountinfo")


def local(folder: Path, mounts: Path = _MOUNTS) -> Path:
    """Return a folder if a store may be in it. Where the system does not list its mounts, any may.

    Raises:
        BackendError: it is on a network file system.
    """
    kind = kind_of(folder, mounts)
    if _SHARED.match(kind):
        raise BackendError(
            f"--slm-store {one_line(str(folder))}: lies on a network file system ({kind}), where two machines would damage the "
            "store; name a folder on a local disk. Machines share the work by --slm-shard and slmtrust merge"
        )
    return folder


def kind_of(folder: Path, mounts: Path = _MOUNTS) -> str:
    """Return the kind of file system that a folder is on, or will be; empty where nothing is known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        place = folder.resolve()
    except (OSError, RuntimeError, ValueError):
        return ""
    best, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        words = left.split(" ")
        if len(words) < 5 or not right:
            continue
        mount = Path(re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), words[4]))
        if place.is_relative_to(mount) and len(mount.parts) >= best:  # a later mount covers an earlier one
            best, kind = len(mount.parts), right.split(" ")[0]
    return kind
