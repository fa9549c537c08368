"""The command `benchmark`, whose options need what it measures: a line comes before all of it."""

import argparse
from collections.abc import Sequence

from vision.cli.announce import announce
from vision.cli.ending import end


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    from vision.cli.benchmarks.command import build_parser

    return build_parser()


def main(words: Sequence[str]) -> int:
    """Parse the command line and measure; 2 for a mistake in it."""

    def run() -> int:
        announce(" ".join(["benchmark", *words[:1]]))
        from vision.cli.benchmarks.command import measure

        return measure(build_parser().parse_args(words), words)

    return end(run)
