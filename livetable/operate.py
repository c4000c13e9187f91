"""``livetable drain``: empty a gateway before it is started anew."""

import click

from livetable.common import JSON_OPTION, show_json
from reference_impl.domain.errors import ConfigError, OperationalError

TOKEN_VARIABLE = "LIVETABLE_ADMIN_TOKEN"  # noqa: S105 - the variable's name


@click.command()
@click.argument("gateway")
@click.option("--url", required=True, help="Address of the HTTP API, as `livetable up` prints it.")
@click.option("--reason", required=True, help="Why; it is kept with the order.")
@click.option("--wait", "wait_s", type=click.FloatRange(1, 3600), default=60.0, show_default=True,
              help="Seconds that players have for a moment between rounds; then they move in mid-round.")  # fmt: skip
@click.option("--token", envvar=TOKEN_VARIABLE, help=f"The admin token; better in {TOKEN_VARIABLE}.")
@JSON_OPTION
def drain(gateway: str, url: str, reason: str, wait_s: float, token: str | None, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Empty GATEWAY: nobody new, players move between rounds, nothing is lost, and it starts anew.

    \b
    Example:
      livetable drain gateway-0 --url http://127.0.0.1:8000 --reason "new release"
    """
    import json  # noqa: PLC0415
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    if not token:
        raise ConfigError(f"{url}: no admin token; put it into {TOKEN_VARIABLE}")
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url {url!r}: must begin with http:// or https://")
    request = urllib.request.Request(  # noqa: S310 - its scheme was looked at
        f"{url.rstrip('/')}/v1/admin/gateways/{gateway}/drain",
        json.dumps({"reason": reason, "drain_s_max": wait_s}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            players = json.loads(answer.read())["players"]
    except urllib.error.HTTPError as error:
        with error:
            raise OperationalError(f"{gateway}: {json.loads(error.read()).get('detail', error.reason)}") from None
    except urllib.error.URLError as error:
        raise OperationalError(f"{url} does not answer: {error.reason}") from None
    click.echo(f"{gateway} moves {players} players, then ends")
    if as_json:
        show_json({"gateway": gateway, "players": players})
