"""What arrays give back is used again without asking the kernel."""

import subprocess
import sys

PROGRAM = """
import resource
import numpy as np
from reports.checks.memory import keep_freed_memory

def faults_of_an_array():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert keep_freed_memory()
first, second = faults_of_an_array(), faults_of_an_array()
print(first > 10 > second)
"""


def test_the_second_large_array_costs_no_page_fault() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert said.stdout == "True\n", said.stderr
