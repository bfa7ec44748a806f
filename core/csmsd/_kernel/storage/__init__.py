"""Committer, engines, migrations and the kernel's own tables."""
