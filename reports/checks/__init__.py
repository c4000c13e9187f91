"""Pure, three-valued checks over a Run."""
