"""One thing made wrong in a truthful history, for each anomaly that a check names.

A plant changes the tables and returns what the witness must show.
"""

from planted import (
    answers,
    audit,
    deadline,
    events,
    fairness,
    money,
    orders,
    settlement,
    spoilers,
    timeline,
    told,
    video,
)

PLANTED = [
    *answers.PLANTED,
    *deadline.PLANTED,
    *money.PLANTED,
    *settlement.PLANTED,
    *timeline.PLANTED,
    *events.PLANTED,
    *told.PLANTED,
    *spoilers.PLANTED,
    *orders.PLANTED,
    *fairness.PLANTED,
    *audit.PLANTED,
    *video.PLANTED,
]
