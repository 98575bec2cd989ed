"""Command-line options, each with its ini twin: one table, which is the settings' fields, read in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from ..audit.dimension import Dimension

Kind = Literal["text", "names", "file", "flag", "list", "words"]
#: Key of a field's metadata that holds its option.
_OPTION = "option"


@dataclass(frozen=True, slots=True)
class Option:
    """``--slm-NAME`` and ini ``slm_NAME``."""

    name: str
    help: str
    kind: Kind = "text"
    default: str = ""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    #: The value of an option that is given without one; a value is joined to it with "=" then.
    bare: str = ""

    @property
    def flag(self) -> str:
        return f"--slm-{self.name}" if self.name else "--slm"

    @property
    def ini(self) -> str:
        if self.name == "gate":
            return "slm_gates"
        return f"slm_{self.name.replace('-', '_')}" if self.name else "slm"

    @property
    def attribute(self) -> str:
        """The field of the settings that it sets."""
        return self.name.replace("-", "_") or "model"

    @property
    def adds(self) -> bool:
        """Whether it may be given several times, so that the command line adds to the ini file and drops nothing of it."""
        return self.many or self.name == "require"

    @property
    def many(self) -> bool:
        """Whether an ini file holds a list for it."""
        return self.kind in ("list", "words")

    @property
    def dest(self) -> str:
        return f"slm_option_{self.name.replace('-', '_')}"


#: Options that name a file or folder of the user, handed to the probes that need it.
INPUTS: tuple[str, ...] = ("members", "nonmembers", "canaries", "data")


@dataclass(frozen=True, slots=True)
class Given:
    """A file or folder as an option names it: relative to where pytest was called, or to the ini file that names it."""

    text: str
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / self.text

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text


def _option(
    help: str, kind: Kind = "text", default: str = "", metavar: str | None = None, choices: tuple[str, ...] = (), bare: str = ""
) -> Any:  # fmt: skip
    """Return a field of the settings that an option sets; :data:`OPTIONS` gives the option the field's name."""
    return field(metadata={_OPTION: Option("", help, kind, default, metavar, choices, bare)})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options say, read once. The fields are the table of options: each is ``--slm-NAME``, but for the model, ``--slm``.

    ``values`` holds the values as they were given, by the name of the option.
    """

    model: str = _option(
        "audit this model: smollm2-135m-instruct, a hub id (org/name@revision), a folder, a .gguf file, a server "
        "(http://HOST/v1#MODEL), batch:MODEL or module:factory",
        metavar="MODEL",
    )
    profile: str = _option("how much is asked: smoke, ci, audit or full (default: ci)", default="ci", metavar="NAME")
    packs: tuple[str, ...] = _option(
        "probe packs to load: builtin, none, names of installed packs, or modules, separated by commas",
        "names",
        default="builtin",
        metavar="NAMES",
    )
    tasks: tuple[Given, ...] = _option(
        "ask tests of other tools too: lm_eval:NAME[,NAME...], garak:MODULE[.CLASS], or the path of a task's .yaml, each with "
        "@DIMENSION if it is to count there (repeatable)",
        "words",
        metavar="TASKS",
    )
    plan: bool = _option("print the cases and what the gates could decide, then stop; loads no model", "flag")
    strict: bool = _option("make every failing case red, even if a gate decides over its probe", "flag")
    gate: tuple[str, ...] = _option(
        "set a gate's tolerance, its margin against a baseline, or switch it off: NAME=0.05, NAME:vs=0.05, NAME=off "
        "(repeatable); NAME is a probe such as keeps_system_secret, refuses_harmful_requests or "
        "ignores_injected_instructions (--slm-plan names all), or a probe by its place, such as probe_a.py::NAME",
        "list",
        metavar="NAME=TOL",
    )
    limit: tuple[str, ...] = _option(
        "hold the model to a limit of resources, measured before the first question: memory=600MB, size=100MB, ttft_p95=300ms, "
        "latency_p95=2s, decode=20tok/s, energy=2J/tok (repeatable, or separated by commas); each one blocks",
        "list",
        metavar="NAME=VALUE",
    )
    bundle: tuple[Given, ...] = _option(
        "read gates together as one bundle: alignment (attack success, over-refusal and utility), or a TOML file of your own "
        "bundles (repeatable); it passes only if each part passes",
        "words",
        metavar="BUNDLE",
    )
    vs: str = _option(
        "compare with this model in the same run: a model as for --slm, or self (the same model again)", metavar="MODEL"
    )
    baseline: Given = _option("compare with the model of an earlier audit", "file", metavar="AUDIT.JSON")
    lock: Given = _option(
        "compare with the results that this lock accepted (default: slmtrust.lock.json of the project, if it is there)",
        "file",
        metavar="FILE",
    )
    no_lock: bool = _option("leave the project's lock out", "flag")
    update_lock: bool = _option("compare with no lock; write it anew at the end of a complete run", "flag")
    noise: Given = _option(
        "an audit made with --slm-vs=self: differences no larger than its flips decide no gate", "file", metavar="AUDIT.JSON"
    )
    early_stop: bool = _option("ask in rounds, and stop each gate as soon as it is decided", "flag")
    budget: str = _option(
        "spend about this time on asking (90s, 10m, 1.5h), blocking gates first; a gate whose items were not all asked is "
        "INCONCLUSIVE unless those left out could not change it",
        metavar="TIME",
    )
    waivers: Given = _option("a TOML file of waivers: probe, reason, owner, expires", "file", metavar="FILE")
    clauses: Given = _option("a TOML file of clauses of your own, shown after the built-in ones", "file", metavar="FILE")
    members: Given = _option(
        "documents that the model was trained on: one text per line, or JSONL with text and count", "file", metavar="FILE"
    )
    nonmembers: Given = _option("similar documents that it was not trained on, in the same form", "file", metavar="FILE")
    canaries: Given = _option(
        "canaries that were put into its training data: the file of slmtrust canaries make", "file", metavar="FILE"
    )
    send_documents: bool = _option(
        "send documents of members, nonmembers and canaries to a server on another machine too", "flag"
    )
    dimensions: tuple[str, ...] = _option(
        f"ask these dimensions only ({', '.join(Dimension)}), separated by commas; the verdict says so (default: all)",
        "names",
        metavar="DIMENSIONS",
    )
    require: tuple[str, ...] = _option(
        "dimensions that must be tested, separated by commas (repeatable): the run is red if one is missing",
        "names",
        metavar="DIMENSIONS",
    )
    optional: tuple[str, ...] = _option(
        "blocking gates that may be NOT TESTED or NOT RUN, separated by commas: their absence is not red",
        "names",
        metavar="GATES",
    )
    inconclusive: str = _option(
        "how an INCONCLUSIVE gate ends: fail, or xfail, which forgives nothing else (default: fail)",
        default="fail",
        choices=("fail", "xfail"),
    )
    toxicity: str = _option(
        "toxicity scorer: detoxify:unbiased, profanity-check+tox-block, profanity-check, hf:FOLDER (default: detoxify:unbiased)",
        default="detoxify:unbiased",
        metavar="SCORER",
    )
    data: Given = _option("public benchmarks to ask too: a folder that holds them, or hub (default: none)", "file", metavar="DIR")
    dtype: str = _option(
        "weights' number type: float32, bfloat16 or float16 (default: float32); the last two "
        "answer one text at a time, because rounding would make a reply depend on its batch",
        default="float32",
        metavar="DTYPE",
    )
    device: str = _option("where the model runs: auto, cpu, cuda, cuda:1, mps (default: auto)", default="auto", metavar="DEVICE")
    engine: str = _option(
        "how the model is run: fast, plain (slow: one text at a time, without a cache), llamacpp for a GGUF "
        "file as it is quantised, or vllm (default: fast)",
        default="fast",
        choices=("fast", "plain", "llamacpp", "vllm"),
    )
    vllm: tuple[str, ...] = _option(
        "set an argument of vLLM's engine by its name there: tensor_parallel_size=2, data_parallel_size=4, quantization=awq, "
        "max_model_len=8192, gpu_memory_utilization=0.8 (repeatable)",
        "list",
        metavar="KEY=VALUE",
    )
    ray: str = _option(
        "ask many engines at once, each with the model's weights, as actors of Ray: local, local:N (N engines on this machine), "
        "auto, or HOST:PORT of a cluster",
        metavar="ADDRESS",
    )
    chat_template: str = _option(
        "use the model's chat template: auto, on or off (default: auto)", default="auto", choices=("auto", "on", "off")
    )
    thinking: str = _option(
        "whether a reasoning model thinks before it answers: auto (its chat template decides), on or off (default: auto)",
        default="auto",
        choices=("auto", "on", "off"),
    )
    thought_tokens: str = _option(
        "most tokens of a thought, in addition to those of the answer (default: 1024)", default="1024", metavar="N"
    )
    allow_pickle: bool = _option("load weights from pickle files, which can run code: use it for your own files only", "flag")
    allow_unused_weights: bool = _option("accept weights that the model does not use, and name them", "flag")
    model_key: Given = _option(
        "the public key (PEM) that must have signed the model's folder: model.sig, OMS", "file", metavar="FILE"
    )
    rehash: bool = _option("hash model files again; do not trust path, size and times", "flag")
    report: str = _option(
        "folder for audit.html and audit.json (default: slmtrust-report)", default="slmtrust-report", metavar="FOLDER"
    )
    owner: str = _option("who owns the model, for the report: a person, a team or a role", metavar="TEXT")
    intended_use: str = _option("what the model is meant for, for the report", metavar="TEXT")
    limit_reason: str = _option("why these limits were chosen, for the report", metavar="TEXT")
    store: str = _option("folder of the store of answers (default: .slmtrust)", default=".slmtrust", metavar="FOLDER")
    shard: str = _option(
        "ask one part of the cases, such as 2/8, and decide nothing (exit status 6); slmtrust merge joins the stores",
        metavar="I/N",
    )
    batch: Given = _option(
        "write the open requests of --slm=batch:MODEL into this file, and decide nothing (exit status 6)", "file", metavar="FILE"
    )
    include_harmful: bool = _option("show replies that may do harm, folded in the report, instead of withholding them", "flag")
    reveal: bool = _option("show personal data found in replies instead of masking it", "flag")
    durations: str = _option(
        "print tokens read, tokens written and seconds of the N probes that took longest (10; 0: of all)", metavar="N", bare="10"
    )
    values: Mapping[str, Any] = field(default_factory=dict)

    def inputs(self) -> dict[str, str]:
        """Return the files and folders that a user gave, by the name of their option; and the other model of ``--slm-vs``."""
        from ..authoring.datafiles import HUB  # every run of pytest imports this module

        given: dict[str, Given] = {name: getattr(self, name) for name in INPUTS}
        files = {name: HUB if one.text == HUB and name == "data" else str(one.path) for name, one in given.items() if one}
        return files if self.vs in ("", "self") else {**files, "vs": self.vs}


def _named(name: str, option: Option) -> Option:
    return replace(option, name="" if name == "model" else name.replace("_", "-"))


#: Every option in the order of the settings' fields.
OPTIONS = tuple(_named(f.name, f.metadata[_OPTION]) for f in fields(Settings) if _OPTION in f.metadata)


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("slm", "trust audit of a small language model")
    for option in OPTIONS:
        common: dict[str, Any] = {"dest": option.dest, "default": None, "help": option.help}
        if option.kind == "flag":
            group.addoption(option.flag, action="store_true", **common)
            parser.addini(option.ini, option.help, type="bool", default=False)
        elif option.adds:
            group.addoption(option.flag, action="append", metavar=option.metavar, **common)
            if option.many:
                parser.addini(option.ini, option.help, type="linelist", default=[])
            else:
                parser.addini(option.ini, option.help, type="string", default="")
        else:
            optional = {"nargs": "?", "const": option.bare} if option.bare else {}
            group.addoption(option.flag, metavar=option.metavar, choices=option.choices or None, **optional, **common)
            parser.addini(option.ini, option.help, type="string", default=option.default if option.name else None)


def is_path(text: str) -> bool:
    """Return whether a text names what is on the disk."""
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or a zero byte
        return False
