"""The one exception that users cause, and the warnings that they should see."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can mend: one sentence that names the file or key, what was expected and what to do.

    The command line prints it without a traceback and exits with code 1; every other exception is a bug.

    Examples
    --------
    >>> from dynseg import read_image
    >>> read_image("missing.png")
    Traceback (most recent call last):
    dynseg.errors.UserError: missing.png doesn't exist: give the path of an image
    """


@contextmanager
def warnings_said(say: Callable[[str], object], says_more: bool = False) -> Iterator[None]:
    """Let `say` tell what dynseg logs as a warning, and what it logs as information if it says more.

    Examples
    --------
    >>> with warnings_said(print):
    ...     logging.getLogger("dynseg").warning("the image has %d regions at most", 3)
    dynseg: the image has 3 regions at most
    """

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            is_warning = record.levelno >= logging.WARNING
            say(f"dynseg: {record.getMessage()}" if is_warning else record.getMessage())

    level = logging.INFO if says_more else logging.WARNING
    logger, handler = logging.getLogger("dynseg"), Handler(level)
    before = logger.level
    logger.addHandler(handler)
    if says_more:
        logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
