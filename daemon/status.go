package daemon

import (
	"log/slog"
	"os"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/status"
)

// newStatus returns the status page of the daemon.
func newStatus(d *daemon, cfg config.Metrics, log *slog.Logger) *status.Page {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	return status.New(d, status.Options{
		Identity: status.Identity{Host: host, Version: d.version},
		Hosts:    cfg.StatusHosts,
		Log:      log,
	})
}
