"""Requests: frozen questions for a backend, their answers, and the two verbs that ask them."""

from .answers import BackendError, Completion, Edit, Failure, Labels, Logprob, RequestFailed, ThoughtUnfinished, TokenLogprob
from .kinds import FORMAT, REFERENCE, Classify, Edits, Generate, Loglikelihood, Perturb, Request, Split
from .prompts import CHARACTERS, Message, Prompt, chat, text_of
from .protocol import BESIDE_MODEL, Backend, Counters, asks_model, model_answers
from .verbs import Steps, ask, ask_all, check_asked

__all__ = [
    "BESIDE_MODEL", "CHARACTERS", "FORMAT", "REFERENCE", "Backend", "BackendError", "Classify", "Completion", "Counters",
    "Edit", "Edits", "Failure", "Generate", "Labels", "Loglikelihood", "Logprob", "Message", "Perturb", "Prompt", "Request",
    "RequestFailed", "Split", "Steps", "ThoughtUnfinished", "TokenLogprob", "ask", "ask_all", "asks_model", "chat",
    "check_asked", "model_answers", "text_of",
]  # fmt: skip
