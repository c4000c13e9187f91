"""The rules by their id, in the order of the report."""

from loadtest.streamlint.rules import blocking, delivery, hints, media, parts, playlists, steering
from loadtest.streamlint.rules.rule import Rule, rules_of

RULES: tuple[Rule, ...] = tuple(
    rule for module in (playlists, parts, media, blocking, hints, delivery, steering) for rule in rules_of(module)
)
