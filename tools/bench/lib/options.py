# SPDX-License-Identifier: GPL-2.0-only
"""What the three commands have in common on their command lines."""

import argparse

from lib import stats
from lib.sandbox import own_name


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be 1 or more")
    return value


def one_of(allowed, kind=str):
    """Type of an option that takes a comma-separated list of known words, each once."""
    def parse(text):
        words = [kind(word) for word in text.split(",")]
        for word in words:
            if allowed is not None and word not in allowed:
                raise argparse.ArgumentTypeError(
                    f"{word}: not one of {', '.join(map(str, allowed))}")
        return list(dict.fromkeys(words))
    parse.__name__ = "list"  # argparse says "invalid list value"
    return parse


class Parser(argparse.ArgumentParser):
    """One line for what is wrong, as the program itself has it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (--help tells more)\n")


def parser(description, output="FILE"):
    """@output: what -o takes: the FILE for the JSON, or a DIR for all that is written."""
    made = Parser(description=description, prog=own_name(),
                                   epilog="The method is described in tools/bench/README.md.")
    made.add_argument("--rounds", type=positive, default=stats.ROUNDS, metavar="N",
                      help=f"rounds (default {stats.ROUNDS}; fewer are for trying it out)")
    made.add_argument("-o", "--output", metavar=output,
                      help="write JSON to FILE" if output == "FILE" else
                      "write bench.json and bench.html there")
    return made


def add_seconds(made):
    made.add_argument("--seconds", type=positive, default=1, metavar="S",
                      help="length of one load; whole seconds, as iperf3 and sockperf take them")
