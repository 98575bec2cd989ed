"""Make ``detectors/credential_rules.json`` from the rules of gitleaks (MIT licence), which are kept up to date with the vendors.

    git clone https://github.com/gitleaks/gitleaks
    python tools/credential_rules.py gitleaks

gitleaks looks for tokens in files of source code, with Go's regular expressions. Here they are searched for in prose and with
Python's, so three things are translated: flags in the middle of a pattern, Go's own escapes, and the sign that must follow a
token in code (a quote or a blank; in prose a full stop or a letter of another script follows too).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "pytest_slmtrust" / "detectors" / "credential_rules.json"
#: Rules that ``detectors/credentials.py`` replaces with ones for prose, or whose patterns take more than linear time.
REPLACED = frozenset({
    "curl-auth-header", "curl-auth-user", "generic-api-key", "hashicorp-tf-password", "jwt", "kubernetes-secret-yaml",
    "nuget-config-password", "pkcs12-file", "private-key", "sidekiq-sensitive-url",
})  # fmt: skip
#: Names of things that are public: a client's id identifies, and opens nothing.
PUBLIC = re.compile(r"-(?:client|access)-id$|-pub-|-public-key$")
#: What may precede the keyword in a name (only the secret is masked, so it need not be matched).
BEFORE = r"[\w.-]{0,50}?"
#: What must follow a token in source code.
AFTER = (r"""(?:[\x60'"\s;]|\\[nr]|$|\b)""", r"""(?:[\x60'"\s;]|\\[nr]|$)""")


def translated(pattern: str) -> str:
    """A pattern of Go's RE2 as one of Python's ``re`` (to be compiled with ``re.ASCII``)."""
    pattern = pattern.replace(BEFORE, "").replace("[[:alnum:]]", "[A-Za-z0-9]").replace(r"\z", r"\Z")
    for after in AFTER:
        pattern = pattern.replace(after, r"(?![\w-])")
    return scoped(re.sub(r"\(\?P<\w+>", "(?:", pattern))


def scoped(pattern: str) -> str:
    """The pattern with each ``(?i)`` that is not at its start as a group up to the end of the group it is in."""
    out, ends, at = "", [0], 0  # ends: groups opened by a flag and not closed yet, for each open group
    in_class = False
    while at < len(pattern):
        sign = pattern[at]
        if sign == "\\":
            out += pattern[at : at + 2]
            at += 2
            continue
        if not in_class and pattern.startswith("(?i)", at) and at:
            out += "(?i:"
            ends[-1] += 1
            at += 4
            continue
        if in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign == "(":
            ends.append(0)
        elif sign == ")":
            out += ")" * ends.pop()
        out += sign
        at += 1
    return out + ")" * ends.pop()


def rule(found: dict[str, Any]) -> dict[str, Any]:
    pattern = translated(found["regex"])
    re.compile(pattern, re.ASCII)
    made = {"id": found["id"], "keywords": found["keywords"], "pattern": pattern}
    return made | {key: found[old] for key, old in (("entropy", "entropy"), ("group", "secretGroup")) if found.get(old)}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)

    def show(*what: str) -> str:
        return subprocess.run(["git", "-C", sys.argv[1], *what], capture_output=True, text=True, check=True).stdout

    rules = tomllib.loads(show("show", "HEAD:config/gitleaks.toml"))["rules"]
    kept = [rule(one) for one in rules if one["id"] not in REPLACED and not PUBLIC.search(one["id"])]
    about = {
        "source": "gitleaks, config/gitleaks.toml",
        "commit": show("rev-parse", "HEAD").strip(),
        "licence": show("show", "HEAD:LICENSE"),
    }
    lines = ",\n".join(f"  {json.dumps(one)}" for one in kept)
    TARGET.write_text(f'{json.dumps(about, indent=1)[:-2]},\n "rules": [\n{lines}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
