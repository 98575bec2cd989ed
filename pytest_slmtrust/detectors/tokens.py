"""Tokens that are known by how they begin or look drawn at random, and private keys."""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterator

#: Start and end.
Spot = tuple[int, int]

#: What may be part of a token, long enough to hold one.
SHORTEST = 12
WORD = re.compile(r"[A-Za-z0-9_$+/][A-Za-z0-9_+/=.~:$,-]{12,}")
#: Known beginnings; letters and digits as if drawn at random must follow (see ``dense``).
_BEGINNINGS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-|[sr]k_(?:live|test|prod)_|whsec_|hf_|api_org_|gh[opsur]_|github_pat_|gl[a-z]{2,6}-|GR1348941|npm_|pypi-|SG\.|xox[a-z](?:\.xox[a-z])?-"
    r"|xapp-|AIza|ya29\.|GOCSPX-|1//0|dckr_[op]at_|shp(?:at|ca|pa|ss)_|sq0[a-z]{3}-|EAA|do[opr]_v1_|dapi|key-|lin_api_|ntn_|secret_|fig[dr]_"
    r"|PMAK-|HRKU-|NR(?:AK|II|JS)-|gl(?:c|sa)_|gsk_|xai-|r8_|pplx-|tvly-|pcsk_|lsv2_|nvapi-|sbp_|nfp_|rdme_|rubygems_|CLOJARS_|pul-|dp\.[a-z]{2,6}\."
    r"|hv[bsr]\.|sntry[su]_|AT[AC]TT3|ATBB|AKCp|tskey-|vercel_|ops_|ph[cx]_|f[mo][12]_|pat-|xkeysib-|re_|ory_|AGE-SECRET-KEY-1|AQVN|LTAI|AKID"
    r"|dt0c01\.|duffel_|EZ[AT]K|FLWSECK|shippo_|sm_[aps]at_|pscale_|pnu_|sgp_|sl\.|jina_|e2b_|fc-|rpa_|tgp_v1_|csk-|fw_|p8e-|oy2|cfut_|v1\.0-|sha256~"
    r")(?P<body>[A-Za-z0-9_+/=.~-]{10,})"
)
#: Forms that are enough by themselves.
_FORMS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|(?:ASIA|ABIA|ACCA)(?=[A-Z]*[0-9]))[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|ey[A-Za-z0-9_-]{10,}\.(?:[A-Za-z0-9_-]{8,}|\.)[A-Za-z0-9_.-]*"  # JWT, whole or cut
    r"|[MNO][A-Za-z0-9_-]{22,26}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}"  # Discord
    r"|(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])"  # Twilio
    r"|key-[0-9a-f]{32}(?![A-Za-z0-9])|[0-9a-f]{32}-(?:us[0-9]{1,2}|[0-9a-f]{8}-[0-9a-f]{8})(?![A-Za-z0-9])"  # Mailgun, Mailchimp
    r"|[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"  # Azure
    r"|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{20,}|AAAA[A-Za-z0-9_-]{7}:[A-Za-z0-9_-]{100,}"  # Terraform, Firebase
    r"|T[A-Z0-9]{7,}/B[A-Z0-9]{7,}/[A-Za-z0-9]{16,}|webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{40,}"  # Slack and Discord webhooks
    r"|LS0tLS1CRUdJTi(?!BDRVJU|BQVUJM)[A-Za-z0-9+/=]{16,}"  # a private key in base64 once more
    r")|(?<![0-9])[0-9]{8,10}:A[A-Za-z0-9_-]{32,}"  # Telegram
    r"|\$(?:1|2[abxy]?|5|6|y|apr1|argon2(?:id|i|d)|scrypt|pbkdf2[a-z0-9-]*)\$[./A-Za-z0-9$=,+-]{20,}"  # a password's hash
)
RUN = re.compile(r"[A-Za-z0-9]+")
#: Names in the manner of ``aNameOfSomething``, and with a number at their end.
_CAMEL = re.compile(r"[A-Z]*[a-z]{2,}(?:[A-Z]+[a-z]{2,}){0,9}[A-Z]*[0-9]{0,4}")
#: Long tokens of no known vendor: base64 in its two alphabets.
_LONG = re.compile(r"(?<![A-Za-z0-9_+/=-])(?:[A-Za-z0-9_-]{32,}|[A-Za-z0-9+/]{40}|[A-Za-z0-9+/]{30,}={1,2})(?![A-Za-z0-9_+/=-])")
#: What precedes a digest or a public key, which hide nothing.
_PUBLISHED = re.compile(
    r"(?:sha[0-9-]{1,7}|md5|blake2b|blake3|integrity|ssh-[a-z0-9]+|base64)[-:=, ]*\Z|-----\s*\Z", re.IGNORECASE
)


