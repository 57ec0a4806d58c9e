"""webmon: cookie consent and web-monitoring analytics, self-hosted."""

__version__ = "0.1.0"
