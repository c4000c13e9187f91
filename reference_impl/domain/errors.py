"""The one error tree of the lab.

::

    LabError                    anything that we raise on purpose
    ├── ConfigError             a campaign, flag or file asks for what cannot be; fix the input
    ├── ProtocolError           a message breaks the protocol
    │   ├── LocalProtocolError  we were about to send it
    │   └── RemoteProtocolError the peer sent it
    └── OperationalError        the world failed us
        ├── RetryableError      nothing happened; the same request may be sent again
        └── OutcomeUnknownError it may have happened; ask with the same id

    InvariantViolationError     money or order is wrong: stands outside the tree, so that no broad ``except`` hides it

Messages carry the offending value, the limit and the id. Expected outcomes, such as a rejected bet, are values and
never errors.
"""


class LabError(Exception):
    """Anything that the lab raises on purpose."""


class ConfigError(LabError):
    """The input asks for something that cannot be."""


class ProtocolError(LabError):
    """A message breaks the protocol."""


class LocalProtocolError(ProtocolError):
    """We were about to break the protocol."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol."""


class OperationalError(LabError):
    """The world failed: a server, a disk, a network."""


class RetryableError(OperationalError):
    """Nothing happened; the same request may be sent again."""


class OutcomeUnknownError(OperationalError):
    """It may or may not have happened; the same request id will tell."""


class InvariantViolationError(Exception):
    """Money or order is wrong. Deliberately no :class:`LabError`."""
