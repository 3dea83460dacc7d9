"""The dashboard's data and its sources: the bus, an engine, a replay."""
