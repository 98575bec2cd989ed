"""The folder of public data sets, which are no part of the project.

Name it by the variable ``PUBLIC_DATA``, or by ``--public-data`` of the tests.
"""

from __future__ import annotations

import os
from pathlib import Path

NAMED = os.environ.get("PUBLIC_DATA", "")
DATA = Path(NAMED or "no folder of public data was named").absolute()
MISSING = f"{DATA}: no such folder" if NAMED else "needs public data sets: --public-data FOLDER, or PUBLIC_DATA"
