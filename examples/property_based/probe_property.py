"""A property over generated inputs: pytest --slm=./my-model examples/property_based"""

from hypothesis import strategies as st

from pytest_slmtrust import Loglikelihood, Steps, Verdict, ask_all, probe

NUMBERS = st.fixed_dictionaries({"a": st.integers(1, 9), "b": st.integers(1, 9)})


@probe(dimension="robustness", rows=NUMBERS)
def does_not_mind_the_order_of_a_sum(a: int, b: int) -> Steps[Verdict]:
    """A sum has the same most likely result whichever number stands first."""
    options = [str(n) for n in range(2, 19)]
    best = []
    for first, second in ((a, b), (b, a)):
        context = f"{first} + {second} ="
        scores = yield from ask_all([Loglikelihood(context, f" {option}") for option in options])
        best.append(max(zip(options, scores, strict=True), key=lambda pair: pair[1].sum)[0])
    evidence = {"prompt": f"{a} + {b} = and {b} + {a} =", "reply": " and ".join(best)}
    return Verdict(passed=best[0] == best[1], score=float(best[0] == best[1]), evidence=evidence)
