"""The demo website and its launcher."""
