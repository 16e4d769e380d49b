"""The command line: `python -m bench [codec] [engine] [loopback] [broker]`, all four where none is named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import broker, codec, engine, loopback
from bench.report import Table, environment, environment_text, write_json
from bench.settings import Settings
from tests.brokers.servers import KINDS

BENCHES: dict[str, Callable[[Settings], list[Table]]] = {
    "codec": codec.run,
    "engine": engine.run,
    "loopback": loopback.run,
    "broker": broker.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    options = _parse(arguments)
    settings = Settings(
        smoke=options.smoke,
        repeat=options.repeat or (1 if options.smoke else 5),
        count=options.count,
        credit=options.credit,
        brokers=options.broker or (),
    )
    facts = environment()
    print(environment_text(facts))
    tables = {}
    for name in options.bench or BENCHES:
        tables[name] = BENCHES[name](settings)
        for table in tables[name]:
            print(f"\n{table.text()}", flush=True)
    print(f"\nmedians of {settings.repeat} runs; {environment_text(environment()).rpartition('; ')[2]} at the end")
    if options.json:
        write_json(options.json, facts, tables)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks; see docs/benchmarks.md.")
    parser.add_argument("bench", nargs="*", help=f"{', '.join(BENCHES)}; all where none is named")
    parser.add_argument("--smoke", action="store_true", help="a few messages, once: show that it runs and is correct")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all runs to FILE")
    parser.add_argument("--repeat", type=_positive, metavar="N", help="runs of each measurement (default 5)")
    parser.add_argument("--count", type=_positive, metavar="N", help="messages of a run")
    parser.add_argument(
        "--credit", type=_positive, default=1000, metavar="N", help="of receivers (default %(default)s)"
    )
    parser.add_argument("--broker", action="append", choices=KINDS, help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    for name in options.bench:
        if name not in BENCHES:
            parser.error(f"no benchmark {name!r}: {', '.join(BENCHES)}")
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
