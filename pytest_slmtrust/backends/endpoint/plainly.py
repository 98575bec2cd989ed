"""Chats as plain text, for a server whose chat template is switched off: the same text as for a model here."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from ...requests import Generate, Loglikelihood, Request
from ..transformers.template import PLAIN_STOP, plain_form

#: Identity of the plain form, as a model here gives it: no template.
TEMPLATE_SHA256 = hashlib.sha256(b"null").hexdigest()


def plainly(request: Request[Any]) -> Request[Any]:
    """Return a request with its chat as plain text; a request without a chat stays as it is."""
    if isinstance(request, Generate) and not isinstance(request.prompt, str):
        return replace(request, prompt=plain_form(request.prompt), stop=(*request.stop, PLAIN_STOP))
    if isinstance(request, Loglikelihood) and not isinstance(request.context, str):
        bare = request.continuation.lstrip(" ") or request.continuation
        scored = request.continuation if request.split == "length" else f" {bare}"
        return replace(request, context=plain_form(request.context), continuation=scored)
    return request
