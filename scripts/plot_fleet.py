"""Draws a run of the fleet: scripts/plot_fleet.py RUN.json PLOT.svg

The data come from the test in tests/deploy_fleet.rs. Two panels over one axis of time: messages above, workers below.
"""

import json
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP = 760, 180, 56, 16, 34
GAP = 46
INK, GRID = "#333", "#ddd"
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


def nice(most: float) -> float:
    """The next round number, for the end of an axis."""
    for step in (4, 5, 8, 10, 20, 40, 50, 80, 100, 200, 500, 1000):
        if most <= step:
            return step
    return most


def panel(top: float, title: str, samples: list, series: list, most: float, end: float, steps: bool) -> list[str]:
    def x(seconds: float) -> float:
        return LEFT + seconds / end * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return top + HEIGHT - value / most * HEIGHT

    out = [f'<text x="{LEFT}" y="{top - 12}" {FONT} font-weight="bold" fill="{INK}">{title}</text>']
    for part in range(5):
        value = most * part / 4
        out.append(f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{WIDTH - RIGHT}" y2="{y(value):.1f}" stroke="{GRID}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" {FONT} fill="{INK}" text-anchor="end">{value:g}</text>')
    for number, (name, colour, dash) in enumerate(series):
        points, last = [], None
        for sample in samples:
            if steps and last is not None:
                points.append(f"{x(sample['seconds']):.1f},{y(last):.1f}")
            last = min(sample[name], most)
            points.append(f"{x(sample['seconds']):.1f},{y(last):.1f}")
        style = ' stroke-dasharray="5 4"' if dash else ""
        out.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"{style}/>')
        at = WIDTH - RIGHT - 150
        out.append(f'<line x1="{at}" y1="{top + 12 + number * 17}" x2="{at + 24}" y2="{top + 12 + number * 17}" stroke="{colour}" stroke-width="2"{style}/>')
        out.append(f'<text x="{at + 30}" y="{top + 16 + number * 17}" {FONT} fill="{INK}">{name.replace("_", " ")}</text>')
    return out


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        run = json.load(file)
    samples = run["samples"]
    end = max(sample["seconds"] for sample in samples) or 1
    messages = nice(max(sample["waiting"] + sample["in_work"] for sample in samples))
    workers = nice(run["ceiling"])
    second = TOP + HEIGHT + GAP
    bottom = second + HEIGHT
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 44}" role="img" aria-label="A fleet follows its backlog">',
        f'<rect width="{WIDTH}" height="{bottom + 44}" fill="white"/>',
    ]
    out += panel(TOP, "Messages", samples, [("waiting", "#b35900", False), ("in_work", "#1a5fb4", False)], messages, end, False)
    out += panel(second, "Workers", samples, [("desired", "#777", True), ("running", "#26734d", False)], workers, end, True)
    for part in range(6):
        seconds = end * part / 5
        at = LEFT + seconds / end * (WIDTH - LEFT - RIGHT)
        out.append(f'<text x="{at:.1f}" y="{bottom + 20}" {FONT} fill="{INK}" text-anchor="middle">{seconds:.0f}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{bottom + 38}" {FONT} fill="{INK}" text-anchor="middle">seconds (each stands for a minute of CloudWatch)</text>')
    out.append("</svg>")
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


main()
