"""Facts with a typing error: pytest --slm=variants:prune50 --slm-vs=smollm2-135m-instruct --slm-packs=none probe_noise.py"""

from collections.abc import Sequence

from probe_facts import CITIES, COLD, PARIS, ROWS, likes

from pytest_slmtrust import Control, Loglikelihood, Perturb, Steps, Verdict, ask, ask_all, probe


@probe(
    dimension="robustness",
    rows=ROWS[::3],
    needs=(Loglikelihood,),
    extras=("textattack",),
    detector="the option with the largest log-likelihood after the noisy opening; a tie is no answer",
    estimand="every third fact of fifteen everyday kinds (benchmark), with two letters swapped in a fifth of the words",
    metric="error rate with four options under noise; guessing errs in 75 %",
    controls=(
        Control(PARIS, likes("Paris"), True),
        Control(PARIS, likes(CITIES[0]), False),
        Control(COLD, likes("cold"), True),
        Control(COLD, likes("deep"), False),
    ),
)
def finds_the_fact_through_a_typing_error(opening: str, options: Sequence[str], answer: str, kind: str) -> Steps[Verdict]:
    """Of four short continuations of an opening with a typing error the right one is the likeliest.

    Score: 1 if it is, else 0.
    """
    noisy = yield from ask(Perturb(opening, "char-swap"))
    scores = [one.sum for one in (yield from ask_all([Loglikelihood(noisy, f" {option}") for option in options]))]
    chosen = options[scores.index(max(scores))] if scores.count(max(scores)) == 1 else ""
    evidence = {"prompt": noisy, "original": opening, "perturbed": noisy, "reply": chosen, "expected": answer}
    return Verdict(chosen == answer, float(chosen == answer), evidence, kind)
