"""`hemostat setup systemd`: runs HemoStat as a service. `plan` decides, `host` reads and changes the host."""
