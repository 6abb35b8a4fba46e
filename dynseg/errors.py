"""The one exception that users cause."""


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
