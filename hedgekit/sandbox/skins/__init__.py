"""One skin for each venue: its REST and WebSocket protocol around the same exchange."""
