"""Events after they were published: incidents, timelines, the audit chain, statistics, replay."""
