# SPDX-License-Identifier: GPL-2.0-only
"""HTML by type: what is Html stands as it is, any other text is escaped."""

import re
from html import escape

# What neither HTML nor XML can have, what has no shape, and what turns the direction of a line.
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff"
                   "\ufffe\uffff\ud800-\udfff]")
VOID = {"meta", "br"}


class Html(str):
    """Markup."""


def clean(value):
    return UNFIT.sub("\ufffd", str(value))


def html(value):
    return value if isinstance(value, Html) else Html(escape(clean(value)))


def join(parts, between=""):
    return Html(html(between).join(html(part) for part in parts))


def element(name, *content, **attributes):
    """<name ...>content</name>; attributes as class_, aria_label; None leaves one out."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{html(value)}"'
                    for key, value in attributes.items() if value is not None)
    if name in VOID:
        return Html(f"<{name}{words}>")
    return Html(f"<{name}{words}>{join(content)}</{name}>")


def prose(sentence):
    """Text with names between backquotes."""
    parts = str(sentence).split("`")
    if len(parts) % 2 == 0:
        return html(sentence)
    return join(element("code", part) if i % 2 else part for i, part in enumerate(parts))


def slug(*words):
    """Part of an id: a-z, 0-9 and dashes."""
    return "-".join(filter(None, (re.sub("[^a-z0-9]+", "-", str(word).lower()).strip("-")
                                  for word in words))) or "none"
