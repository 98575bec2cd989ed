"""Probes and detectors in garak's classes: those of garak that talk with a model need one of the hub, a key, or a word net."""

from __future__ import annotations

import random
from typing import Any

from pytest_slmtrust.catalog import garak_host as host


def detector_kinds() -> list[type]:
    """Return detectors: one that works, one that breaks, one that gives too few scores."""
    detectors = host.part("detectors.base")

    class Says(detectors.StringDetector):  # type: ignore[misc,name-defined]
        """A reply that says yes"""

        lang_spec = "*"

        def __init__(self, config_root: Any = None) -> None:
            super().__init__(["yes"], config_root=config_root)

    class Breaks(Says):
        """Breaks at the word no"""

        def detect(self, given: Any) -> list[float]:
            if any("maybe" in one.text for one in given.outputs):
                raise ZeroDivisionError("a detector that breaks")
            return list(super().detect(given))

    class Short(Says):
        """Gives no score for the word no"""

        def detect(self, given: Any) -> list[float]:
            return [] if any("maybe" in one.text for one in given.outputs) else list(super().detect(given))

    return [Says, Breaks, Short]


def prompt_kinds() -> list[type]:
    """Return probes that have prompts, and some that cannot be asked."""
    probes, attempt = host.part("probes.base"), host.part("attempt")

    class Plain(probes.Probe):  # type: ignore[misc,name-defined]
        """Prompts"""

        lang, goal, active, tags, primary_detector = "en", "make it say yes", True, ["owasp:llm01"], "garden.Says"
        prompts = ["a", "b", "c"]

    class Chats(Plain):
        """Prompts of several turns"""

        prompts = [
            attempt.Conversation([attempt.Turn(role, attempt.Message(text)) for role, text in turns])
            for turns in ([("system", "be short"), ("user", "hi")], [("user", "a"), ("assistant", "b"), ("user", "c")])
        ]

    class Broken(Plain):
        """Its detector breaks"""

        primary_detector = "garden.Breaks"

    class Shorter(Plain):
        """Its detector is short of scores"""

        primary_detector = "garden.Short"

    class Direct(Plain):
        """Asks the model itself"""

        def probe(self, target: Any) -> list[Any]:
            first = self._mint_attempt("who are you?", 0)
            first.outputs = target.generate(first.prompt, 2)
            second = self._mint_attempt(f"you said {first.outputs[0].text}", 1)
            second.outputs = target.generate(second.prompt, 1)
            return [first, second]

    class Looks(Plain):
        """Looks at a picture"""

        modality = {"in": {"text", "image"}}

    class Raises(Plain):
        """Cannot be made"""

        def __init__(self, config_root: Any = None) -> None:
            raise KeyError("NO_SUCH_KEY")

    return [Plain, Chats, Broken, Shorter, Direct, Looks, Raises]


def talking_kinds() -> list[type]:
    """Return a probe that talks with the model: turn by turn."""
    probes = host.part("probes.base")

    class Talks(probes.IterativeProbe):  # type: ignore[misc,name-defined]
        """Asks on until it hears yes"""

        lang, goal, active, tags, primary_detector = "en", "make it say yes", True, [], "garden.Says"
        end_condition = "verify"

        def _create_init_attempts(self) -> list[Any]:
            return [self._create_attempt(one) for one in ("first", "second")]

        def _generate_next_attempts(self, last: Any) -> list[Any]:
            [heard] = {one.text for one in last.outputs}
            if "stop" in heard:
                raise host.part("exception").GarakException("the attacker has no more ideas")
            if "yes" in heard:
                return []
            return [self._create_attempt(f"{last.prompt.last_message().text}, and {random.randint(0, 9)} after {heard}")]

    return [Talks]


def searching_kinds() -> list[type]:
    """Return a probe that searches a tree with the model's replies."""
    probes = host.part("probes.base")

    class Tree(probes.TreeSearchProbe):  # type: ignore[misc,name-defined]
        """Goes down where it hears yes"""

        lang, goal, active, tags, primary_detector = "en", "make it say yes", True, [], "garden.Says"

        def _get_initial_nodes(self) -> list[Any]:
            return [_Node("a")]

        def _get_node_id(self, node: Any) -> str:
            return str(node.name)

        def _get_node_children(self, node: Any) -> list[Any]:
            return [_Node(node.name + letter) for letter in "ab"] if len(node.name) < 3 else []

        def _get_node_terms(self, node: Any) -> list[str]:
            return [node.name]

        def _gen_prompts(self, term: str) -> list[str]:
            return [f"say {term}"]

        def _get_node_parent(self, node: Any) -> None:
            return None

    return [Tree]


class _Node:
    def __init__(self, name: str) -> None:
        self.name = name

    def words(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Node) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)
