"""What can go wrong."""

from __future__ import annotations


class Error(Exception):
    """Whatever a bench raises."""


class BinaryNotFound(Error):
    """There is no ``lastfd`` to run."""


class SessionOver(Error):
    """The bench is closed, or its process died."""


class BadRequest(Error, ValueError):
    """Words that make no sense: an event, a device, a fault."""


class Unknown(Error, LookupError):
    """There is no such hardware or program."""


class Refused(Error):
    """The bench or the machine would not."""


class NotInTime(Error, TimeoutError):
    """What was waited for did not come in time."""


class ProgramEnded(Error):
    """The program has ended."""


class ExpectationBroken(Error, AssertionError):
    """A program did not do what was expected of it."""


class Unclean(Error, AssertionError):
    """The verdict of a bench is not clean."""


KINDS: dict[str, type[Error]] = {
    "bad-request": BadRequest,
    "unknown": Unknown,
    "refused": Refused,
    "timeout": NotInTime,
    "broken": ExpectationBroken,
    "ended": ProgramEnded,
    "over": SessionOver,
}
