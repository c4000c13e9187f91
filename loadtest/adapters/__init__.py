"""How to speak to a system under test."""
