"""What runs by itself: a thin shell around services. It, `cli`, and `core` with what is above it have a clock."""
