"""What webmon knows: pure rules, no I/O, no clock, no Flask."""
