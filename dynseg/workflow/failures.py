"""What the jobs that failed had to say, once more, where a reader's eye falls: at the end."""

import atexit
import re
import sys
from collections.abc import Iterable
from pathlib import Path

# What Snakemake says of a failed job; its log may be any number of lines below.
FAILED_JOB = re.compile(r"^Error in (?:rule|checkpoint) (?P<rule>\w+)", re.MULTILINE)
LOG_FILE = re.compile(r"^ +log: (?P<path>.+?)(?: \(check log file\(s\) for error details\))?$", re.MULTILINE)
# Longer lists are read in the logs.
MOST_SENTENCES = 10


def repeat_at_exit(snakemake_logs: Iterable[str]) -> None:
    """Print `failure_sentences` to standard error when this process ends, after what Snakemake says last."""
    atexit.register(_print_sentences, list(snakemake_logs))


def failure_sentences(snakemake_logs: Iterable[str | Path]) -> list[str]:
    """Return a sentence for each failed job: why it failed, and the log that has the rest.

    A job that failed and was tried again with success says nothing.

    Parameters
    ----------
    snakemake_logs : iterable of path
        Logs of Snakemake itself, which name the jobs that failed and their logs.
    """
    sentences: dict[str, None] = {}
    for snakemake_log in snakemake_logs:
        text = _read(Path(snakemake_log))
        for failed in FAILED_JOB.finditer(text):
            named = LOG_FILE.search(text, failed.end())
            if named is not None:
                reason = _reason(Path(named["path"]))
                sentences |= {f"{failed['rule']}: {reason} ({named['path']})": None} if reason else {}
    return list(sentences)


def _print_sentences(snakemake_logs: list[str]) -> None:
    sentences = failure_sentences(snakemake_logs)
    for sentence in sentences[:MOST_SENTENCES]:
        print(sentence, file=sys.stderr)
    if len(sentences) > MOST_SENTENCES:
        print(f"and {len(sentences) - MOST_SENTENCES} more jobs failed: see {snakemake_logs[0]}", file=sys.stderr)


def _reason(log: Path) -> str:
    """Return the last sentence of a job's log; the last line where it has none, as after a bug or a kill."""
    lines = [line.strip() for line in _read(log).splitlines() if line.strip()]
    said = [line.removeprefix("dynseg: ") for line in lines if line.startswith("dynseg: ")]
    if said:
        return said[-1]
    # The end of a job that went well.
    return "" if not lines or re.search(r" end: after [\d.]+ s$", lines[-1]) else lines[-1]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
