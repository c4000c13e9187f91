"""Proves and loads anyone's seamless wallet."""
