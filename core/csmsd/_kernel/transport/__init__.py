"""The seam (Link) and its backends."""
