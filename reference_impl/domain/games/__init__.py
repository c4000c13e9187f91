"""Games as pure tables: what can be bet on, and what each outcome pays."""
