"""What a load worker does to be on time."""

import contextlib
import functools
import gc
import os

from locust import argument_parser

NICENESS = -10
GC_OBJECTS = 50_000
"""Objects between two collections: a full one over thousands of players delays whoever is due."""


def keep_time() -> None:
    """Run before the system under test where the two share a machine: a late generator measures itself."""
    with contextlib.suppress(PermissionError):  # the lag is recorded, and judged, either way
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    gc.freeze()  # what is loaded by now stays: collections need not look at it
    gc.set_threshold(GC_OBJECTS, 20, 100)
    # While users are spawned, each second's message has a worker parse its defaults once for each option: 75 ms in all
    # (Locust 2.47, WorkerRunner.handle_message).
    argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
