"""What an operator asked of the ledger besides bets: the ``orders`` of a Run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reference_impl.domain.bets import EntryKind, Status
from reports.run import frame_of


def first_deposits(accounts: Sequence[int], amount_minor: int) -> pd.DataFrame:
    """Return the orders of one deposit for each of the accounts, all accepted.

    Parameters
    ----------
    accounts : sequence of int
        The players' accounts.
    amount_minor : int
        What each of them gets, in minor units.
    """
    n = len(accounts)
    return frame_of(
        "orders",
        {
            "kind": np.full(n, int(EntryKind.DEPOSIT)), "account": np.array(accounts, dtype=np.int64),
            "amount": np.full(n, amount_minor), "status": np.full(n, int(Status.ACCEPTED)),
        },
    )  # fmt: skip
