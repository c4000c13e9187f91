"""Units of time and size. Times are integer nanoseconds; a name's last part is its unit."""

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
KIB = 1024
