"""Flask, and only here: a folder per audience."""
