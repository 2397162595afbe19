package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// startConfig is the configuration to start with: the file's, or where a reload
// was not confirmed the one from before.
func startConfig(o Options, part config.BGP, overlay *config.Overlay, layers *layering, log *slog.Logger) (*config.Config, *unconfirmed, error) {
	kept, err := config.ReadKept(o.StateDir)
	if err != nil {
		return nil, nil, err
	}
	load := func() (*config.Config, error) {
		return layers.settle(layers.layers(), nil, func(l *config.Layers) (*config.Config, error) { return config.LoadUnder(o.File, l, part) })
	}
	if kept == nil || !sameFile(kept.File, o.File) {
		cfg, err := load()
		return cfg, nil, err
	}
	if kept.Overlay != nil {
		if err := overlay.Restore(kept.Overlay); err != nil {
			return nil, nil, fmt.Errorf("bring back what was enabled and disabled before an unconfirmed reload: %w", err)
		}
		if err := (config.Kept{File: kept.File, Text: kept.Text}).Write(o.StateDir); err != nil {
			return nil, nil, err
		}
	}
	if now, err := config.ReadFile(o.File); err == nil && bytes.Equal(now, kept.Text) {
		cfg, err := load()
		return cfg, nil, errors.Join(err, config.RemoveKept(o.StateDir))
	}
	cfg, err := layers.settle(layers.layers(), nil, func(l *config.Layers) (*config.Config, error) { return layers.parse(kept.Text, l) })
	if err != nil {
		return nil, nil, fmt.Errorf("the configuration from before an unconfirmed reload, which %s keeps: %w", o.StateDir, err)
	}
	log.Warn("the file was never confirmed: this start has the configuration from before that reload; `vrfredist reload` applies the file", "file", o.File)
	return cfg, &unconfirmed{old: cfg}, nil
}

func sameFile(a, b string) bool {
	x, errA := filepath.Abs(a)
	y, errB := filepath.Abs(b)
	return errA == nil && errB == nil && x == y
}

// endState removes what the daemon keeps in its state directory where it was told to
// end, and every VRF leaves nothing (on_exit = "remove"). A configuration that waits
// for a confirmation keeps its state: the next start must go back to the old one.
func endState(why error, force *inForce, confirm *confirmation) error {
	if _, waits := confirm.unconfirmed(); waits || !errors.Is(why, vrf.ErrExit) || len(force.specs()) == 0 || force.keepsRoutes() {
		return nil
	}
	return force.overlay.Remove()
}
