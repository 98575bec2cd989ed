"""Write the table of detectors by source into docs/explanation/detectors.md.

    python benchmarks/detector_table.py            # write it between its two markers
    python benchmarks/detector_table.py --check    # exit 1 if the page does not hold it

Counts come from ``pytest_slmtrust/detectors/detectors.toml`` and, for earlier rules, from ``benchmarks/outside/before.toml``.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from detectors import OUTSIDE, ROOT, Measured, _rate, stored

PAGE = ROOT / "docs" / "explanation" / "detectors.md"
BEGIN, END = "<!-- table of detectors: begin -->", "<!-- table of detectors: end -->"


def table() -> str:
    """Return the rows that rules were not tuned on, then the others; exact two-sided 95 % intervals."""
    before = {
        (row["detector"], row["data"], row["split"]): row["counts"]
        for row in tomllib.loads((OUTSIDE / "before.toml").read_text(encoding="utf-8"))["row"]
    }
    lines = [
        "| detector | texts | part | whose texts | found | left alone | found before | left alone before |",
        "|-|-|-|-|-|-|-|-|",
    ]
    for row in sorted(stored(), key=lambda row: (row.split.startswith("tuned on"), row.key)):
        lines.append(_line(row, before.get(row.key)))
    return "\n".join(lines)


def _line(row: Measured, old: Sequence[int] | None) -> str:
    now = _rates(row.tp, row.fn, row.tn, row.fp)
    then = _rates(*old) if old else ("", "")
    name = f"**{row.detector}**" if row.primary else row.detector
    return f"| {name} | {row.data} | {row.split} | {'others' if row.outside else 'authors'} | " + " | ".join((*now, *then)) + " |"


def _rates(tp: int, fn: int, tn: int, fp: int) -> tuple[str, str]:
    return f"{tp} of {tp + fn}: {_rate(tp, tp + fn)}", f"{tn} of {tn + fp}: {_rate(tn, tn + fp)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="compare with the page; write nothing")
    page = Path(PAGE).read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    made = f"{head}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"
    if parser.parse_args().check:
        sys.exit(0 if made == page else f"{PAGE} does not hold the table: run python benchmarks/detector_table.py")
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
