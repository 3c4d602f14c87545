# SPDX-License-Identifier: GPL-2.0-only
"""The plots of a report: rows of samples, rows of ratios, and growth with the number of endpoints."""

import math
from dataclasses import dataclass, field

from lib.gnuplot import COLOURS, WIDTH, quoted, svg, tic

ROW = 26  # pixels
LETTER = 7.2  # of the font, at the most on average
LONGEST = 22  # letters of a label; the table beside has all of it
SHAPES = {"kernel": 7, "rules": 5, "fastveth": 13, "beside": 9, "other": 11}
FAINT = 0xA0000000  # what gnuplot adds to a colour that shines through
SPAN = 0.3  # of a row, to either side of its middle
RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.4, 2, 3, 5,
          10, 20, 50, 100)


@dataclass
class Mark:
    """One row of a plot, or one point of a line."""
    label: str
    kind: str
    middle: float
    low: float
    high: float
    samples: list = field(default_factory=list)


def short(label):
    return label if len(label) <= LONGEST else label[:LONGEST - 1] + "…"


def figure(value):
    """Of an axis: 50k, 0.25."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def even(high, count=5):
    """About so many places from 0 to a figure, and a little more."""
    rough = high / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 2.5, 5, 10) if power * part >= rough)
    return [i * step for i in range(math.floor(high / step * 1.001) + 1)]


def thinned(places, low, high, apart):
    """Those between low and high that are not too near, 1 first, on an axis of logarithms."""
    kept = []
    for place in sorted(places, key=lambda value: abs(math.log(value))):
        if low <= place <= high and all(
                abs(math.log(place / other)) >= apart * math.log(high / low) for other in kept):
            kept.append(place)
    return sorted(kept)


def block(name, lines):
    """Data; of none at all gnuplot would make an error, a question mark is no number to it."""
    rows = [" ".join(repr(float(value)) for value in line) for line in lines] or ["?"]
    return f"${name} << EOD\n" + "\n".join(rows) + "\nEOD\n"


def frame(marks, label):
    """Rows from top to bottom, their names at the left."""
    width = max(len(short(mark.label)) for mark in marks) * LETTER + 14
    height = len(marks) * ROW + 62
    tics = ", ".join(tic(short(mark.label), i) for i, mark in enumerate(marks, 1))
    return height, f"""set lmargin at screen {width / WIDTH:.4f}
set rmargin at screen {1 - 16 / WIDTH:.4f}
set tmargin at screen {1 - 6 / height:.4f}
set bmargin at screen {52 / height:.4f}
set border 1
set ytics scale 0 ({tics})
set yrange [{len(marks) + 0.5}:0.5]
set xlabel {quoted(label)} offset 0,0.3
set grid xtics lt 1 lw 0.5 lc rgb {COLOURS['grid']}
unset key
"""


def across(places):
    return "set xtics scale 0.4 nomirror (" + ", ".join(
        tic(figure(place), place) for place in places) + ")\n"


def rows(plot, title, alt, marks, label):
    """Each sample as a dot, the later the lower; the interval as a bar, the median across it."""
    height, script = frame(marks, label)
    dots, bars = [], []
    for i, mark in enumerate(marks, 1):
        paint = COLOURS[mark.kind]
        values = [(n, value) for n, value in enumerate(mark.samples) if value is not None]
        for n, value in values:
            part = n / (len(mark.samples) - 1) - 0.5 if len(mark.samples) > 1 else 0
            dots.append((value, i + 2 * SPAN * part, FAINT + paint))
        bars.append((mark.low, i, mark.high - mark.low, mark.middle, paint))
    # From 0, or what is a little would look like much. Differences may be below it.
    ends = [0, *(value for value, *_ in dots), *(end for mark in marks for end in (mark.low, mark.high))]
    low, high = min(ends), max(ends) if any(ends) else 1
    places = [place for place in even(max(high, -low)) if place <= high]
    places += [-place for place in places[1:] if -place >= low]
    script += block("dots", dots) + block("bars", bars) + across(
        places) + f"""set xrange [{low * 1.05!r}:{high * 1.05 or -low / 20!r}]
