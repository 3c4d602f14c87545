# SPDX-License-Identifier: GPL-2.0-only
"""A file of results, read and checked: who works with it then need not look again.

Required is what every run has written since there are runs; what came later is checked where it
is. Keys that are not known here are nobody's business.
"""

import json

from lib.sandbox import Failed

LARGEST = 1e100  # a figure beyond this is none


def number(value):
    # Neither infinite nor NaN, which JSON has no words for, but Python reads.
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and abs(value) < LARGEST)


def optional(test):
    return lambda value: value is None or test(value)


def text(value):
    return isinstance(value, str)


def scalar(value):
    return value is None or isinstance(value, (str, bool)) or number(value)


def dict_of(test):
    return lambda value: isinstance(value, dict) and all(map(test, value.values()))


def list_of(test):
    return lambda value: isinstance(value, list) and all(map(test, value))


def pair(value):
    return isinstance(value, list) and len(value) == 2 and all(map(optional(number), value))


def verdict(value):
    return value in (None, "faster", "same", "slower")


def whole(value):
    return number(value) and isinstance(value, int) and value > 0


SPREAD = {"samples": list_of(optional(number)), "median": number, "low": number, "high": number}
INTERVAL = {"interval": optional(pair)}


def spread(value):
    return isinstance(value, dict) and wrong(value, SPREAD, INTERVAL) is None


# What rows of each list must have, and what they may have.
ROWS = {
    "results": ({"path": text, "case": text, "cpus": whole, "unit": text, **SPREAD,
                 "ratio": dict_of(optional(number))},
                {"part": text, "better": text, "shortcut": optional(number),
                 "ratio_spread": dict_of(optional(pair)), "ratio_interval": dict_of(optional(pair)),
                 "verdict": dict_of(verdict), "ratio_to_one_flow": optional(number), **INTERVAL}),
    "programs": ({"name": text, "hook": text, "load": text, "unit": text, "runs": number, **SPREAD,
                  "empty": spread, "above": spread}, {"instructions": optional(number), **INTERVAL}),
    "scale": ({"what": text, "by": text, "unit": text, **SPREAD},
              {"namespaces": whole, "endpoints": whole, "ratio": dict_of(optional(number)),
               "ratio_interval": dict_of(optional(pair)), "verdict": dict_of(verdict),
               "settling": optional(number), "maps": optional(number), "growth": optional(number), **INTERVAL}),
    "skipped": ({"reason": text}, {}),
    "refused": ({"reason": text}, {}),
}


def wrong(row, required, allowed):
    """What is wrong with a row, or None."""
    for key, test in required.items():
        if key not in row:
            return f"no `{key}`"
    for key, test in {**required, **allowed}.items():
        if key in row and not test(row[key]):
            return f"`{key}` is not understood"
    return None


def check(document):
    """Failed where a document is not what `run`, `progcost` or `scale` write."""
    if not isinstance(document, dict) or not isinstance(document.get("environment"), dict):
        raise Failed("not a file of results: no `environment`")
    if not any(key in document for key in ("results", "programs", "scale")):
        raise Failed("not a file of results: no `results`, `programs` or `scale`")
    for key in ("method", "paths"):
        if not isinstance(document.get(key, {}), dict):
            raise Failed(f"not a file of results: `{key}` is no object")
    for key, (required, allowed) in ROWS.items():
        rows = document.get(key, [])
        if not isinstance(rows, list):
            raise Failed(f"not a file of results: `{key}` is no list")
        for i, row in enumerate(rows):
            why = "no object" if not isinstance(row, dict) else wrong(row, required, allowed)
            if why:
                raise Failed(f"not a file of results: {key}[{i}]: {why}")
    for i, row in enumerate(document.get("scale", [])):
        if "namespaces" not in row and "endpoints" not in row:
            raise Failed(f"not a file of results: scale[{i}]: no `namespaces` or `endpoints`")


def load(file):
    """The document of a file; Failed, with the file's name, where there is none."""
    try:
        with open(file, encoding="utf-8") as stream:
            document = json.load(stream)
    except OSError as error:
        raise Failed(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Failed(f"{file}: not JSON: {error}") from None
    try:
        check(document)
    except Failed as failed:
        raise Failed(f"{file}: {failed}") from None
    return document
