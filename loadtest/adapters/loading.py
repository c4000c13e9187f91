"""Finding the adapter that a campaign names: ``module:Class``, ours unless said otherwise."""

import importlib
import sys
from pathlib import Path

from loadtest.adapters.base import TargetAdapter
from reference_impl.domain.errors import ConfigError

OURS = "loadtest.adapters.ours:LiveTable"


def load_adapter(name: str) -> type[TargetAdapter]:
    """Return an adapter class; modules of the working directory are found too.

    Parameters
    ----------
    name : str
        ``module:Class``.

    Raises
    ------
    ConfigError
        If there is no such class, or it is no complete :class:`TargetAdapter`.
    """
    module_name, colon, class_name = name.partition(":")
    if not (module_name and colon and class_name):
        raise ConfigError(f"adapter '{name}': must be module:Class, such as {OURS}")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"adapter '{name}': {error}") from None
    if not (isinstance(found, type) and issubclass(found, TargetAdapter)):
        raise ConfigError(f"adapter '{name}': is no subclass of loadtest.adapters.base.TargetAdapter")
    if missing := sorted(found.__abstractmethods__):
        raise ConfigError(f"adapter '{name}': does not say how to {' or '.join(missing)}")
    return found
