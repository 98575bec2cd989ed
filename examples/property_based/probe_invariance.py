"""A property over edits: pytest --slm=./my-model examples/property_based

What breaks it is shrunk to the smallest edit that still does, and kept in .slmtrust/corpus: commit that folder, and the next run
tries it first.
"""

from pytest_slmtrust import Loglikelihood, Steps, ask_all, holds_under, probe
from pytest_slmtrust.authoring.strategies import unnoticed

REVIEWS = ["The food was wonderful and the waiter was very kind.", "A boring film that made me fall asleep."]


@probe(dimension="robustness", rows=[{"text": review} for review in REVIEWS])
@holds_under(unnoticed)
def reads_a_review_through_typing_errors(text: str) -> Steps[str]:
    """An edit that a reader does not notice leaves the sentiment as it was."""
    options = ["positive", "negative"]
    scores = yield from ask_all([Loglikelihood(f"Review: {text}\nThe review is", f" {option}") for option in options])
    return max(zip(options, scores, strict=True), key=lambda pair: pair[1].sum)[0]
