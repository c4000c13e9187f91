"""What the verbs share: exit codes, where runs are kept, how a result is asked for as JSON."""

from pathlib import Path

import click

EXIT_ERROR = 1
EXIT_SLO = 2
EXIT_INCONSISTENT = 3
RUNS = Path("runs")
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="The last line is the result as JSON.")