plot $dots using 1:2:3 with points pt 7 ps 0.55 lc rgb variable, \\
 $bars using 1:2:3:(0):5 with vectors nohead lw 2.5 lc rgb variable, \\
 $bars using 4:($2-{SPAN}):(0):(2*{SPAN}):5 with vectors nohead lw 3 lc rgb variable
"""
    return svg(script, height, plot, title, alt)


def ratios(plot, title, alt, marks, label):
    """One mark with its interval for each row, on an axis of logarithms, and a line at 1."""
    height, script = frame(marks, label)
    edges = [1 / 1.15, 1.15] + [value for mark in marks for value in (mark.low, mark.high, mark.middle)]
    low, high = min(edges) / 1.05, max(edges) * 1.05
    places = thinned(RATIOS, low, high, 0.13)
    bars = [(mark.low, i, mark.high - mark.low, mark.middle, COLOURS[mark.kind], SHAPES[mark.kind])
            for i, mark in enumerate(marks, 1)]
    script += block("bars", bars) + across(places) + f"""set logscale x
set xrange [{low!r}:{high!r}]
set arrow from 1,graph 0 to 1,graph 1 nohead lw 1.5 back
plot $bars using 1:2:3:(0):5 with vectors nohead lw 2.5 lc rgb variable, \\
 $bars using 4:2:6:5 with points pt variable ps 1 lc rgb variable
"""
    return svg(script, height, plot, title, alt)


def decades(low, high):
    """1, 2, 5, 10... around figures; the nearest power of ten where that would be many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    parts = (1, 2, 5) if last - first <= 2 else (1,)
    return [part * 10.0 ** power for power in range(first, last + 1) for part in parts]


def growth(plot, title, alt, lines, label):
    """
    A line per method over the number of endpoints.

    @lines: {method: (kind, {endpoints: Mark})}.
    """
    sizes = sorted({size for _, points in lines.values() for size in points})
    marks = [mark for _, points in lines.values() for mark in points.values()]
    low, high = min(mark.low for mark in marks), max(mark.high for mark in marks)
    # Of methods that are far apart the better one would lie on the ground.
    steep = low > 0 and high > 10 * low
    height, script, drawn = 300, "", []
    for i, (name, (kind, points)) in enumerate(lines.items()):
        script += block(f"line{i}", [(size, mark.middle, mark.low, mark.high)
                                     for size, mark in sorted(points.items())])
        paint = COLOURS[kind]
        drawn += [f"$line{i} using 1:2 with linespoints lw 2 pt {SHAPES[kind]} ps 0.9 lc rgb {paint} "
                  f"title {quoted(short(name))}",
                  f"$line{i} using 1:3:(0):($4-$3) with vectors nohead lw 1.5 lc rgb {paint} notitle"]
    places = decades(low, high) if steep else even(high or 1)
    bottom, top = (low / 1.3, high * 1.3) if steep else (0, (high or 1) * 1.08)
    script += f"""set lmargin at screen {72 / WIDTH:.4f}
set rmargin at screen {1 - 20 / WIDTH:.4f}
set tmargin at screen {1 - 34 / height:.4f}
set bmargin at screen {52 / height:.4f}
set border 3
set key at screen 0.5, screen {1 - 4 / height:.4f} center top horizontal samplen 2
set xlabel 'endpoints' offset 0,0.3
set ylabel {quoted(label + ', log scale' * steep)}
set grid ytics lt 1 lw 0.5 lc rgb {COLOURS['grid']}
set logscale x
set xrange [{sizes[0] / 1.15!r}:{sizes[-1] * 1.15!r}]
{'set logscale y' if steep else ''}
set yrange [{bottom!r}:{top!r}]
set ytics scale 0.4 nomirror ({', '.join(tic(figure(p), p) for p in places if bottom <= p <= top)})
""" + across(sizes if len(sizes) < 8 else thinned(sizes, sizes[0], sizes[-1], 0.1))
    return svg(script + "plot " + ", ".join(drawn) + "\n", height, plot, title, alt)
