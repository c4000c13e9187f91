"""Money is an integer of minor units and a currency; nothing else is ever added, compared or stored."""

from enum import IntEnum


class Currency(IntEnum):
    """Currencies by their ISO 4217 number."""

    EUR = 978
    GBP = 826
    USD = 840
    JPY = 392


EXPONENT = {Currency.EUR: 2, Currency.GBP: 2, Currency.USD: 2, Currency.JPY: 0}
"""Decimal digits of each currency's minor unit (ISO 4217)."""


def format_minor(amount_minor: int, currency: Currency) -> str:
    """Return an amount for people, such as ``-12.30 EUR``."""
    digits = EXPONENT[currency]
    sign = "-" if amount_minor < 0 else ""
    whole, part = divmod(abs(amount_minor), 10**digits)
    fraction = f".{part:0{digits}d}" if digits else ""
    return f"{sign}{whole:,}{fraction} {currency.name}"
