"""``livetable completion``: what a shell needs to complete the verbs, their options and campaigns' names."""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which SHELL completes verbs, options, campaigns and benches.

    \b
    Example:
      livetable completion bash >> ~/.bashrc
      livetable completion fish > ~/.config/fish/completions/livetable.fish
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"{shell}: click completes no such shell")
    click.echo(kind(ctx.find_root().command, {}, "livetable", "_LIVETABLE_COMPLETE").source())