def promising(word: str) -> bool:
    """Return whether a word has a run that may be part of a token; most long words of a language have none."""
    if any(len(run) >= 18 or not (run.isalpha() and run[1:].islower()) for run in RUN.findall(word) if len(run) >= 10):
        return True
    return len(word) >= 20 and any(map(str.isdigit, word)) and any(map(str.isupper, word))


def in_word(text: str, word: re.Match[str]) -> Iterator[Spot]:
    at, token = word.start(), word.group()
    for match in _BEGINNINGS.finditer(token):
        if dense(match["body"]):
            yield at + match.start(), at + match.end() - tail(match.group())
    for match in _FORMS.finditer(token):
        yield at + match.start(), at + match.end() - tail(match.group())
    for match in _LONG.finditer(token):
        if _random(match.group()) and not _PUBLISHED.search(text[max(0, at + match.start() - 16) : at + match.start()]):
            yield at + match.start(), at + match.end()


def tail(token: str) -> int:
    """Characters at a token's end that belong to the sentence."""
    return len(token) - len(token.rstrip(".,:/~"))


def dense(body: str) -> bool:
    """Return whether letters and digits are as if drawn at random, in one run or over hyphens: ``learn-extra-name`` is none."""
    runs = RUN.findall(body)
    if any(len(run) >= 18 or (len(run) >= 10 and jumbled(run)) for run in runs):
        return True
    return len(body) >= 20 and _turns(runs) >= 0.5


def jumbled(run: str) -> bool:
    """Return whether letters and digits are mixed, or capitals and small letters as no name mixes them."""
    return not (run.isdigit() or run.isupper() or _CAMEL.fullmatch(run))


def _random(token: str) -> bool:
    """Return whether a token looks drawn at random: capitals, small letters and digits in turn, and no text in base64."""
    if len(token) != 40 and token[-1] != "=" and max(map(len, RUN.findall(token)), default=0) < 20:
        return False
    least = 0.33 if len(token) == 40 else 0.45  # AWS's secret keys have 40 characters
    return (
        _turns(["".join(RUN.findall(token))]) >= least
        and not token.startswith(("AAAAB3NzaC", "AAAAC3NzaC", "AAAAE2Vj"))
        and not _is_text(token)
    )


def _turns(runs: list[str]) -> float:
    """Return the share of neighbours in runs that are of different kinds, or 0 without capitals, small letters and digits.

    Of 62 characters drawn at random, it is 61 %; in names it is far less.
    """
    kinds = ["".join("d" if c.isdigit() else "u" if c.isupper() else "l" for c in run) for run in runs]
    pairs = [a != b for run in kinds for a, b in itertools.pairwise(run)]
    return sum(pairs) / len(pairs) if pairs and set("".join(kinds)) == {"d", "u", "l"} else 0.0


def _is_text(token: str) -> bool:
    """Return whether base64 of ordinary text: the bytes are UTF-8 without control characters."""
    try:
        read = base64.urlsafe_b64decode(
            token.rstrip("=").replace("+", "-").replace("/", "_") + "=" * (-len(token.rstrip("=")) % 4)
        )
        return all(c.isprintable() or c in "\t\n\r" for c in read.decode("utf-8"))
    except (binascii.Error, ValueError):
        return False


# --- private keys -----------------------------------------------------------------------------------------------------

_KEY_MARK = re.compile(r"-{4,5} ?(BEGIN|END)[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}|Private-Lines: [0-9]+|Private-MAC:")
_GAP = r"(?:[\s\"'`,>|\\]|\\[nr])"
_KEY_BODY = re.compile(
    rf"{_GAP}*(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash)[^\n\\]*{_GAP}*)*(?:[A-Za-z0-9+/=]{{16,}}{_GAP}*)*(?:[A-Za-z0-9+/]*[0-9+/=][A-Za-z0-9+/=]*)?"
)


def private_keys(text: str) -> Iterator[Spot]:
    """Keys in PEM, OpenPGP and PuTTY form; where the end is missing, all lines that look like a key."""
    begun: re.Match[str] | None = None
    for mark in _KEY_MARK.finditer(text):
        if mark[1] == "END" or mark.group().startswith("Private-MAC"):
            if begun is not None:
                yield begun.start(), mark.end()
            begun = None
            continue
        if begun is not None:
            yield _cut_key(text, begun)
        begun = mark
    if begun is not None:
        yield _cut_key(text, begun)


def _cut_key(text: str, begun: re.Match[str]) -> Spot:
    body = _KEY_BODY.match(text, begun.end())
    return begun.start(), body.end() if body else begun.end()
