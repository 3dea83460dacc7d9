"""The commands of the dashboard, live, on a replay file and in a browser."""
