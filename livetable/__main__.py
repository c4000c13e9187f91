"""``python -m livetable``."""

from livetable import main

main()
