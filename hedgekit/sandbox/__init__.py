"""The sandbox exchange: a process of its own that speaks a venue's protocol on 127.0.0.1."""
