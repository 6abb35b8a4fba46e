"""What the user can mend, as a notification of the viewer."""

from collections.abc import Callable

from dynseg.errors import UserError


def told(action: Callable[[], object]) -> None:
    """Do something; a UserError becomes a notification of one sentence."""
    from napari.utils.notifications import show_error

    try:
        action()
    except UserError as error:
        show_error(str(error))
