"""What the package itself says is masked nowhere: no sentence of its own looks like a credential."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_slmtrust
from pytest_slmtrust.redaction import scrub

PACKAGE = Path(pytest_slmtrust.__file__).parent
#: What may stand where a message has a value: a path, a number, a word, a digest.
VALUES = ("k.pem", "0.0312", "12", "'abc'", "sha256:" + "0123456789abcdef" * 4)
#: What is about credentials, and so holds some.
ABOUT = {"spec_secrets.py", "credentials.py", "named_secrets.py", "tokens.py"}


def texts(path: Path) -> Iterator[ast.Constant | ast.JoinedStr]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {id(part) for one in ast.walk(tree) if isinstance(one, ast.JoinedStr) for part in one.values}
    for one in ast.walk(tree):
        if isinstance(one, ast.JoinedStr) or (
            isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in parts
        ):
            yield one


def filled(text: ast.Constant | ast.JoinedStr, value: str) -> str:
    if isinstance(text, ast.Constant):
        return str(text.value)
    spaced = "".join(str(part.value) if isinstance(part, ast.Constant) else f" {value} " for part in text.values)
    return " ".join(spaced.split())


@pytest.mark.parametrize("folder", sorted({path.parent for path in PACKAGE.rglob("*.py")}), ids=lambda path: path.name)
def test_no_message_is_taken_for_a_credential(folder: Path) -> None:
    masked = []
    for path in folder.glob("*.py"):
        for text in texts(path) if path.name not in ABOUT else ():
            for value in VALUES if isinstance(text, ast.JoinedStr) else ("",):
                said = filled(text, value)
                masked += [f"{path.name}:{text.lineno}: {scrub(said)[:200]}"] if scrub(said) != said else []
    assert masked == []


@pytest.mark.parametrize("said", [
    "wrote a.json: a statement that nobody signed (--key signs it)", "without --key nobody can tell who made it",
    "--token opens the server, --api-key does not", "--key KEY goes with --attestation", "use --key or leave --key out",
])  # fmt: skip
def test_a_sentence_about_an_option_stays(said: str) -> None:
    assert scrub(said) == said


@pytest.mark.parametrize("given", [
    "--key hunter2x goes", "--token swordfish", "--password swordfish now", "--secret letmein now",
    "--api-key «x7Kq9mN2pL» and more",
    "--auth-token aB3dE6gH9jK2 in", "--pass opensesame and go",
])  # fmt: skip
def test_a_secret_after_an_option_is_still_taken_out(given: str) -> None:
    assert "[credential]" in scrub(given)
