"""Numbers that states give to persons: found by their form, or by what the text calls them; checked by python-stdnum."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

#: Kind, start and end.
Found = tuple[str, int, int]

#: Forms that are rare enough in other texts, and the kinds of number that have them. A kind is the module of python-stdnum.
_FORMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", ("br.cpf",)),
    (r"[0-9]{17}[0-9Xx]", ("cn.ric",)),
    (r"[A-Za-z]{6}[0-9]{2}[A-EHLMPRSTa-ehlmprst][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]", ("it.codicefiscale",)),
    (r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[A-Z0-9][0-9]", ("mx.curp",)),
    (r"[12] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", ("fr.nir",)),
    (r"[0-9]{8}-?[A-Z]", ("es.dni",)),
    (r"[XYZ]-?[0-9]{7}-?[A-Z]", ("es.nie",)),
    (r"[0-9]{7}[A-W][A-IW]?", ("ie.pps",)),
    (r"[A-Z]{3}P[A-Z][0-9]{4}[A-Z]", ("in_.pan",)),
    (r"(?:19|20)?[0-9]{6}[-+][0-9]{4}", ("se.personnummer", "dk.cpr", "is_.kennitala")),
    (r"[0-9]{6}[-+ABCDEFYXWVU][0-9]{3}[0-9A-Z]", ("fi.hetu",)),
    (r"[0-9]{6}-[0-9]{7}", ("kr.rrn",)),
    (r"[0-9]{6}-[0-9]{2}-[0-9]{4}", ("my.nric",)),
    (r"[0-9]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]", ("th.pin",)),
    (r"[0-9]{5}-[0-9]{7}-[0-9]", ("pk.cnic",)),
    (r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}[.-][0-9]{2}", ("be.nn",)),
    (r"[0-9]{4}\.[0-9]{2}\.[0-9]{3}", ("nl.bsn",)),
    (r"756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}", ("ch.ssn",)),
    (r"[0-9]{6} ?[0-9]{5}", ("no.fodselsnummer", "tr.tckimlik")),
    (r"[0-9]{6}/[0-9]{3,4}", ("cz.rc",)),
    (r"[0-9]{4} [0-9]{6}", ("at.vnr",)),
    (r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]", ("cl.rut",)),
    (r"[0-9]{8} [0-9] [A-Z0-9]{2}[0-9]", ("pt.cc",)),
)
_SHAPE = re.compile(
    r"(?<![A-Za-z0-9])(?<![A-Za-z0-9][-./])(?:" + "|".join(f"({form})" for form, _ in _FORMS) + r")(?![A-Za-z0-9])(?![-./][0-9])"
)
_ANY = ("za.idnr", "il.idnr", "th.pin", "cn.ric", "id.nik")
#: What a text calls a number, in small letters, and the kinds that it may then be.
_CALLED: dict[str, tuple[str, ...]] = {
    "pesel": ("pl.pesel",), "cpf": ("br.cpf",), "steuer": ("de.idnr",), "idnr": ("de.idnr",), "tax id": ("de.idnr",),
    "social insurance": ("ca.sin",), "sin": ("ca.sin",), "tax file": ("au.tfn",), "tfn": ("au.tfn",), "nhs": ("gb.nhs",),
    "bsn": ("nl.bsn",), "burgerservice": ("nl.bsn",), "aadhaar": ("in_.aadhaar",), "aadhar": ("in_.aadhaar",),
    "आधार": ("in_.aadhaar",), "pan card": ("in_.pan",), "my number": ("jp.in_",), "マイナンバー": ("jp.in_",),
    "個人番号": ("jp.in_",),
    "cnp": ("ro.cnp",), "egn": ("bg.egn",), "егн": ("bg.egn",), "oib": ("hr.oib",), "jmbg": ("si.emso",), "emšo": ("si.emso",),
    "amka": ("gr.amka",), "αμκα": ("gr.amka",), "isikukood": ("ee.ik",), "asmens": ("lt.asmens",), "ahv": ("ch.ssn",),
    "avs": ("ch.ssn",), "personnummer": ("se.personnummer",), "personal number": ("se.personnummer",),
    "kennitala": ("is_.kennitala",), "dni": ("es.dni", "ar.dni"), "nie": ("es.nie",), "curp": ("mx.curp",),
    "kimlik": ("tr.tckimlik",), "身份证": ("cn.ric",), "身分證": ("cn.ric",), "주민등록번호": ("kr.rrn",), "nric": ("my.nric",),
    "rut": ("cl.rut",), "cédula": ("ec.ci",), "cedula": ("ec.ci",), "teudat zehut": ("il.idnr",), "זהות": ("il.idnr",),
    "nik": ("id.nik",), "ktp": ("id.nik",), "рнокпп": ("ua.rntrc",), "инн": ("ru.inn",), "codice fiscale": ("it.codicefiscale",),
    "sécurité sociale": ("fr.nir",), "securite sociale": ("fr.nir",), "pps": ("ie.pps",), "birth number": ("cz.rc",),
    "rodné": ("cz.rc",), "fødselsnummer": ("no.fodselsnummer",), "cpr": ("dk.cpr",), "hetu": ("fi.hetu",),
    "henkilötunnus": ("fi.hetu",), "identity number": _ANY, "id number": _ANY, "citizen id": ("th.pin",),
    "บัตรประชาชน": ("th.pin",), "social security": ("us.ssn", "fr.nir", "gr.amka", "ch.ssn", "at.vnr"), "ssn": ("us.ssn",),
    **dict.fromkeys(("passport", "reisepass", "passeport", "pasaporte", "passaporto", "passaporte"), ("passport",)),
    **dict.fromkeys(("护照", "護照", "パスポート", "여권", "паспорт"), ("passport",)),
}  # fmt: skip
_ASCII_CALLED = {sign: kinds for sign, kinds in _CALLED.items() if sign.isascii()}
#: Characters between what a number is called and the number.
_REACH = 40
_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?:(?:[A-Z]{1,2})?[0-9](?:[ ./-]{0,2}[0-9A-Za-z]){6,19}|[A-Z0-9]{8,18})(?![A-Za-z0-9])")
_PASSPORT = re.compile(r"[A-Z]{0,2}[0-9]{6,9}\Z|[0-9]{2} ?[0-9]{2} ?[0-9]{6}\Z|[A-Z0-9]{8,9}\Z")


def find_national_ids(text: str, lower: str) -> Iterator[Found]:
    """Find numbers of persons, of kinds such as ``br_cpf``; ``lower`` is the text in small letters."""
    for match in _SHAPE.finditer(text):
        number = match.lastindex or 1
        for kind in _FORMS[number - 1][1]:
            if _valid(kind, match.group()):
                yield _name(kind), match.start(), match.end()
                break
    for sign, kinds in _ASCII_CALLED.items() if text.isascii() else _CALLED.items():
        at = lower.find(sign)
        while at >= 0:
            if not (
                sign.isascii()
                and (lower[at - 1 : at].isalpha() or (len(sign) < 5 and lower[at + len(sign) : at + len(sign) + 1].isalpha()))
            ):
                yield from _called(text, at + len(sign), kinds)
            at = lower.find(sign, at + 1)


def _name(kind: str) -> str:
    """``in_aadhaar`` for ``in_.aadhaar``."""
    return kind.replace("_.", ".").replace(".", "_").rstrip("_")


def _called(text: str, at: int, kinds: tuple[str, ...]) -> Iterator[Found]:
    match = _NUMBER.search(text, at, at + _REACH + 24)
    if match is None or match.start() > at + _REACH:
        return
    end = match.end()
    while end > match.start() + 6:  # words after a number in capitals are no part of it
        number = text[match.start() : end]
        for kind in kinds:
            if _valid(kind, number):
                yield _name(kind), match.start(), end
                return
        end = max(number.rfind(" "), number.rfind("-"), number.rfind(".")) + match.start()


def _valid(kind: str, number: str) -> bool:
    if kind == "passport":
        return _PASSPORT.match(number) is not None and sum(map(str.isdigit, number)) >= 5
    digits = "".join(filter(str.isdigit, number))
    if len(set(digits)) < 3:
        return False
    if kind == "us.ssn":
        return (
            len(digits) == 9
            and digits[:3] not in ("000", "666")
            and digits < "9"
            and digits[3:5] != "00"
            and digits[5:] != "0000"
        )
    try:
        return _checked(kind, number.upper())
    except Exception:  # a number that its check did not expect is not valid; the audit goes on
        return False


def _checked(kind: str, number: str) -> bool:
    module = _module(kind)
    if kind != "cn.ric":
        return bool(module.is_valid(number))
    module.get_birth_date(number)  # the library's own check knows not every county
    return len(number) == 18 and bool(module.calc_check_digit(number) == number[-1])


@cache
def _module(kind: str) -> Any:
    return import_module(f"stdnum.{kind}")
