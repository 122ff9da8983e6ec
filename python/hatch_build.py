"""Puts the binary that LASTFD_BINARY names into the wheel, and says where it runs."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MACHINES = {0x3E: "x86_64", 0xB7: "aarch64"}
PT_INTERP = 3


class BinaryHook(BuildHookInterface):  # type: ignore[type-arg]
    """The build hook of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is made."""
        if version == "editable":
            # A checkout's own binary is found by LASTFD_BINARY or in PATH when it runs.
            return
        named = os.environ.get("LASTFD_BINARY")
        if not named:
            raise SystemExit(
                "failed to build the wheel: LASTFD_BINARY does not name the lastfd that it is to "
                "carry; `cargo xtask dist` builds both"
            )
        binary = Path(named).resolve()
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
        wanted = f"lastfd {self.metadata.version}"
        if said.stdout.strip() != wanted:
            raise SystemExit(
                f"failed to build the wheel: {binary} says it is '{said.stdout.strip()}', "
                f"and this is {wanted}"
            )
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform(binary)}"
        build_data["force_include"][str(binary)] = "lastfd/bin/lastfd"


def platform(binary: Path) -> str:
    """The platform tag of a program."""
    machine, is_static = look(binary)
    # One that asks for no C library runs with any; else with the one it was linked on.
    anywhere = ["manylinux_2_17", "manylinux2014", "musllinux_1_1"]
    tags = anywhere if is_static else ["linux"]
    return ".".join(f"{tag}_{machine}" for tag in tags)


def look(binary: Path) -> tuple[str, bool]:
    """The machine that a program is for, and whether it asks for no loader."""
    data = binary.read_bytes()
    # elf(5): the header of 64 bits, little-endian.
    if data[:6] != b"\x7fELF\x02\x01":
        raise SystemExit(f"failed to build the wheel: {binary} is no program of 64 bits")
    machine = struct.unpack_from("<H", data, 18)[0]
    if machine not in MACHINES:
        raise SystemExit(f"failed to build the wheel: {binary} is for machine {machine:#x}")
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, offset + i * size)[0] for i in range(count)]
    return MACHINES[machine], PT_INTERP not in kinds
