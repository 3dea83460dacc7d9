"""Published events: incidents, timelines, the audit chain, statistics and replay."""
