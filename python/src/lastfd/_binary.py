"""Where the ``lastfd`` command is."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from lastfd._errors import BinaryNotFound

_PACKAGED = Path(__file__).parent / "bin" / "lastfd"


def find(binary: str | os.PathLike[str] | None = None) -> str:
    """The binary that is named, or that LASTFD_BINARY names, or of this package, or in PATH."""
    for named, by in [(binary, "binary"), (os.environ.get("LASTFD_BINARY"), "LASTFD_BINARY")]:
        if named:
            path = shutil.which(os.fspath(named))
            if path is None:
                raise BinaryNotFound(f"{by} names '{os.fspath(named)}', which is no program")
            return path
    if os.access(_PACKAGED, os.X_OK):
        return str(_PACKAGED)
    # The console script of this package is called lastfd, too, and would come back here.
    own = Path(sys.executable).parent / "lastfd"
    for folder in os.get_exec_path():
        path = shutil.which("lastfd", path=folder)
        if path is not None and Path(path) != own:
            return path
    raise BinaryNotFound(
        "there is no lastfd: this package was installed without it; name one with LASTFD_BINARY, "
        "such as target/release/lastfd of a checkout"
    )


def main() -> None:
    """The command ``lastfd``."""
    try:
        binary = find()
    except BinaryNotFound as error:
        sys.exit(f"error: {error}")
    os.execv(binary, ["lastfd", *sys.argv[1:]])
