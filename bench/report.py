"""Tables of medians for people, the same figures with every single run as JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import amqp10

_PACKAGES = ("uvloop", "Cython", "pytest-benchmark")


@dataclass
class Table:
    """Rows of figures, each measured several times.

    Attributes:
        title: what was measured.
        columns: names of the figures, with their units.
        rows: for each name the figures of every run.
        notes: what a reader must know.
    """

    title: str
    columns: list[str]
    rows: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, row: str, figures: Mapping[str, float]) -> None:
        """Add the figures of one run to a row."""
        self.rows.setdefault(row, []).append(dict(figures))

    def median(self, row: str, column: str) -> float | None:
        """Return the median of the runs, or None where the row has no such figure."""
        values = [run[column] for run in self.rows.get(row, ()) if column in run]
        return statistics.median(values) if values else None

    def text(self) -> str:
        """Lay the medians out as a table."""
        cells = [["", *self.columns], *map(self._cells, self.rows)]
        widths = [max(len(line[index]) for line in cells) for index in range(len(cells[0]))]
        lines = [self.title]
        lines += ["  ".join(_aligned(line, widths)).rstrip() for line in cells]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _cells(self, row: str) -> list[str]:
        return [row, *(_number(self.median(row, column)) for column in self.columns)]

    def as_json(self) -> dict[str, Any]:
        """Return medians and runs as plain values."""
        rows = {
            row: {"median": {column: self.median(row, column) for column in self.columns}, "runs": runs}
            for row, runs in self.rows.items()
        }
        return {"title": self.title, "rows": rows, "notes": self.notes}


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == 0:
        return "0"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def environment() -> dict[str, Any]:
    """Return what the figures depend on: machine, versions, and how busy the machine is."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "amqp10": amqp10.__version__,
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "load": list(os.getloadavg()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def environment_text(facts: Mapping[str, Any]) -> str:
    """Lay out what `environment` returned as two lines."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    load = " ".join(f"{value:.2f}" for value in facts["load"])
    return (
        f"amqp10 {facts['amqp10']}, {facts['implementation']} {facts['python']} ({facts['compiler']}), {packages}\n"
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}; load average {load}"
    )


def write_json(path: Path, before: Mapping[str, Any], benches: Mapping[str, Iterable[Table]]) -> None:
    """Write all tables, and the environment before and the load after the runs, to a file."""
    content = {
        "environment": dict(before),
        "load_after": list(os.getloadavg()),
        "benches": {name: [table.as_json() for table in tables] for name, tables in benches.items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
