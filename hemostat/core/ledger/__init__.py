"""Rows shared by the monitors and responders of a host: attempts, leases, controls, alert notes."""
