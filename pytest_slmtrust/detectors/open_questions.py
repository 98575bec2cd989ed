"""How a reply to a question reads: left open, the question denied, or answered (see ``detectors.toml``).

The rules of :mod:`.readings` know the wordings that they were made for; a small network overrules them where it is sure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .readings import EARLY, Reading, reading_by_rules

if TYPE_CHECKING:
    from .reply_network import LeavesOpen

#: From this likelihood on the network finds an abstention or a correction that the rules do not, and below that one it takes
#: theirs back. Chosen on the replies with an even SHA-256 of eleven sets that it had not read, and on a small model's replies.
SURE, UNLIKELY = 0.95, 0.1
#: Words of a reply whose doubt may be taken back: of a shorter one the rules are the better readers.
LONG = 40
#: A word that denies or sets against something. Without one a plain statement ("The symbol of tin is T.") may be an answer.
_OPPOSES = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|instead|actually|rather|however|but|though|although|only"
    r"|unlike|contrary|incorrect|wrong|false|imaginary|hypothetical|premise|hoax|(?:fiction|myth|mistak|confus|invent|legend|mix"
    r"|doubt|claim|suppos|exist|mis)\w*)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
#: Words that the network needs.
FEWEST = 3


def reading(reply: str, question: str = "") -> Reading:
    """Return how a reply to a question reads: declined or left open, its premise denied, or answered as if the answer were
    known.

    The rules read both. What they call answered is open if the network, which sees the reply alone, holds that very likely; but
    it finds no correction without a word that denies something. What they call open is answered if the reply is long and the
    network holds it open very unlikely. Where the rules read the reply otherwise without its question ("Which metal is not
    solid?"), the network is not asked.
    """
    by_rules = reading_by_rules(reply, question)
    bare = reading_by_rules(reply) if question else by_rules
    settled = (by_rules == "answered") != (bare == "answered")  # the question decides it
    heard = None if settled else _heard(reply)
    if heard is None:
        return by_rules
    open_ = heard.abstained + heard.corrected
    if by_rules != "answered":
        return by_rules if open_ >= UNLIKELY or len(reply.split()) < LONG else "answered"
    if open_ < SURE:
        return "answered"
    if heard.abstained >= heard.corrected:
        return "abstained"
    return "corrected the question" if _OPPOSES.search(reply[:EARLY]) else "answered"


def _heard(reply: str) -> LeavesOpen | None:
    """What the network says; numpy and scipy are imported when it is asked."""
    from .reply_network import leaves_open_likely

    return leaves_open_likely(reply) if len(reply.split()) >= FEWEST else None
