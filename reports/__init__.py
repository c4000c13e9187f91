"""The Run format, its checks and its figures."""
