"""Metrics of HemoStat itself: their definitions, counters and gauges."""
