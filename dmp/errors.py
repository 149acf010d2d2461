"""The one exception that reaches a user."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: bad input, a wrong setting, a missing server.

    The message is one line that says what is wrong and how to mend it; the `dmp` command prints it
    on standard error and exits with status 2.
    """
