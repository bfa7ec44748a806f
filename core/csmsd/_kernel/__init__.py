"""Private machinery; nothing outside csmsd may import it."""
