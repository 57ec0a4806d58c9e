"""In a real browser, on real servers."""
