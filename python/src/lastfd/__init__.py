"""Linux devices that a program under test can have, and lose, without root or kernel modules.

>>> import lastfd
>>> with lastfd.Bench() as bench:
...     adc = bench.plug("iio-adc")
...     reader = bench.spawn("cat", "/dev/iio:device0")
...     _ = adc.wait_for("open")
...     adc.unplug()
...     ending = reader.expect("ends=5s,closes=5s,no-crash")
>>> ending.status is not None
True

Under pytest the fixture ``lastfd_bench`` is such a bench, see `lastfd.pytest_plugin`.
"""

from lastfd._bench import Bench, Device, Ending, Event, OpenFile, Program, Report
from lastfd._errors import (
    BadRequest,
    BinaryNotFound,
    Error,
    ExpectationBroken,
    NotInTime,
    ProgramEnded,
    Refused,
    SessionOver,
    Unclean,
    Unknown,
)

__all__ = [
    "BadRequest",
    "Bench",
    "BinaryNotFound",
    "Device",
    "Ending",
    "Error",
    "Event",
    "ExpectationBroken",
    "NotInTime",
    "OpenFile",
    "Program",
    "ProgramEnded",
    "Refused",
    "Report",
    "SessionOver",
    "Unclean",
    "Unknown",
]

for _name in __all__:
    # What users see of them is where they import them from.
    globals()[_name].__module__ = __name__
