"""The codec alone: runs test_codec.py under pytest-benchmark and brings its figures into the tables."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.measure import MICRO
from bench.report import Table
from bench.settings import Settings

_TESTS = Path(__file__).with_name("test_codec.py")
_WAYS = ("write", "read")
_SECONDS = 0.5  # of each measurement


def run(settings: Settings) -> list[Table]:
    """Measure what the codec takes for each value, both ways."""
    table = Table("codec", [f"{way} {unit}" for way in _WAYS for unit in ("µs", "± µs")])
    for benchmark in _benchmark(settings):
        stats = benchmark["stats"]
        way = benchmark["name"].rpartition("_")[2]
        runs = table.rows.setdefault(benchmark["group"], [{}])
        runs[0][f"{way} µs"] = stats["median"] * MICRO
        runs[0][f"{way} ± µs"] = stats["iqr"] * MICRO
    table.notes.append("write: from Python values to bytes; read: back, every part looked at; ±: interquartile range")
    return [table]


def _benchmark(settings: Settings) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "codec.json")
        options = ["--benchmark-only", "--benchmark-disable-gc", f"--benchmark-json={file}", "-q", "--no-header"]
        seconds = 0.01 if settings.smoke else _SECONDS
        options += [f"--benchmark-max-time={seconds}", f"--benchmark-min-rounds={settings.repeat}"]
        command = [sys.executable, "-m", "pytest", str(_TESTS), *options, "-p", "no:cacheprovider"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_TESTS.parents[1])
        if done.returncode:
            raise RuntimeError(f"the codec's benchmarks failed:\n{done.stdout}{done.stderr}")
        results: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
        return results
