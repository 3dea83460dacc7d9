"""The dashboard's screens. Each draws the DashboardContext through its own module of pure text functions."""
