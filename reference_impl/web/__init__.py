"""The pages, as files: written as ES modules, served as they are."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where the pages are. ``vendor/`` below is filled at set-up and not kept in the repository."""
