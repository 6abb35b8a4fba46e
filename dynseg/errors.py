"""The one exception that users cause."""


class UserError(Exception):
    """Something the user can mend: one sentence that names the file or key, what was expected and what to do.

    The command line prints it without a traceback and exits with code 1; every other exception is a bug.
    """
