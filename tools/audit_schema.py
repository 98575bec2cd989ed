"""Write ``reports/audit.schema.json`` anew from the classes of an audit."""

from __future__ import annotations

from pathlib import Path

from pytest_slmtrust.archive.schema import schema_text


def main() -> None:
    """Write the schema."""
    Path(__file__).parents[1].joinpath("reports", "audit.schema.json").write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
