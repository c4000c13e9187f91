"""``livetable doctor``: what will be slow or skipped on this machine."""

import sys

import click

from livetable.common import EXIT_ERROR, JSON_OPTION, show_json


@click.command()
@JSON_OPTION
def doctor(as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Tell what will be slow, noisy or skipped on this machine; exit code 1 if the main job cannot run.

    \b
    Example:
      livetable doctor
    """
    from loadtest.doctor import able, examine, findings_text  # noqa: PLC0415

    findings = examine()
    click.echo(findings_text(findings))
    if as_json:
        show_json(findings)
    sys.exit(0 if able(findings) else EXIT_ERROR)
