"""What the scenarios, the fault tables and the end-to-end tests share: a HemoStat of their own, an engine of
their own, and a way to wait."""
