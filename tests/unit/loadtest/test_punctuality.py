"""What keeps a load worker on time, in a process of its own: Locust patches whatever imports it."""

import subprocess
import sys

ASKED_TWICE = """
from loadtest.users.punctuality import keep_time
from locust import argument_parser

known = argument_parser.default_args_dict()
made, build = [], argument_parser.setup_parser_arguments
argument_parser.setup_parser_arguments = lambda parser: (made.append(parser), build(parser))
keep_time()
for _ in range(50):
    assert argument_parser.default_args_dict() == known
print(len(made))
"""


def test_a_worker_makes_its_options_defaults_once_however_many_users_are_spawned() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED_TWICE], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("1", 0), done.stderr
