"""Rows that are shared by the monitors and responders of a host: attempts, leases, controls, notes of
alerts."""
