#!/usr/bin/env python3
"""Logs the samples of the first converter until it goes: logger.py [--stubborn].

With --stubborn it has a mistake that real programs have: an error of a read is tried again,
whatever it is.
"""

import errno
import os
import sys

NODE = "/dev/iio:device0"
SETTINGS = "/sys/bus/iio/devices/iio:device0"


def set_up(name: str, value: str) -> None:
    with open(f"{SETTINGS}/{name}", "w", encoding="ascii") as setting:
        setting.write(value)


def main() -> int:
    stubborn = sys.argv[1:] == ["--stubborn"]
    set_up("scan_elements/in_voltage0_en", "1")
    set_up("buffer/enable", "1")
    node = os.open(NODE, os.O_RDONLY)
    samples = 0
    while True:
        try:
            samples += len(os.read(node, 2)) // 2
        except OSError as error:
            if stubborn:
                continue
            os.close(node)
            if error.errno == errno.ENODEV:
                print(f"gone after {samples} samples")
                return 0
            print(f"{NODE}: {os.strerror(error.errno or 0)}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
