"""Rows from files: public benchmarks in a folder or on the hub (``--slm-data``), and a user's own tables."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args

from .declarations import ProbeError, Profile

#: What ``--slm-data`` says instead of a folder.
HUB = "hub"
LARGEST_FILE = 512 * 2**20
LARGEST_FIELD = 1_000_000  # characters
MOST_ROWS = 2_000_000
#: Names of fields that an error shows.
NAMES = 12
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

Fields = Mapping[str, Any]
Record = dict[str, Any]


class Placed(Record):
    """A row that knows its place in its file."""

    __slots__ = ("place",)

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        super().__init__(values)
        self.place = place


class DataError(ProbeError):
    """A file that cannot be read as what it should be: its name, the row and the field."""


class DataMissing(DataError):
    """A public data set that is not there: its probe is NOT TESTED."""


class NotAskable(DataMissing):
    """A test of another tool that cannot be asked here: its probe is NOT TESTED, and a limit that the user set is not met."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A public data set: a file in the folder of ``--slm-data``, or a data set of the hub.

    Args:
        path: within the folder, with ``/``: ``crows_pairs/crows_pairs_anonymized.csv``.
        fields: the fields that every row must have, each with its type (``str``, ``int``, ``float``, ``bool``, ``list``,
            ``dict``, or ``str | None`` for one that may be absent). Other fields are left out.
        hub: ``name[@revision][:configuration]:split`` of the data set on the hub, whose fields bear the same names; ``""`` if
            it has none.
        key: where the rows lie in a ``.json`` file that is an object; parts separated by ``/``.
        encoding: of the text; a byte order mark goes before it.
    """

    path: str
    fields: Fields
    hub: str = ""
    key: str = ""
    encoding: str = "utf-8"

    @property
    def need(self) -> str:
        """What a probe over it names in ``inputs``."""
        return "data"

    def rows(self, profile: Profile) -> list[Record]:
        """Return all rows, each with the fields named, in the file's order.

        Raises:
            DataMissing: there is no such file in the folder.
            DataError: it is not what it should be.
        """
        folder = profile.inputs[self.need]
        if folder == HUB:
            return self._from_hub()
        if not Path(folder).is_dir():
            raise DataError(f"--slm-data {folder}: no such folder; expected one that holds public data sets, or {HUB}")
        path = Path(folder, *self.path.split("/"))
        if not path.exists():
            raise DataMissing(f"{self.path} is not there")  # in a report that is shared: no word of where the folder lies
        return read(path, self.fields, key=self.key, encoding=self.encoding)

    def _from_hub(self) -> list[Record]:
        if not self.hub:
            raise DataMissing(f"the hub has no data set in the form of {self.path}: give a folder that holds it (--slm-data DIR)")
        if find_spec("datasets") is None:
            raise DataMissing("--slm-data hub needs datasets: reinstall this package with its extra [hub]")
        from datasets import load_dataset

        named, _, split = self.hub.rpartition(":")
        named, _, configuration = named.partition(":")
        name, _, revision = named.partition("@")
        try:
            found = load_dataset(name, configuration or None, split=split, revision=revision or None)
        except Exception as error:  # a network, a hub or a file: whatever datasets raises, with its own reason
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise DataError(
                f"the hub's data set {self.hub} cannot be loaded ({reason}): "
                f"where there is no network give a folder that holds {self.path} (--slm-data DIR)"
            ) from None
        return _checked(f"hub:{self.hub}", ((f"row {n}", row) for n, row in enumerate(found, 1)), self.fields)


def from_csv(path: str | Path, fields: Fields, *, encoding: str = "utf-8") -> list[Record]:
    """Return the rows of a ``.csv`` or ``.tsv`` file with a header line, for ``@probe(rows=...)``.

    Args:
        path: ``Path(__file__).with_name("questions.csv")`` is next to the probe's file.
        fields: the parameters wanted, with their types: ``{"question": str, "year": int}``.

    Raises:
        DataError: no such file, or one that is not so; it names file, row and field.
    """
    return read(Path(path), fields, encoding=encoding)


def from_json(path: str | Path, fields: Fields, *, key: str = "", encoding: str = "utf-8") -> list[Record]:
    """Return the rows of a ``.jsonl`` file, or of a ``.json`` file: a list of objects, one under ``key``, or an object a line.

    Raises:
        DataError: no such file, or one that is not so; it names file, row and field.
    """
    return read(Path(path), fields, key=key, encoding=encoding)


def read(path: Path, fields: Fields, *, key: str = "", encoding: str = "utf-8") -> list[Record]:
    """Return the rows of a file in the form that its name says: .csv, .tsv, .jsonl, .json, or .txt with a ``text`` in each line.

    Raises:
        DataError: as said.
    """
    forms = {".csv": _csv, ".tsv": _tsv, ".jsonl": _json_lines, ".txt": _lines}
    form = path.suffix.lower()
    if form not in (*forms, ".json"):
        raise DataError(f"{path}: {form or 'no ending'} is not a form of rows; expected {', '.join([*forms, '.json'])}")
    text = _text(path, encoding)
    try:
        rows = _json(text, key) if form == ".json" else forms[form](text)
        return _checked(str(path), rows, fields)
    except RecursionError:
        raise DataError(f"{path}: nested too deeply") from None
    except DataError:
        raise
    except (csv.Error, ValueError) as error:
        raise DataError(f"{path}: {error}") from None


def _text(path: Path, encoding: str) -> str:
    try:
        if not path.is_file():
            raise DataError(f"{path}: {'not a plain file' if path.exists() else _absent(path)}")
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"{path}: larger than {LARGEST_FILE // 2**20} MiB: split it, or keep the rows that you need")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    used = next((name for mark, name in _BOMS if data.startswith(mark)), encoding)
    try:
        return data.decode(used)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line} is not {used} (byte 0x{data[error.start]:02x}): save it as UTF-8, or name its encoding"
        ) from None


def _absent(path: Path) -> str:
    """Say that the file is missing; a relative path is seen from where the command runs, which an author may not expect."""
    near = "" if path.is_absolute() else f"; for a file next to the probe write Path(__file__).with_name({path.name!r})"
    return f"no such file{near}"


def _checked(where: str, rows: Iterable[tuple[str, Any]], fields: Fields) -> list[Record]:
    found = list[Record]()
    for place, row in rows:
        if not isinstance(row, Mapping):
            raise DataError(f"{where}: {place} is {type(row).__name__}; expected an object with {', '.join(fields)}")
        values = {name: _value(f"{where}: {place}", row, name, wanted) for name, wanted in fields.items()}
        found.append(Placed(values, place=place))
        if len(found) > MOST_ROWS:
            raise DataError(f"{where}: more than {MOST_ROWS:,} rows: keep those that you need")
    if not found:
        raise DataError(f"{where}: no rows")
    return found


def _value(where: str, row: Mapping[str, Any], name: str, wanted: Any) -> Any:
    kinds = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
    value = row.get(name)
    if value is None and NoneType in kinds:
        return None
    if name not in row:
        names = [_short(known) for known in islice(row, NAMES)] + ["..."] * (len(row) > NAMES)
        mark = next((m for m in ";\t|" if len(row) == 1 and m in next(iter(row))), "")
        hint = f" (its columns are separated by {mark!r}: expected ',' in a .csv, a tab in a .tsv)" if mark else ""
        raise DataError(f"{where} has no field {name!r}; it has {', '.join(names) or 'none'}{hint}")
    if isinstance(value, str) and len(value) > LARGEST_FIELD:
        raise DataError(f"{where}, field {name!r}: {len(value):,} characters; at most {LARGEST_FIELD:,}")
    read = next((found for kind in kinds if (found := _as(value, kind)) is not None), None)
    if read is None:
        expected = " or ".join("nothing" if kind is NoneType else kind.__name__ for kind in kinds)
        raise DataError(f"{where}, field {name!r}: {_short(value)} is not {expected}")
    return read


def _as(value: Any, kind: type) -> Any:
    """Return the value as that kind, or None: numbers may be given as text, as in every table."""
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return None
        return _whole(value) if kind is int else _finite(value)
    return value if isinstance(value, kind) else None


def _whole(value: int | float | str) -> int | None:
    try:
        return int(value) if not isinstance(value, float) or value.is_integer() else None
    except ValueError:
        number = _finite(value)  # "3.0"
        return int(number) if number is not None and number.is_integer() else None


def _finite(value: int | float | str) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _csv(text: str, delimiter: str = ",") -> Iterator[tuple[str, Record]]:
    kept = csv.field_size_limit(LARGEST_FIELD)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = next(reader, [])
        _once("the header", filter(None, header))
        for number, cells in enumerate(reader, 1):
            place = f"row {number} (line {reader.line_num})"
            if not cells:
                continue
            if len(cells) != len(header):
                raise ValueError(f"{place} has {len(cells)} cells; the header has {len(header)}")
            yield place, dict(zip(header, cells, strict=True))
    finally:
        csv.field_size_limit(kept)


def _once(where: str, names: Iterable[str]) -> None:
    """Raises:
    ValueError: a name occurs twice; one of the two would be lost.
    """
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ValueError(f"{where} names {_short(twice[0])} twice")


def _tsv(text: str) -> Iterator[tuple[str, Record]]:
    return _csv(text, "\t")


def _lines(text: str) -> Iterator[tuple[str, Record]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", {"text": line.rstrip("\r")}


def _json_lines(text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: a JSON text may hold U+2028
        if line.strip():
            try:
                yield f"line {number}", _loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON: {error}") from None


def _json(text: str, key: str) -> Iterator[tuple[str, Any]]:
    try:
        found = _loads(text)
    except ValueError:
        # some sets name files of an object a line so
        if key or "\n" not in text.strip():
            raise
        yield from _json_lines(text)
        return
    for part in filter(None, key.split("/")):
        if not isinstance(found, dict) or part not in found:
            raise ValueError(f"no {part!r} in it (wanted: {key})")
        found = found[part]
    if not isinstance(found, list):
        raise ValueError(f"{key or 'the whole'} is {type(found).__name__}; expected a list of objects")
    yield from ((f"row {n}", row) for n, row in enumerate(found, 1))


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_no_number, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> Record:
    found = dict(pairs)
    if len(found) < len(pairs):
        _once("an object", (name for name, _ in pairs))
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
