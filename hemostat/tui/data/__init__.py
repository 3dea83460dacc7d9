"""What the dashboard shows, and where it comes from: the bus, an engine, a replay."""
