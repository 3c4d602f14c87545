# SPDX-License-Identifier: GPL-2.0-only
"""Runs gnuplot and makes what it draws a part of a page.

Its SVG is read and written anew: only elements and attributes that are known here, ids that are
the plot's own, names of colours that the page defines for light, dark and paper.
"""

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

from lib.markup import Html, clean, element, html
from lib.sandbox import Failed, reason

# What is drawn in these colours gets those of the page.
COLOURS = {"kernel": 0x5A6570, "rules": 0xA85200, "fastveth": 0x0B5FB0, "beside": 0x7A3E9D,
           "other": 0x00796B, "grid": 0xD0D0D0}
ELEMENTS = {"svg", "g", "defs", "circle", "path", "rect", "use", "text"}
ATTRIBUTES = {"viewBox", "id", "href", "fill", "stroke", "color", "opacity", "fill-opacity",
              "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin",
              "transform", "font-size", "text-anchor", "x", "y", "width", "height", "cx", "cy", "r", "d"}
PAINT = ("fill", "stroke", "color")
WIDTH = 480
PATIENCE = 60  # seconds


def missing():
    """Why there are no plots, or None."""
    return None if shutil.which("gnuplot") else (
        "gnuplot is not installed: run `make deps DEPS=bench`")


def quoted(value):
    """A string of gnuplot's: between single quotes nothing but these means anything."""
    return "'" + clean(value).replace("\n", " ").replace("\t", " ").replace("'", "''") + "'"


def tic(label, at):
    """A label at a place; gnuplot takes it for a format."""
    return f"{quoted(label).replace('%', '%%')} {at!r}"


def run(script):
    if missing():
        raise Failed(missing())
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(["gnuplot", "-d"], input=script.encode(), capture_output=True,
                              env=environment, check=False, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"gnuplot: {error}") from None
    said = done.stderr.decode(errors="replace")
    if done.returncode or not done.stdout:
        raise Failed(f"gnuplot: {reason(said)}")
    return done.stdout


def colour(value):
    """What gnuplot calls a colour in the page's words."""
    rgb = re.fullmatch(r"rgb\( *(\d+), *(\d+), *(\d+)\)", value)
    if not rgb:
        return "currentColor" if value in ("black", "currentColor") else value
    number = sum(int(part) << shift for part, shift in zip(rgb.groups(), (16, 8, 0)))
    name = next((name for name, known in COLOURS.items() if known == number), None)
    return f"var(--{name})" if name else value


def attributes(node, plot):
    """Those of an element, as they stand in the page."""
    found, style = {}, []
    for key, value in node.attrib.items():
        key = key.rpartition("}")[2]
        if key not in ATTRIBUTES:
            continue
        if key == "id":
            value = f"{plot}-{value}"
        elif key == "href":
            value = f"#{plot}-{value.lstrip('#')}"
        elif key in PAINT:
            value = colour(value)
            if value.startswith("var("):
                style.append(f"{key}:{value}")
                continue
            # What is drawn in black is drawn as the text around it.
            if key == "color":
                continue
        found[key] = value
    if style:
        found["style"] = ";".join(style)
    return found


def convert(node, plot):
    name = node.tag.rpartition("}")[2]
    if name not in ELEMENTS:
        return Html("")
    content = [convert(child, plot) for child in node]
    if name == "text":
        content = ["".join(node.itertext())]
    elif name == "g" and not any(content):
        return Html("")
    if name == "path" and not node.get("d", "").strip():
        return Html("")
    return element(name, *content, **attributes(node, plot))


def svg(script, height, plot, title, alt):
    """An <svg> with an id, a title and what those read who do not see it."""
    head = (f"set terminal svg size {WIDTH},{height} dynamic noenhanced font 'sans-serif,13'\n"
            "set encoding utf8\n")
    try:
        root = ElementTree.fromstring(run(head + script))
    except ElementTree.ParseError as error:
        raise Failed(f"gnuplot: what it drew is no SVG: {error}") from None
    return element("svg", element("title", title), *(convert(child, plot) for child in root),
                   id=plot, class_="plot", role="img", aria_label=f"{title}. {alt}",
                   **{"viewBox": html(root.get("viewBox"))})
