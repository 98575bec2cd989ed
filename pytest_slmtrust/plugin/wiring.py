"""From a run's options to the session that they ask for: models, scorers, baseline, waivers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .. import door
from ..archive.accept import how
from ..archive.files import DATA, PREVIOUS
from ..archive.installed import package_sha256
from ..audit.clauses import Framework, read_clauses
from ..audit.model import Audit, AuditError, Waiver
from ..authoring.declarations import ProbeError
from ..backends.batch import PREFIX as BATCH
from ..backends.endpoint.address import remote_hosts
from ..engine.admission import admit, admitted
from ..engine.engine import Engine
from ..engine.store import Store
from ..escaping import said
from ..gates.accepted import Accepted
from ..gates.asked import Asked, differences
from ..gates.baseline import Again, Recorded, Reference, Resting, noise_floor
from ..gates.lock import NAME, read_lock
from ..gates.policy import Policy
from ..gates.waivers import read_waivers
from ..redaction import Mask, scrub, scrub_spec
from ..requests import REFERENCE, Backend, BackendError
from ..session.accepted import lock_waivers
from ..session.asking import Budget, duration
from ..session.assemble import version
from ..session.corpus import FOLDER, Corpus
from ..session.describing import describe_engine
from ..session.live_baseline import Live
from ..session.session import AuditSession, Suite
from ..thinking import MOST_TOKENS
from .options import Given, Settings
from .outlet import usage_error
from .progress import ProgressLine
from .scorers import NoScorer, Planned, some_ask, without_scorer
from .values import model_spec

if TYPE_CHECKING:
    from ..backends.load import ModelSpec

#: Rows a batch of ``--slm-vs=self``: as unlike the usual batches as can be.
_AGAIN_ROWS = 3
#: Beside the store: what each endpoint answered to known questions at the last start.
ENDPOINTS = "endpoints.json"
#: Options whose documents may be private.
DOCUMENTS = ("members", "nonmembers", "canaries")
#: The environment's variables with the key of a server, for the model under audit and for the one of ``--slm-vs``.
KEY, KEY_VS = "SLMTRUST_API_KEY", "SLMTRUST_VS_API_KEY"
LOCK_OPTION = "slm_option_lock"
_TEMPLATES = {"auto": None, "on": True, "off": False}


@dataclass(frozen=True)
class Setup:
    """The parts that a session is made of.

    Raises:
        ProbeError, AuditError, BackendError, pytest.UsageError: an option that names something unusable; one line each.
    """

    config: pytest.Config
    settings: Settings
    store: Store
    progress: ProgressLine | None = None

    def session(self, policy: Policy, mask: Mask) -> AuditSession:
        """Return the session of the target, with its baseline if one is named."""
        from ..backends.textattack.perturb import TextAttackBackend

        vs, recorded = self.settings.vs, self.settings.baseline
        if sum(map(bool, (vs, recorded, self.settings.early_stop))) > 1:
            raise ProbeError("use only one of --slm-vs, --slm-baseline and --slm-early-stop: a comparison needs all items")
        lock = self.lock
        if not vs and not recorded:
            if policy.margins and lock is None:
                raise ProbeError(f"--slm-gate {next(iter(policy.margins))}:vs: there is no baseline (--slm-vs or --slm-baseline)")
            if self.settings.noise:
                raise ProbeError("--slm-noise: there is no baseline to compare with (--slm-vs or --slm-baseline)")
        perturber = TextAttackBackend()
        others: dict[tuple[str, str], Backend] = {(kind.kind, "perturb"): perturber for kind in perturber.answers}
        others["classify", "toxicity"] = self._scorer()
        self._check_documents()
        target, backend = self._target(), self._baseline(vs) if vs else None
        # a comparison asks both models the same: what one of them broke by is no part of that
        corpus = None if vs or recorded else Corpus(self.store.path.parent / FOLDER)
        engine = self._engine(others, target, Resting(backend, target) if backend else None)
        session = AuditSession(
            policy, engine, mask, waivers=self._waivers(lock),
            corpus=corpus, optional=self.settings.optional,
            reference=Recorded(self._read("baseline", recorded), f"--slm-baseline {recorded}") if recorded else lock,
        )  # fmt: skip
        if backend is not None:
            beside = AuditSession(policy, self._engine(others, backend, backend), mask)
            session.reference = Live(beside, backend, session.suites, f"--slm-vs {door.spec(vs)}")
        return session

    @property
    def lock_path(self) -> Path:
        """Where the project's lock is, or will be."""
        return self.settings.lock.path if self.settings.lock else self.config.rootpath / NAME

    @cached_property
    def lock(self) -> Accepted | None:
        """The lock that this run must be no worse than; None where there is none, or the user names another baseline.

        Raises:
            ProbeError, LockError: it cannot be used.
        """
        settings, path = self.settings, self.lock_path
        named = self.config.getoption(LOCK_OPTION) is not None  # an ini value gives way to another baseline
        if settings.no_lock and (named or settings.update_lock):
            raise ProbeError("--slm-no-lock leaves out what --slm-lock and --slm-update-lock ask for: use one of them")
        if settings.update_lock and (settings.vs or settings.baseline or settings.early_stop):
            raise ProbeError("--slm-update-lock needs a whole run without --slm-vs, --slm-baseline and --slm-early-stop")
        if settings.no_lock or settings.update_lock or not (settings.lock or os.path.lexists(path)):
            return None
        if settings.vs or settings.baseline:
            if named:
                raise ProbeError("use only one of --slm-lock, --slm-vs and --slm-baseline")
            return None
        if settings.early_stop:
            raise ProbeError(f"{path.name} compares all items: leave out --slm-early-stop, or add --slm-no-lock")
        return Accepted(read_lock(path), path.name)

    @cached_property
    def budget(self) -> Budget | None:
        """The time that this run may spend on asking; None without a limit.

        Raises:
            ProbeError: it is no time, or cannot be kept.
        """
        settings = self.settings
        if not settings.budget:
            return None
        made = Budget(duration(settings.budget), settings.budget.strip())
        if settings.vs or settings.update_lock:
            raise ProbeError("--slm-budget goes with neither --slm-vs nor --slm-update-lock: these need all items")
        if hasattr(self.config, "workerinput") or self.config.getoption("dist", "no") != "no":
            raise ProbeError("--slm-budget runs in one process: leave out -n")
        return made

    def noise_floor(self, session: AuditSession) -> dict[str, int] | None:
        """Read how often the model flips against itself, by gate; None if that was not measured.

        A comparison of models that are not asked the same is refused.

        Raises:
            AuditError: what differs.
        """
        reference = session.reference
        if reference is None:
            return None
        about = describe_engine(session.engine)
        rows = {s.gate_id: s.rows_sha256(session.engine.first) for s in session.suites.values()}
        own = rows, asdict(session.policy.profile)
        mine = Asked.made(*own, about["model"], about["scorers"], version("pytest-slmtrust"))
        fingerprints = [about["model"].get("fingerprint"), reference.model().get("fingerprint")]
        if isinstance(reference, Accepted):
            now = how(mine.how, self.settings.packs, package_sha256())
            if now["scorers"] != reference.lock.how.get("scorers") and (why := without_scorer(session)):
                raise BackendError(why)  # an advice to accept the change would be wrong
            reference.check(now, session.policy.profile, about["model"])
            return None
        if isinstance(reference, Recorded):
            theirs = Asked.of(reference.audit)
        else:
            if fingerprints[0] == fingerprints[1]:
                raise AuditError(f"{reference.origin} is the model under audit; --slm-vs=self asks it once more")
            theirs = Asked.made(*own, reference.model(), about["scorers"], version("pytest-slmtrust"))
        found = differences(mine, theirs, partly=True)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            hint = self._template_hint(reference) if found[0].startswith("template") else ""
            raise AuditError(f"{reference.origin} cannot be compared with: {found[0]}{more}{hint}")
        if not self.settings.noise:
            return None
        try:
            return noise_floor(self._read("noise", self.settings.noise), mine, fingerprints)
        except AuditError as error:
            raise AuditError(f"--slm-noise {self.settings.noise}: {error}") from None

    def _template_hint(self, reference: Reference) -> str:
        """Say how both models can be asked without a template; empty where one of them cannot be."""
        from ..backends.load import takes_plain

        specs = [model_spec(self.config), *([] if self.settings.vs in ("", "self") else [self.settings.vs])]
        fixed = (recorded := isinstance(reference, Recorded)) and reference.model().get("chat_template") != "plain"
        if fixed or self.settings.chat_template == "off" or not all(map(takes_plain, specs)):
            return ""
        return f"; --slm-chat-template=off puts {'this one' if recorded else 'both'} plainly"

    def _engine(self, others: Mapping[tuple[str, str], Backend], model: Backend, reference: Backend | None = None) -> Engine:
        models = {(kind.kind, "target"): model for kind in model.answers}
        models |= {(kind.kind, REFERENCE): reference for kind in reference.answers} if reference is not None else {}
        return Engine({**models, **others}, self.store, self.progress)

    @cached_property
    def _loaded(self) -> Any:
        """What a hook hands over instead of a spec; asked once."""
        return self._asked("pytest_slm_backend")

    def _asked(self, hook: str) -> Any:
        try:
            return getattr(self.config.hook, hook)(config=self.config)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a hook that ends the process would leave no word
            raise usage_error(f"{hook} failed: {said(error)}") from None

    @property
    def _note(self) -> Callable[[str], None] | None:
        return self.progress.note if self.progress else None

    def _target(self, batch_rows: int | None = None) -> Backend:
        loaded = self._loaded
        if loaded is not None and self.settings.ray:
            raise usage_error("--slm-ray: pytest_slm_backend gives the model, and engines must load it: name it in --slm")
        if loaded is not None and not isinstance(loaded, tuple):
            if self.settings.model_key:
                raise usage_error("--slm-model-key: pytest_slm_backend gives the model, so there is no folder to check")
            return admit(loaded, "pytest_slm_backend")
        from ..backends.load import SpecError, load_backend, wrap_loaded

        spec = self._spec(model_spec(self.config), batch_rows)
        try:
            if loaded is None:
                return admitted(self._made(self._spread(load_backend(spec, self._note), spec)))
            if len(loaded) != 2:
                raise SpecError(f"pytest_slm_backend gave a tuple of {len(loaded)}; expected a (model, tokenizer) pair")
            return admitted(wrap_loaded(*loaded, scrub_spec(spec.text), spec.settings()))
        except SpecError as error:
            raise usage_error(f"--slm: {error}") from None

    def _spread(self, backend: Backend, spec: ModelSpec) -> Backend:
        """Return a backend that asks the engines of ``--slm-ray``, if there is such an option."""
        from ..backends.load import SpecError
        from ..scale.spread import spread

        try:
            return spread(backend, spec, self.settings.ray.strip(), self._note)
        except SpecError as error:
            raise usage_error(str(error)) from None

    def _made(self, backend: Backend) -> Backend:
        """What a factory gives, or a server can do, is found out before probes are collected: the rest is NOT TESTED by name.

        Not where nothing is asked (``--co``, ``--slm-plan``, the controller of xdist). A worker goes on without: its first
        question says what broke, in one line.
        """
        option = self.config.getoption
        asks = not (option("collectonly") or self.settings.plan or option("dist", "no") != "no")
        make, compare = getattr(backend, "make", None), getattr(backend, "compare_with_last", None)
        if make is not None and asks:
            try:
                make()
                if compare is not None:
                    compare(self.store.path.parent / ENDPOINTS)
            except BackendError:
                if not hasattr(self.config, "workerinput"):
                    raise
        return backend

    def _check_documents(self) -> None:
        """Refuse to send a user's documents to another machine, unless that was asked for. Nothing is sent before.

        Raises:
            pytest.UsageError: which option, and where they would go.
        """
        specs = [] if self._loaded is not None else [model_spec(self.config)]
        hosts = [host for spec in (*specs, self.settings.vs) for host in remote_hosts(spec)]
        hosts += ["whoever runs the batch"] if any(spec.startswith(BATCH) for spec in specs) else []
        given = [f"--slm-{name}" for name in DOCUMENTS if getattr(self.settings, name)]
        if hosts and given and not self.settings.send_documents:
            raise usage_error(
                f"{', '.join(given)}: these documents would go to {', '.join(hosts)}; add --slm-send-documents if they may"
            )

    def _signer(self) -> str:
        given = self.settings.model_key
        return str(given.path) if given else ""

    def _spec(self, text: str, batch_rows: int | None = None, key: str = KEY) -> ModelSpec:
        from ..backends.load import ModelSpec

        spec = ModelSpec(
            text, dtype=self.settings.dtype, device=self.settings.device,
            template=_TEMPLATES[self.settings.chat_template],
            allow_pickle=self.settings.allow_pickle, rehash=self.settings.rehash,
            allow_unused=self.settings.allow_unused_weights, thinking=self.settings.thinking,
            thought_tokens=_whole("thought-tokens", self.settings.thought_tokens), engine=self.settings.engine,
            key=os.environ.get(key, "").strip(), signer=self._signer(), vllm=self.settings.vllm,
        )  # fmt: skip
        return spec if batch_rows is None else replace(spec, batch_rows=batch_rows)

    def _baseline(self, spec: str) -> Backend:
        """Return the model of ``--slm-vs``; for ``self`` the target once more, in batches of another size."""
        if spec == "self":
            return Again(self._target(batch_rows=_AGAIN_ROWS))
        from ..backends.load import SpecError, load_backend, runs_here

        try:
            other = replace(self._spec(spec, key=KEY_VS), signer="")  # the key is the target's
            if other.engine == "llamacpp" and not spec.endswith(".gguf"):
                other = replace(other, engine="fast")  # a GGUF file against the model that it was made of
            if other.engine == "vllm" and not runs_here(spec):
                other = replace(other, engine="fast", vllm=())
            return admitted(self._made(self._spread(load_backend(other, self._note), other)))
        except SpecError as error:
            raise usage_error(f"--slm-vs: {error}") from None

    def _scorer(self) -> Backend:
        given = self._asked("pytest_slm_scorer")
        if given is not None:
            return admit(given, "pytest_slm_scorer")
        from ..backends.toxicity.scorer import AbsentError, ScorerError, check_name, load_scorer

        try:
            if self.config.option.collectonly or self.settings.plan:
                check_name(self.settings.toxicity)
                return Planned(spec=self.settings.toxicity)  # nothing will be scored: no download for a list of names
            return load_scorer(self.settings.toxicity, say=self._note)
        except AbsentError as error:
            return NoScorer(f"--slm-toxicity: {error}")  # it may be that nobody asks for one
        except ScorerError as error:
            raise usage_error(f"--slm-toxicity: {error}") from None

    def check_planned_scorer(self, suites: Iterable[Suite]) -> None:
        """Say at the end of a plan what a run would say at its beginning.

        Raises:
            pytest.UsageError: why there is no scorer, where a suite's cases ask for one.
        """
        from ..backends.toxicity.scorer import available

        asked = some_ask(suites) and self._asked("pytest_slm_scorer") is None
        reason = available(self.settings.toxicity) if asked else ""
        if reason:
            raise usage_error(f"a run would stop here: --slm-toxicity: {reason}")

    def _read(self, option: str, given: Given) -> Audit:
        from ..archive.verify import read_verified

        path = given.path
        folder = self.config.invocation_params.dir / self.settings.report
        if path.resolve() in ((folder / DATA).resolve(), (folder / PREVIOUS).resolve()):  # compared with itself
            raise AuditError(f"--slm-{option} {path}: this run writes its report there; keep the other audit elsewhere")
        try:
            audit = read_verified(path)
        except AuditError as error:
            raise AuditError(f"--slm-{option} {error}") from None
        if audit.incomplete:
            raise AuditError(f"--slm-{option} {path}: that audit is INCOMPLETE ({audit.incomplete}); run it again")
        return audit

    def clauses(self) -> tuple[Framework, ...]:
        """Return the reviewer's own map of clauses (``--slm-clauses``), without credentials.

        Raises:
            AuditError: it cannot be read; one line.
        """
        given = self.settings.clauses
        return tuple(map(_scrubbed, read_clauses(given.path))) if given else ()

    def _waivers(self, lock: Accepted | None) -> tuple[Waiver, ...]:
        given = self.settings.waivers  # by the clock: SOURCE_DATE_EPOCH is for builds, not for terms
        today = datetime.now(UTC).date()
        found = read_waivers(given.path, today) if given else ()
        # an owner is named on purpose: credentials alone are taken out
        made = tuple(replace(w, reason=scrub(w.reason), owner=scrub(w.owner)) for w in found)
        named = {w.probe for w in made}
        of_lock = lock_waivers(lock.lock, today.isoformat()) if lock else ()
        return (*made, *(w for w in of_lock if named.isdisjoint((w.probe, w.probe.rpartition("::")[2]))))


def _scrubbed(value: Any) -> Any:
    """Return a framework or clause with credentials taken out of each text."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, tuple):
        return tuple(map(_scrubbed, value))
    return replace(value, **{f.name: _scrubbed(getattr(value, f.name)) for f in fields(value)})


def _whole(name: str, given: str) -> int:
    text = given.strip()
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= MOST_TOKENS:
        raise pytest.UsageError(f"--slm-{name} is {text[:40]!r}; expected a whole number from 1 to {MOST_TOKENS}")
    return int(text)
