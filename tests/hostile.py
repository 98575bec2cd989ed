"""Texts that attack a page that shows them. Each that runs sets ``data-pwned`` on the root element."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from pytest_slmtrust.audit.model import Audit, Status

_RUN = "document.documentElement.dataset.pwned=1"

PAYLOADS: tuple[str, ...] = (
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f"</SCRIPT ><script>{_RUN}</script>",
    f"</style><script>{_RUN}</script>",
    f"</title><script>{_RUN}</script>",
    f"</textarea><script>{_RUN}</script>",
    f"--><script>{_RUN}</script><!--",
    f"]]><script>{_RUN}</script>",
    "<!--<script>",
    "<!--<script></script>",
    f"<img src=x onerror={_RUN}>",
    f"<img src='x' onerror='{_RUN}'>",
    f'"><img src=x onerror="{_RUN}">',
    f"'><img src=x onerror='{_RUN}'>",
    f"<svg onload={_RUN}>",
    f"<svg/onload={_RUN}//",
    f"</svg><svg onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
    f"<svg><a xlink:href=javascript:{_RUN}><text y=20>x</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x><script>1</script></svg>#x'/></svg>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={_RUN}&gt;'>",
    f"<math href=javascript:{_RUN}>x</math>",
    f"<body onload={_RUN}>",
    f"<iframe src=javascript:{_RUN}>",
    f"<iframe srcdoc='<script>parent.{_RUN}</script>'>",
    f"<object data=javascript:{_RUN}>",
    f"<embed src=javascript:{_RUN}>",
    f"<a href=javascript:{_RUN}>x</a>",
    f"<a href='java\tscript:{_RUN}'>x</a>",
    f"<form action=javascript:{_RUN}><button>x</button></form>",
    f"<button formaction=javascript:{_RUN}>x</button>",
    f"<input autofocus onfocus={_RUN}>",
    f"<select autofocus onfocus={_RUN}>",
    f"<textarea autofocus onfocus={_RUN}>",
    f"<details open ontoggle={_RUN}>",
    f"<video><source onerror={_RUN}></video>",
    f"<audio src=x onerror={_RUN}>",
    f"<marquee onstart={_RUN}>",
    f"<p style='animation-name:x' onanimationstart={_RUN}>",
    "<style>@import 'http://127.0.0.1:9/x';*{background:url(http://127.0.0.1:9/y)}</style>",
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<base href=http://127.0.0.1:9/>",
    f"<template><img src=x onerror={_RUN}></template>",
    f"<noscript><p title='</noscript><img src=x onerror={_RUN}>'>",
    f'" onmouseover="{_RUN}" x="',
    f"' onfocus='{_RUN}' autofocus x='",
    f"` onclick={_RUN} `",
    f"\" style=\"x:expression({_RUN})\" tabindex=0 autofocus onfocus=\"{_RUN}",
    f"{{{{ cycler.__init__.__globals__.os.popen('{_RUN}') }}}}",
    "{% for x in range(10**9) %}x{% endfor %}",
    "{{ 7 * 7 }}{{ config }}${7*7}#{7*7}",
    f"&lt;script&gt;{_RUN}&lt;/script&gt;",
    f"&#60;script&#62;{_RUN}&#60;/script&#62;",
    f"\\u003cscript\\u003e{_RUN}\\u003c/script\\u003e",
    f"\";{_RUN};//",
    f"');{_RUN};//",
    f"[x](javascript:{_RUN}) ![y](http://127.0.0.1:9/pixel.png)",
    "\x00<scr\x00ipt>\x1b]0;owned\x07\x1b[2J\u202e\u2066\u200b\ud800\ufeff",
    "__proto__",
    "constructor",
    "toString",
    "\u2028\u2029\r\n<!DOCTYPE html><html data-pwned=1>",
)  # fmt: skip


#: Fields whose values the schema lists: a hostile file may still hold others.
CLOSED = ("outcome", "dimension")


def poisoned(audit: Audit, payload: str, *, closed: bool = False) -> Audit:
    """The audit with the payload in every text field, and in keys and values of every mapping; statuses stay.

    ``closed``: also in the fields whose values the schema lists.
    """
    made = _poison(audit, payload, closed)
    assert isinstance(made, Audit)
    return made


def _poison(value: Any, payload: str, closed: bool) -> Any:
    if isinstance(value, Status):
        return value
    if isinstance(value, str):
        return value + payload
    if is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in fields(value) if closed or f.name not in CLOSED]
        return replace(value, **{name: _poison(getattr(value, name), payload, closed) for name in names})
    if isinstance(value, dict):
        known = {key: _poison(item, payload, closed) for key, item in value.items()}
        return known | {f"key{payload}": payload, payload: {"deep": [payload, {payload: payload}]}}
    if isinstance(value, (list, tuple)):
        return type(value)(_poison(item, payload, closed) for item in value)
    return value
