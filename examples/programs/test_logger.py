"""The logger is tested with pytest and the fixture of the package lastfd."""

from __future__ import annotations

import sys
from pathlib import Path

import lastfd
import pytest

LOGGER = (sys.executable, Path(__file__).with_name("logger.py"))


def test_it_ends_when_its_converter_is_pulled_out_while_it_reads(
    lastfd_bench: lastfd.Bench,
) -> None:
    adc = lastfd_bench.plug("iio-adc", rate=100)
    logger = lastfd_bench.spawn(*LOGGER)
    adc.wait_for("blocked:read:3")
    (file,) = lastfd_bench.files()
    assert (file.path, file.last_call) == ("/dev/iio:device0", "read")
    assert list(file.holders) == [logger.pid]
    adc.unplug()
    ending = logger.expect("ends=2s,closes=2s,no-spin,no-crash")
    assert ending is not None and ending.is_success
    assert logger.stdout.startswith("gone after ")


@pytest.mark.parametrize("when", ["before:open", "after:open", "before:read:3", "after:read:3"])
def test_it_survives_the_unplug_wherever_it_is(lastfd_bench: lastfd.Bench, when: str) -> None:
    lastfd_bench.plug("iio-adc").unplug(when)
    lastfd_bench.spawn(*LOGGER).expect("ends=5s,closes=5s,no-spin,no-crash")


def test_it_says_what_failed(lastfd_bench: lastfd.Bench) -> None:
    adc = lastfd_bench.plug("iio-adc")
    adc.fault("fail:read:1:EIO", when="read:3")
    logger = lastfd_bench.spawn(*LOGGER)
    assert logger.wait().status == 1
    assert "Input/output error" in logger.stderr


def test_its_mistake_would_be_found(lastfd_bench: lastfd.Bench) -> None:
    adc = lastfd_bench.plug("iio-adc")
    logger = lastfd_bench.spawn(*LOGGER, "--stubborn")
    adc.wait_for("read:2")
    adc.unplug()
    with pytest.raises(lastfd.ExpectationBroken, match=r"spins at \d+ calls a second"):
        logger.expect("no-spin")
