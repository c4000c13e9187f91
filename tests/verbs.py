"""The verbs of the command line, for tests that go through all of them."""

from collections.abc import Iterator

import click


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Return every command below a group, with what is typed for it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command
