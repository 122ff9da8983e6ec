"""The fixture: a passing and a failing test of a real program, as a user's pytest runs them."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def read(bench, program):
    adc = bench.plug("iio-adc")
    reader = bench.spawn("sh", "-c", program)
    adc.wait_for("open")
    adc.unplug()
    return reader

def test_good(lastfd_bench):
    read(lastfd_bench, "exec cat /dev/iio:device0").expect("ends=5s,closes=5s,no-crash")

def test_bad(lastfd_bench):
    keeps = "exec 9</dev/iio:device0; echo held on to it; exec sleep 1000"
    read(lastfd_bench, keeps).expect("closes=200ms")

@pytest.mark.lastfd(rules="linux-pre-6.6")
def test_missed(lastfd_bench):
    assert lastfd_bench.plug("camera").unplug("streamon") is None
"""


def test_a_test_that_fails_shows_the_verdict_its_programs_and_the_log(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_missed*",
            "E  *lastfd.Unclean: no unplug of camera: *STREAMON*never came",
            "*- lastfd (teardown) -*",
            "missed *unplug of camera*",
            "*= FAILURES =*",
            "*test_bad*",
            "E  *lastfd.ExpectationBroken: not closed: sleep (*) has /dev/iio:device0 open as "
            "descriptor 9*",
            "*- lastfd (teardown) -*",
            "sh -c *: killed by signal 9",
            "  stdout: held on to it",
            "unplug *iio-adc at * ms, on request*",
            "held then open file /dev/iio:device0*",
            "log:",
            "*iio-adc *unplug done",
        ]
    )
    # A test that passes shows nothing.
    assert result.stdout.str().count("- lastfd (teardown) -") == 2


def test_the_fixture_is_listed(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["lastfd_bench*", "*A bench: devices that are plugged in*"])
