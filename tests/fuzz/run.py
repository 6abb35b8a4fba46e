"""Fuzz a reader with mutated files: `python tests/fuzz/run.py TARGET --inputs 100000`.

Every input follows from the seed and its number, so `--first NUMBER --inputs 1` makes it again. A reader may refuse
an input with a UserError; any other exception, a killed process or one that hangs is a crash, listed once a place.
"""

import argparse
import collections
import contextlib
import mmap
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mutations import Target
from targets import TARGETS

HANGS_AFTER_SECONDS = 30
MOST_MEMORY_BYTES = 8 << 30


def fuzz(target: Target, seed: int, first: int, inputs: int) -> dict[str, list[int]]:
    """Run a target; return the numbers of the inputs that crashed it, by the place of the crash."""
    crashes: dict[str, list[int]] = collections.defaultdict(list)
    # Shared with the child: the number of the input that it is at.
    at = mmap.mmap(-1, 8)
    number, end = first, first + inputs
    while number < end:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            run_inputs(target, seed, range(number, end), at, writer)
        os.close(writer)
        with open(reader, encoding="utf-8") as lines:
            for line in lines:
                found, _, place = line.rstrip("\n").partition("\t")
                crashes[place].append(int(found))
        status = os.waitpid(child, 0)[1]
        number = end
        if status:
            number = struct.unpack("q", at[:])[0]
            hung = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
            crashes["it hung" if hung else f"the process ended with status {status}"].append(number)
            number += 1
    return dict(crashes)


def run_inputs(target: Target, seed: int, numbers: range, at: mmap.mmap, writer: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="fuzz", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for number in numbers:
            at[:] = struct.pack("q", number)
            # Ends the process, and counts its own time only, however busy the machine is.
            signal.setitimer(signal.ITIMER_PROF, HANGS_AFTER_SECONDS)
            try:
                target.read(target.make(random.Random(f"{seed}-{number}")), Path(folder))
            except target.refusals:
                pass
            except Exception as error:
                os.write(writer, f"{number}\t{place_of(error)}\n".encode())
    os._exit(0)


def place_of(error: Exception) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/dynseg/" in frame.filename]
    last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} from {Path(last.filename).name}:{last.lineno}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="file to write the input --first to, instead of reading it")
    options = parser.parse_args()
    target = TARGETS[options.target]
    if options.keep:
        options.keep.write_bytes(target.make(random.Random(f"{options.seed}-{options.first}")))
        return
    start = time.monotonic()
    crashes = fuzz(target, options.seed, options.first, options.inputs)
    for place, numbers in crashes.items():
        print(f"{options.target}: {len(numbers)} times {place}, first by input {numbers[0]}")
    minutes = (time.monotonic() - start) / 60
    print(f"{options.target}: {options.inputs:,} inputs, {len(crashes)} places of crashes, {minutes:.1f} minutes")
    sys.exit(bool(crashes))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
