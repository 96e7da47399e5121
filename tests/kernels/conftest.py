"""Tests of what this machine's own kernel may not have: tests/kernels.sh boots others and runs them there."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
import test_sensor  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)
test_sensor.wait_for.__defaults__ = (300.0, "condition")  # an emulated processor is slow
