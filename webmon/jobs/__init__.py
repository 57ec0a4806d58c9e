"""What runs by itself: a thin shell around services, the only place besides `app` and `cli` with a clock."""
