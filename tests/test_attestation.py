"""Attestations: what is signed, what a reader is told of it, and that no edit of the audit or of the attestation passes."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tampered import AUDIT, PAGE, Signed, audited, edited, table

from pytest_slmtrust.attestation.keys import KeyFileError, key_id, private_key, public_key
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.cli import main
from pytest_slmtrust.exports.statement import package_digest

Data = dict[str, Any]
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8, SPKI = serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return audited(tmp_path_factory.mktemp("audited"))


@pytest.fixture
def signed(data: Data, tmp_path: Path) -> Signed:
    return Signed(data, tmp_path)


@pytest.fixture
def place(data: Data, tmp_path: Path) -> Path:
    """A folder with an audit.json, a pair of keys and the model that the audit names."""
    made = copy.deepcopy(data)
    model = tmp_path / "model"
    model.mkdir()
    for name in made["model"]["files"]:
        (model / name).write_text(f"{{}} {name}")
        made["model"]["files"][name] = hashlib.sha256((model / name).read_bytes()).hexdigest()
    (tmp_path / "audit.json").write_text(Audit.from_json(json.dumps(made)).to_json())
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key").write_bytes(key.private_bytes(PEM, PKCS8, PLAIN))
    (tmp_path / "key.pub").write_bytes(key.public_key().public_bytes(PEM, SPKI))
    return tmp_path


def test_the_signature_is_taken_and_every_edit_of_the_audit_is_found(data: Data, signed: Signed) -> None:
    assert signed.wrong(signed.audit, signed.text) == ()
    assert len(AUDIT) >= 30
    for name in AUDIT:
        assert signed.wrong(edited(data, name), signed.text), name


def test_every_edit_of_the_attestation_is_found(signed: Signed) -> None:
    edits = dict(signed.edits())
    assert len(edits) >= 30
    for name, text in edits.items():
        assert text not in (signed.text, signed.text.encode()), name
        (line, *_) = signed.wrong(signed.audit, text)
        assert line.startswith("signature: "), name
        assert len(line) < 400


def test_the_page_says_which_edits_only_a_signature_shows(data: Data, signed: Signed) -> None:
    assert PAGE.read_text(encoding="utf-8") == table(data, signed)


def test_another_implementation_takes_the_envelope(signed: Signed) -> None:
    from google.protobuf.json_format import Parse
    from in_toto_attestation.v1 import statement_pb2
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    made = Envelope.from_dict(json.loads(signed.text))
    key = SSlibKey.from_crypto(signed.key.public_key(), keyid=signed.name)
    assert list(made.verify([key], 1)) == [signed.name]
    statement = Parse(made.payload, statement_pb2.Statement())
    assert [one.name for one in statement.subject][:2] == ["audit.json", "model/model.safetensors"]


def test_a_gigabyte_is_refused_unread(signed: Signed) -> None:
    path = signed.folder / "large.json"
    with path.open("wb") as file:
        file.truncate(2**30)
    began = time.perf_counter()
    assert main(["verify", str(_saved(signed)), "--attestation", str(path), "--key", str(signed.public)]) == 1
    assert time.perf_counter() - began < 20


def _saved(signed: Signed) -> Path:
    path = signed.folder / "audit.json"
    path.write_text(signed.audit.to_json())
    return path


def test_three_answers_are_given_apart(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit, out = str(place / "audit.json"), str(place / "audit.intoto.json")
    assert main(["attest", audit, "--key", str(place / "key"), "--model", str(place / "model")]) == 0
    checks = ["verify", audit, "--attestation", out, "--key", str(place / "key.pub"), "--model", str(place / "model")]
    assert main(checks) == 0
    said = capsys.readouterr().out
    assert "gates follow from the" in said
    assert "signature: valid, by the key sha256:" in said
    assert "model: 3 of 3 files have the digests of the audit" in said
    (place / "model" / "config.json").write_text("{}")
    assert main(checks) == 1
    said = capsys.readouterr().out
    assert "wrong: model: config.json has another digest" in said
    assert "signature: valid" in said
    assert "gates follow from the" in said
    (place / "model" / "config.json").unlink()
    (place / "model" / "generation_config.json").write_text("{}")
    assert main(checks) == 1
    said = capsys.readouterr().out
    assert "config.json is not there" in said
    assert "generation_config.json changes answers, and the audit does not name it" in said
    other = place / "other.pub"
    other.write_bytes(Ed25519PrivateKey.generate().public_key().public_bytes(PEM, SPKI))
    assert main([*checks[:5], str(other)]) == 1
    assert "names another key" in capsys.readouterr().out


def test_what_nobody_signed_is_called_consistent(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = str(place / "audit.json")
    assert main(["verify", audit]) == 0
    assert "consistent at best" in capsys.readouterr().out
    assert main(["attest", audit]) == 0
    assert "nobody signed" in capsys.readouterr().err
    out = str(place / "audit.intoto.json")
    assert main(["verify", audit, "--attestation", out, "--key", str(place / "key.pub")]) == 1
    said = capsys.readouterr().out
    assert "not an envelope" in said
    assert "authentic" not in said
    for half in (["--attestation", out], ["--key", str(place / "key.pub")]):
        assert main(["verify", audit, *half]) == 2
    assert "go together" in capsys.readouterr().err


def test_only_a_sound_audit_of_the_same_model_is_attested(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, key = place / "audit.json", str(place / "key")
    (place / "model" / "tokenizer.json").write_text("another")
    assert main(["attest", str(path), "--key", key, "--model", str(place / "model")]) == 2
    assert "tokenizer.json has another digest" in capsys.readouterr().err
    made = json.loads(path.read_text())
    made["verdict"] = "INVALID"
    path.write_text(Audit.from_json(json.dumps(made)).to_json())
    assert main(["attest", str(path), "--key", key]) == 2
    assert "does not follow" in capsys.readouterr().err
    assert not (place / "audit.intoto.json").exists()


def test_a_model_without_files_is_no_answer(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads((place / "audit.json").read_text())
    made["model"]["files"] = {}
    (place / "audit.json").write_text(Audit.from_json(json.dumps(made)).to_json())
    assert main(["verify", str(place / "audit.json"), "--model", str(place / "model")]) == 1
    assert "names no file" in capsys.readouterr().out
    assert main(["verify", str(place / "audit.json"), "--model", str(place / "nowhere")]) == 1


@pytest.mark.parametrize("name", ["../key", "/etc/hostname", "adapter/../../key", "a\x00b", "x.gguf"])
def test_no_file_outside_the_folder_is_hashed(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads((place / "audit.json").read_text())
    made["model"]["files"][name] = hashlib.sha256((place / "key").read_bytes()).hexdigest()
    (place / "audit.json").write_text(Audit.from_json(json.dumps(made)).to_json())
    assert main(["verify", str(place / "audit.json"), "--model", str(place / "model")]) == 1
    assert "is not there" in capsys.readouterr().out


def test_one_file_is_compared_by_its_name(place: Path) -> None:
    made = json.loads((place / "audit.json").read_text())
    (place / "m.gguf").write_bytes(b"GGUF")
    made["model"]["files"] = {"m.gguf": hashlib.sha256(b"GGUF").hexdigest()}
    (place / "audit.json").write_text(Audit.from_json(json.dumps(made)).to_json())
    for where, status in (("m.gguf", 0), ("", 0), ("key", 1)):
        assert main(["verify", str(place / "audit.json"), "--model", str(place / where)]) == status


def _keys(folder: Path) -> dict[str, bytes]:
    one = Ed25519PrivateKey.generate()
    private, public = one.private_bytes(PEM, PKCS8, PLAIN), one.public_key().public_bytes(PEM, SPKI)
    return {
        "private": private,
        "openssh": one.private_bytes(PEM, serialization.PrivateFormat.OpenSSH, PLAIN),
        "rsa": rsa.generate_private_key(65537, 2048).public_key().public_bytes(PEM, SPKI),
        "ec": ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(PEM, SPKI),
        "ed448": ed448.Ed448PrivateKey.generate().public_key().public_bytes(PEM, SPKI),
        "der": one.public_key().public_bytes(DER, SPKI),
        "two": public + public,
        "bomb": public * 10_000,
        "long": public.replace(b"\n", b"\n" + b"A" * 12_000, 1),
        "empty": b"",
        "words": b"-----BEGIN PUBLIC KEY-----\nhello\n-----END PUBLIC KEY-----\n",
    }


def test_a_key_file_of_another_kind_is_one_line(tmp_path: Path) -> None:
    for name, content in _keys(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(KeyFileError) as error:
            public_key(path)
        assert "\n" not in str(error.value), name
        if name not in ("private", "openssh"):
            with pytest.raises(KeyFileError):
                private_key(path)
    encrypted = Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"x"))
    (tmp_path / "encrypted").write_bytes(encrypted)
    with pytest.raises(KeyFileError, match="is encrypted"):
        private_key(tmp_path / "encrypted")
    os.mkfifo(tmp_path / "pipe")
    for odd in ("pipe", "nowhere", "."):
        with pytest.raises(KeyFileError):
            public_key(tmp_path / odd)


def test_keys_of_openssl_are_read(place: Path) -> None:
    import subprocess

    made = place / "made"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", made], check=True)
    subprocess.run(["openssl", "pkey", "-in", made, "-pubout", "-out", f"{made}.pub"], check=True)
    assert key_id(private_key(made).public_key()) == key_id(public_key(place / "made.pub"))


def test_without_cryptography_one_line_names_the_extra(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(KeyFileError, match=r"extra \[attest\]"):
        public_key(place / "key.pub")


def test_the_digest_of_the_package_is_that_of_sha256sum() -> None:
    import subprocess

    from pytest_slmtrust import archive

    root = Path(archive.__file__).parents[2]
    line = "find -L pytest_slmtrust -type f ! -name '*.py[co]' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-64"
    done = subprocess.run(["sh", "-c", line], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == package_digest()
