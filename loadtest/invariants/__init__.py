"""What must hold of any wallet, as a state machine for Hypothesis that runs in anybody's CI.

Write an adapter for your wallet, hand it to :func:`check_wallet`, and random histories of all operations are carried
out on it and on the model beside it (``domain/ledger.py``); answers and balances must agree after every step. See
``docs/INVARIANTS.md``.
"""

from loadtest.invariants.adapter import EVERYTHING, Capability, WalletAdapter
from loadtest.invariants.machine import WalletMachine, check_wallet
from loadtest.invariants.model import ModelWallet
from loadtest.invariants.postgres import PostgresWallet

__all__ = [
    "EVERYTHING",
    "Capability",
    "ModelWallet",
    "PostgresWallet",
    "WalletAdapter",
    "WalletMachine",
    "check_wallet",
]
