"""The root of the command line: its verbs, and how their errors are shown."""

import sys

import click

from livetable.accuracy import accuracy, calibrate, predict, validate
from livetable.audit import audit
from livetable.campaigns import campaign
from livetable.common import EXIT_ERROR
from livetable.completion import completion
from livetable.doctor import doctor
from livetable.faults import faults
from livetable.measuring import bench, zoo
from livetable.operate import drain
from livetable.runs import bet, check, compare, report, trend
from livetable.simulate import sim
from livetable.stream import stream
from livetable.up import up
from livetable.wallet import wallet
from reference_impl.domain.errors import LabError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="livetable-lab", prog_name="livetable")
def cli() -> None:
    """Simulate and load-test live casino tables.

    \b
    Example:
      livetable campaign run demo
    """


for _verb in (
    up,
    drain,
    campaign,
    faults,
    check,
    report,
    bet,
    compare,
    trend,
    audit,
    wallet,
    bench,
    stream,
    zoo,
    sim,
    calibrate,
    predict,
    validate,
    accuracy,
    doctor,
    completion,
):
    cli.add_command(_verb)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: every expected error is one line on stderr and exit code 1."""
    try:
        cli.main(arguments, standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_ERROR)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(EXIT_ERROR)
    except LabError as error:
        click.echo(f"livetable: {error}", err=True)
        sys.exit(EXIT_ERROR)
