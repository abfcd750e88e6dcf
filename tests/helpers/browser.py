"""What the tests in a browser share besides fixtures."""

WAIT = 60_000  # ms, for a kernel that has two busy cores; what is awaited comes at once on a quiet machine
