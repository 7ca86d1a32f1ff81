"""The panes of the paper desk, one file each: each takes what is new of a session and shows it; none reads a journal itself."""
