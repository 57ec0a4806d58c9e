"""The privacy invariants, on the wire and on disk."""
