"""``slmtrust verify``: what it checks of an audit, each answer apart from the others."""

from __future__ import annotations

import argparse

from ..archive.files import read_audit
from ..archive.stored import look_up
from ..archive.verify import verify
from ..audit.model import Audit, AuditError
from .answers import Answer, model_answer, signature_answer

_UNSIGNED = (
    "signature: none was given, so the file is consistent at best. This does not show who made the file: the model's name, its "
    "hashes and its findings need a signature"
)


def checked(chosen: argparse.Namespace) -> tuple[list[str], bool]:
    """Return what ``slmtrust verify`` says, one line each, and whether something is wrong: numbers, signature, model, store.

    The verdict is no part of the check: an audit that is red, or INCOMPLETE, can be written as it should be.

    Raises:
        AuditError: a file cannot be read, or options do not go together.
    """
    audit = read_audit(chosen.audit)
    found = verify(audit)
    lines = [f"wrong: {line}" for line in found.problems] + [f"not checked: {line}" for line in found.unchecked]
    if not found.problems:
        known = f"{found.known} of them are built-in gates of this package"
        lines.append(f"all {len(audit.gates)} gates follow from the {len(audit.findings)} findings; {known}")
    wrong = bool(found.problems)
    if chosen.store is not None:
        stored = look_up(audit, chosen.store)
        lines += [*stored.faults, f"store: {stored.equal} of {stored.total} answers are there and equal"]
        wrong = wrong or bool(stored.faults)
    answers = _signature_and_model(chosen, audit)
    lines += [line for answer in answers for line in (*(f"wrong: {one}" for one in answer.wrong), *answer.said)]
    lines.append(f"verdict: {audit.verdict}, which is no part of this check: slmtrust verdict exits with 1 if it is red")
    return lines, wrong or any(answer.wrong for answer in answers)


def _signature_and_model(chosen: argparse.Namespace, audit: Audit) -> list[Answer]:
    if (chosen.attestation is None) != (chosen.key is None):
        raise AuditError("--attestation FILE and --key KEY go together: a signature says something only for a key that you trust")
    signed = chosen.attestation is not None
    made = [signature_answer(audit, chosen.attestation, chosen.key) if signed else Answer((), (_UNSIGNED,))]
    return [*made, model_answer(audit, chosen.model)] if chosen.model else made
