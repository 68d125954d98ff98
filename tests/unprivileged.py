"""Commands for which the permissions of files hold although root runs the tests."""

from __future__ import annotations

import os
import shutil

import pytest

_RIGHTS = "-dac_override,-dac_read_search"  # root's to read and write whatever the permissions are: capabilities(7)


def unprivileged(*command: object) -> list[str]:
    """The command as any user runs it; root's, without the right to pass over the permissions of files."""
    words = [str(word) for word in command]
    if os.geteuid() != 0:
        return words
    if shutil.which("setpriv") is None:
        pytest.skip("root gives up rights with setpriv, which is not here")
    return ["setpriv", f"--bounding-set={_RIGHTS}", *words]
