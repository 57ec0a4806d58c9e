"""What every audience's pages have in common."""
