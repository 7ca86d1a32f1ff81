"""Venues, one file each: addresses, encoding, parsing. No sockets, no clocks, no state."""
