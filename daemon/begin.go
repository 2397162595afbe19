package daemon

import (
	"context"

	"github.com/vrfredist/vrfredist/config"
)

// begin is the configuration of a start, with the tenants that templates match before anything is
// started: their routes are adopted as those of other VRFs are.
func (w *wiring) begin(ctx context.Context, overlay *config.Overlay) (*config.Config, *unconfirmed, error) {
	cfg, found, err := startConfig(w.options, w.judge, overlay, w.layers, w.options.Log)
	if err != nil || cfg.Seeks().Nothing() {
		return cfg, found, err
	}
	w.tenants.callers.begin(w.layers.ids.Callers())
	sights, err := w.tenants.look(ctx, cfg.Seeks())
	if err != nil {
		return nil, nil, err
	}
	w.layers.appear(people{sights: sights, starts: true})
	if cfg, err = w.layers.under(cfg); err != nil {
		return nil, nil, err
	}
	w.layers.appear(people{sights: sights})
	if found != nil {
		found = &unconfirmed{until: found.until, old: cfg, overlay: found.overlay}
	}
	if err := w.layers.ids.Keep(cfg); err != nil {
		return nil, nil, err
	}
	w.tenants.follow(cfg)
	return cfg, found, nil
}
