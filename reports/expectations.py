"""Rare paths that a campaign may expect to be taken, by the names in its file."""

from enum import StrEnum


class RarePath(StrEnum):
    """What a Run may have to show, or it proves too little; :mod:`reports.checks.exercised` counts them."""

    LATE_REFUSED = "late-refused"
    FUNDS_REFUSED = "funds-refused"
    BET_RESENT = "bet-resent"
    RECONNECTED = "reconnected"
    ROUND_VOIDED = "round-voided"
