"""`python benchmarks/recipe.py`: the runs of `configs/sweeps/recipe.yaml` as a table in RESULTS.md."""

import argparse
import statistics
from collections import defaultdict
from datetime import date

from results import machine, replace_part

from dcgan_lib.records.paths import PATHS
from dcgan_lib.records.reading import load_runs
from dcgan_lib.records.table import select

SCORES = ("swd", "swd_16", "swd_32", "swd_64", "diversity")


def main() -> None:
    """Read the finished runs, and write a row for each variant: the median and range over its seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="runs", help="folder of all runs")
    options = parser.parse_args()
    variants = defaultdict(list)
    for record in select(load_runs(options.runs), 'tags.str.contains("recipe") and state == "finished"'):
        name = record.name.removeprefix("recipe-").rpartition("-")[0]
        seconds = record.series(PATHS["loss_d"])["seconds"].max()
        variants[name].append([*(record.last(f"metrics/{score}")[1] for score in SCORES), seconds])
    if not variants:
        raise SystemExit(
            f"no finished run of the sweep in {options.runs}: make sweep CONFIG=configs/sweeps/recipe.yaml"
        )
    columns = (*SCORES, "seconds")
    lines = [f"| variant | seeds | {' | '.join(columns)} |", f"| --- | ---: |{' ---: |' * len(columns)}"]
    for name, rows in sorted(variants.items(), key=lambda item: statistics.median(row[0] for row in item[1])):
        cells = []
        for values in zip(*rows, strict=True):
            spread = f" ({min(values):.3g} to {max(values):.3g})" if len(rows) > 1 else ""
            cells.append(f"{statistics.median(values):.3g}{spread}")
        lines.append(f"| {name} | {len(rows)} | {' | '.join(cells)} |")
    print("\n".join(lines))
    text = f"{date.today()}, {machine()}; smaller is better, diversity 1 is right; two runs at a time"
    replace_part("recipe", text + "\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
