"""An OpenSSF model signature next to the weights: said in the audit, and checked where a key is named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import tiny

from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.signature import read_signature
from pytest_slmtrust.requests import BackendError


def keys(folder: Path, name: str) -> Path:
    key = folder / name
    with (folder / "log").open("w") as log:
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True, stderr=log)
        subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-out", f"{key}.pub"], check=True, stderr=log)
    return key


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed model, its keys, and those of another."""
    pytest.importorskip("OpenSSL")
    signing = pytest.importorskip("model_signing.signing")
    from model_signing import hashing

    root = tmp_path_factory.mktemp("signed")
    model, signature = tiny.save(root / "model"), root / "model" / "model.sig"
    hashed = hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=True)
    signer = signing.Config().set_hashing_config(hashed).use_elliptic_key_signer(private_key=keys(root, "key"))
    signer.sign(model, signature)
    keys(root, "other")
    return root


def test_a_folder_without_one_says_so(tmp_path: Path) -> None:
    assert read_signature(tmp_path, "")["state"] == "none"
    with pytest.raises(ModelError, match=r"model\.sig: no such file"):
        read_signature(tmp_path, str(tmp_path / "key.pub"))


def test_one_without_a_key_is_not_verified(tmp_path: Path) -> None:
    (tmp_path / "model.sig").write_text("{}")
    assert read_signature(tmp_path, "") == {
        "state": "not verified", "file": "model.sig", "why": "no key was named (--slm-model-key)",
    }  # fmt: skip


def test_without_the_package_one_line_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.sig").write_text("{}")
    monkeypatch.setattr("pytest_slmtrust.backends.transformers.signature.find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"extra \[oms\]"):
        read_signature(tmp_path, "key.pub")


@pytest.mark.parametrize("text", ["http://127.0.0.1:9/v1", "module:factory"])
def test_where_no_folder_is_loaded_a_key_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="leave the key out"):
        load_backend(ModelSpec(text, signer="key.pub"))


@pytest.mark.slow
def test_the_audit_says_that_it_was_verified_and_edits_are_refused(signed: Path, tmp_path: Path) -> None:
    model = signed / "model"
    about = load_backend(ModelSpec(str(model), signer=str(signed / "key.pub"))).describe()
    assert about["signature"]["state"] == "verified"
    assert load_backend(ModelSpec(str(model))).describe()["signature"]["state"] == "not verified"
    assert load_backend(ModelSpec(str(model))).fingerprint == about["fingerprint"]
    for key in ("other.pub", "nowhere.pub", "key", "log"):
        with pytest.raises(BackendError) as error:
            load_backend(ModelSpec(str(model), signer=str(signed / key))).fingerprint  # noqa: B018
        assert "\n" not in str(error.value)
    (model / "notes.txt").write_text("one file more")
    with pytest.raises(ModelError, match="Extra files"):
        read_signature(model, str(signed / "key.pub"))
    (model / "notes.txt").unlink()
    assert read_signature(model, str(signed / "key.pub"))["state"] == "verified"
    whole = (model / "model.sig").read_text()
    for damaged in ("", "{}", whole.replace('"payload":"', '"payload":"A', 1), whole[:100], "[" * 10_000):
        (model / "model.sig").write_text(damaged)
        with pytest.raises(ModelError):
            read_signature(model, str(signed / "key.pub"))
    with (model / "model.sig").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ModelError, match="bytes"):
        read_signature(model, str(signed / "key.pub"))
    (model / "model.sig").write_text(whole)
    config = model / "generation_config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(ModelError, match="Hash mismatch"):
        read_signature(model, str(signed / "key.pub"))
