"""What the kit must know of a wallet: a small TOML file, and two secrets that never stand in it."""

import os
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from reference_impl.domain.errors import ConfigError
from reference_impl.domain.seamless import Conventions, CurrencyCode
from reference_impl.domain.seamless_signature import Signer, signer_of

SECRET_VARIABLE = "LIVETABLE_WALLET_SECRET"  # noqa: S105 - the variable's name
"""Environment variable with the shared secret, or with the private key in PEM form."""

TOKENS_VARIABLE = "LIVETABLE_WALLET_TOKENS"
"""Environment variable with the launch tokens of the test players, separated by white space."""


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One wallet.

    Parameters
    ----------
    provider : str
        Who the kit says that it is.
    currency, foreign_currency : str
        The test players' currency, and one that their accounts are not in.
    timeout_s : float
        The longest wait for an answer.
    expired_session : str
        A session that has expired; a session that never was stands in if there is none.
    conventions : Conventions
        How the wallet behaves where providers disagree.
    """

    provider: str = "lab"
    currency: CurrencyCode = "EUR"
    foreign_currency: CurrencyCode = "XTS"
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    expired_session: str = ""
    conventions: Conventions = Conventions()


def load_profile(path: Path | None) -> Profile:
    """Read a profile, or return the defaults.

    Raises
    ------
    ConfigError
        In one line: the file, the key, the value and what is allowed.
    """
    if path is None:
        return Profile()
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Profile)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such profile") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None


def signer_from_environment(profile: Profile) -> Signer:
    """Return what signs the kit's calls, or raise ConfigError."""
    secret = os.environ.get(SECRET_VARIABLE, "")
    if not secret:
        raise ConfigError(
            f"{SECRET_VARIABLE} is not set: it holds what the wallet's provider '{profile.provider}' signs with"
        )
    return signer_of(profile.conventions.signature, secret)


def read_tokens(path: Path | None, least: int) -> list[str]:
    """Return the test players' launch tokens, from a file or the environment.

    Raises
    ------
    ConfigError
        If there are fewer than `least`.
    """
    try:
        text = path.read_text(encoding="utf-8") if path else os.environ.get(TOKENS_VARIABLE, "")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    tokens = text.split()
    if len(tokens) < least:
        where = path or TOKENS_VARIABLE
        raise ConfigError(f"{where} holds {len(tokens)} launch tokens of test players, at least {least} are needed")
    return tokens


def write_tokens(path: Path, tokens: list[str]) -> None:
    """Write launch tokens, one a line, for their owner's eyes only."""
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("".join(f"{token}\n" for token in tokens))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
