"""Secrets by what is said of them: the name that a value is assigned to, the scheme of a header, the place in an address."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from .tokens import RUN, Spot, dense, jumbled, tail

_Search = Callable[[str, int], Iterator[Spot]]

#: What names a password; ``pass`` alone only at the start of a word.
_PASSWORD_NAMES = (
    "passw", "passphrase", "passcode", "pwd", "kennwort", "mot de passe", "contraseña", "contrasena", "senha", "wachtwoord",
    "lösenord", "losenord", "пароль", "密码", "密碼", "口令", "パスワード", "비밀번호", "pass", "pw",
)  # fmt: skip
#: What names a key; ``key`` only after the word that says which, ``sig`` and ``auth`` only as whole words.
_SECRET_NAMES = (
    "key", "secret", "token", "credential", "signature", "sig", "session", "sessid", "connect.sid", "authorization", "auth",
    "x-amz-",
)  # fmt: skip
_KEY_OF = re.compile(
    r"(?:api|access|private|account|encryption|signing|master|license|shared|storage|auth|ssh|deploy|service|secret|app|consumer)"
    r"[ _.-]?key\Z"
)
_WHOLE = re.compile(r"(?<![A-Za-z])(?:sig|auth|pass|pw)(?![A-Za-z])", re.IGNORECASE)
_VALUE = r"(?:\"(?P<d>[^\"\n]{1,200})\"|'(?P<s>[^'\n]{1,200})'|`(?P<b>[^`\n]{1,200})`|(?P<w>[^\s\"'`<>;]{3,1000}))"
#: The rest of a name, the quotes around it, and a sign or word of assignment.
_ASSIGNED = re.compile(
    r"(?P<rest>[\w-]{0,24})(?:\\?[\"'`\]*]){0,3}[ \t]{0,3}"
    r"(?P<by>:=|=>|->|=(?!=)|:(?!//)|[ \t](?:is|was|ist|lautet|est|es|是|は)[ \t:]|>|(?<=[码碼令ド호])[是为は]:?)"
    r"(?P<gap>[ \t]{0,3}(?:\n{1,2}[ \t]{0,8})?)(?:\*{1,2}|\\(?=[\"']))?[ \t]?" + _VALUE,
    re.IGNORECASE,
)
#: ``--password x``, ``login x password y``: nothing but a blank.
_AFTER_BLANK = re.compile(r"(?P<rest>[a-z-]{0,24})[ \t]" + _VALUE)
#: Characters of a value that tell what it is.
_ENOUGH = 100
_AFTER_SCHEME = re.compile(r"[ \t]+(?P<w>[A-Za-z0-9._~+/=-]{6,})")
_USERINFO = re.compile(r"(?P<w>[^\s/@:]{0,64}:[^\s/]{1,128}|[A-Za-z0-9_-]{16,100})(?=@)")
_USER = re.compile(r"[ =]{0,3}[\"']?(?P<w>[^\s:\"'/]{1,64}:[^\s\"']{1,128})")
_ORACLE = re.compile(r"(?P<w>[^\s/@]{1,64}/[^\s/@]{1,64})(?=@)")
_JWK = re.compile(r"\s{0,3}:\s{0,3}\"(?P<w>[A-Za-z0-9_-]{20,})\"")

_NO_VALUE = re.compile(
    r"[<${%*_.\[(]|[x*•.]{3,}\Z|(?:none|null|nil|true|false|undefined|str|string|text|bytes|required|optional|hidden|protected|redacted|masked|encrypted"
    r"|hashed|unknown|missing|incorrect|invalid|wrong|stored|secret|yes|no|n/a|tbd|the|an?|your?|my|enter|must|never|always|see|use|please|what|how"
    r"|for|and|or|of|to|in|on|at|is|are|not|it)\b(?![-_.@!$#0-9])|your[_-]|my[_-]?(?:password|token|key|secret)\b|\w+(?:\.\w+)*[(\[]|(?:os|self|config|settings|env|process|args|options|request|user|this)\."
    r"|https?:|sha-?[0-9]|md5|aes-?[0-9]|rsa-?[0-9]|hs[0-9]{3}|es[0-9]{3}|base-?[0-9]|utf-?[0-9]|argon2|bcrypt|pbkdf2|\[credential",
    re.IGNORECASE,
)
_A_NAME = re.compile(
    r"(?:[a-z]+[_.-]){0,4}(?:pass(?:word|wd|phrase|code)?|pwd|pw|secret|token|key|credentials?|user(?:name)?)(?:[_.-]?[a-z]{1,8})?\Z",
    re.IGNORECASE,
)
#: Letters of any script, hyphens and apostrophes: a word or a compound of words.
_PLAIN = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*\Z")
#: What a sentence says of a password, and so no password.
_SAID = re.compile(
    r"(?:\w+(?:ed|ing|able|ible|ive|ly|ary|ory|ent|ant|ful|less|al|ous|ic|ure)|not|wrong|weak|strong|short|long|longer|yours|mine|ours"
    r"|theirs|here|there|below|above|safe|unique|simple|easy|hard|correct|right|blank|empty|null|fine|good|better|best|bad|worse|old|new"
    r"|gone|lost|lose|known|unknown|private|public|okay|same|different|case|enough|kept|sent|given|written|taken|broken|stolen|forgotten"
    r"|chosen|shown|said|told|heard|meant|found|held|put|read|spoken|seen|left|let|met|paid|run|sold|spent|thought|understood|won|drawn|driven|thrown|sung|typed|hidden|secret|secure|insecure|what|this|that|these|true|false|clear|plain|random|made|built|only|ready|late|over|back)\Z",
    re.IGNORECASE,
)
_END = re.compile(r"[.!]?(?:\s*\Z|[.!]\s|\n)")
_SENTENCE = re.compile(r"[ \t]+[^\W\d_]")
_COUNTED = re.compile(
    r"[ \t]*(?:\+[ \t]*)?(?:or more |to [0-9]+ )?(?:characters|chars|letters|digits|words|symbols|bits|bytes|days|times|Zeichen)",
    re.IGNORECASE,
)


def _value_of(match: re.Match[str]) -> tuple[str, str]:
    """Return the name of the group that holds the value, and the value without the marks of its sentence."""
    group = match.lastgroup or "w"
    value = match[group]
    return group, value if group != "w" else value.rstrip(".,:)]}*\\。，、")


def _part(match: re.Match[str] | None) -> Iterator[Spot]:
    if match is not None:
        yield match.span("w")


def _password(text: str, at: int) -> Iterator[Spot]:
    match = _ASSIGNED.match(text, at)
    if match is None or any(
        text[at - len(name) : at].lower() == name and not _whole(text, at, len(name)) for name in ("pass", "pw")
    ):
        return
    group, value = _value_of(match)
    if _is_password(text, match, group, value):
        yield match.start(group), match.start(group) + len(value)


def _whole(text: str, at: int, size: int) -> bool:
    return _WHOLE.match(text, at - size) is not None


def _is_password(text: str, match: re.Match[str], group: str, value: str) -> bool:
    end = match.start(group) + len(value)
    value = value[:_ENOUGH].rstrip("!?") if group == "w" else value
    by = match["by"].strip(" \t").lower()
    if len(value) < 3 or _NO_VALUE.match(value) or _A_NAME.match(value) or _COUNTED.match(text, end):
        return False
    if group != "w":
        return not (" " in value and by.endswith((":", "s")) and len(value) > 60)
    if value.isdigit() and len(value) < 4:
        return False
    if not _PLAIN.match(value) or (value.isascii() and value.isalpha() and len(value) >= 8 and jumbled(value)):
        return (
            by in ("=", ":", ":=", "=>", "->", ">")
            or not value.isascii()
            or _odd(value)
            or any(c.isdigit() for c in value)
            or jumbled(value)
        )
    if "\n" in match["gap"]:
        return False
    if by in ("is", "was"):
        return (
            len(value) > 3
            and value.isalpha()
            and value.islower()
            and _END.match(text, end) is not None
            and not _SAID.match(value)
        )
    return by in ("=", ":=", "=>", "->") or (by in (":", ">") and not _SENTENCE.match(text, end))


def _odd(value: str) -> bool:
    return any(c in "!@#$%^&*_+=~?|" for c in value[:-1])


def _secret(text: str, at: int) -> Iterator[Spot]:
    match = _ASSIGNED.match(text, at)
    if match is None:
        return
    name = text[max(0, at - 24) : at].lower()
    if (name.endswith("key") and not _KEY_OF.search(name)) or (
        name.endswith(("auth", "sig")) and not _whole(text, at, 4 if name[-1] == "h" else 3)
    ):
        return
    group, value = _value_of(match)
    if _is_secret(value[:_ENOUGH], quoted=group != "w"):
        yield match.start(group), match.start(group) + len(value)


def _is_secret(value: str, quoted: bool = False) -> bool:
    """Return whether a value is as if drawn at random: a run of eight letters and digits, mixed; six are enough in quotes."""
    least = 6 if quoted and " " not in value else 8
    if len(value) < least or _NO_VALUE.match(value):
        return False
    runs = [run for run in RUN.findall(value) if len(run) >= least and not run.isdigit() and (jumbled(run) or not run.isalpha())]
    symbols = sum(not c.isalnum() for c in value)
    kinds = sum((any(map(str.islower, value)), any(map(str.isupper, value)), any(map(str.isdigit, value)), _odd(value)))
    return bool(runs) or (kinds >= 3 and len(value) >= 12 and "/" not in value and symbols <= len(value) / 3)


def _after_blank(text: str, at: int) -> Iterator[Spot]:
    """``password x`` where x is no word, and ``--password x``, ``--token x``."""
    match = _AFTER_BLANK.match(text, at)
    if match is None:
        return
    group, value = _value_of(match)
    flag = text[at - 2 : at] == "--"
    if flag and not match["rest"].endswith(("password", "passwd", "pwd", "pass", "token", "secret", "key")):
        return
    # keys and tokens are drawn at random: without --key nobody signed it, leave --key out
    drawn = flag and match["rest"].endswith(("token", "key"))
    if drawn and _is_word(value) and (match["rest"] == "key" or _SENTENCE.match(text, match.start(group) + len(value))):
        return
    mixed = len(value) >= 6 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    if (
        not _NO_VALUE.match(value)
        and not _A_NAME.match(value)
        and (mixed or (flag and (group != "w" or len(value) >= 3)))
        and (flag or not match["rest"])
    ):
        yield match.start(group), match.start(group) + len(value)


def _is_word(value: str) -> bool:
    return _PLAIN.match(value) is not None and value.islower() and not jumbled(value)


def _scheme(text: str, at: int) -> Iterator[Spot]:
    """Yield what follows ``Bearer`` and the like."""
    match = _AFTER_SCHEME.match(text, at)
    if match is not None and len(match["w"]) >= 10 and dense(match["w"]):
        yield match.start("w"), match.end() - tail(match["w"])


def _basic(text: str, at: int) -> Iterator[Spot]:
    match = _AFTER_SCHEME.match(text, at)
    if match is not None and _is_pair(match["w"].rstrip(".,")):
        yield match.start("w"), match.end() - tail(match["w"])


def _is_pair(value: str) -> bool:
    """Return whether base64 of ``user:password``."""
    try:
        return ":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return False


#: Signs in small letters; and the search for what follows the end of one.
_SEARCHES: tuple[tuple[tuple[str, ...], _Search], ...] = (
    (_PASSWORD_NAMES, _password),
    (_SECRET_NAMES, _secret),
    (("--", "password", "passwd"), _after_blank),
    (("bearer", "token", "digest", "apikey"), _scheme),
    (("basic",), _basic),
    (("://",), lambda text, at: _part(_USERINFO.match(text, at))),
    ((" -u", " --user"), lambda text, at: _part(_USER.match(text, at))),
    (("thin:",), lambda text, at: _part(_ORACLE.match(text, at))),
    (('"d"', '"k"', '"p"', '"q"', '"dp"', '"dq"', '"qi"'), lambda text, at: _part(_JWK.match(text, at))),
)
_SIGNS: dict[str, list[_Search]] = {}
for _signs, _search in _SEARCHES:
    for _sign in _signs:
        _SIGNS.setdefault(_sign, []).append(_search)


def _hints(signs: list[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Signs by the first of them that is part of them: most texts have none, and looking for fewer is quicker."""
    found: dict[str, list[str]] = {}
    for sign in sorted(signs, key=len):
        found.setdefault(next((hint for hint in found if hint in sign), sign), []).append(sign)
    return tuple((hint, tuple(those)) for hint, those in found.items())


#: ``str.find`` is far quicker than a pattern that ignores case.
_HINTS = (
    ('"', ('"d"', '"k"', '"p"', '"q"', '"dp"', '"dq"', '"qi"')),
    *_hints([s for s in _SIGNS if s.isascii() and s[0] != '"']),
)
_OTHER_HINTS = _hints([s for s in _SIGNS if not s.isascii()])


def named_secrets(text: str, lower: str) -> Iterator[Spot]:
    """Find secrets by their names; ``lower`` is the text in small letters."""
    for hint, signs in _HINTS if text.isascii() else (*_HINTS, *_OTHER_HINTS):
        if hint in lower:
            for sign in signs:
                at = lower.find(sign)
                while at >= 0:
                    at += len(sign)
                    for search in _SIGNS[sign]:
                        yield from search(text, at)
                    at = lower.find(sign, at - len(sign) + 1)
