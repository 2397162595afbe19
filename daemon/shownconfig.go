package daemon

import (
	"context"
	"sync"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// shownConfig says what configuration is in force. It is a part of the api.Backend.
type shownConfig struct {
	file   string
	listen []string // of the command line
	judge  config.BGP
	force  *inForce

	mu sync.Mutex // the file is read again for an answer, by one at a time
}

// InForce implements api.Backend.
func (s *shownConfig) InForce(ctx context.Context) (vrf.InForce, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return vrf.InForce{}, err // the caller has gone while it waited
	}
	return s.force.config().InForce(s.file, s.judge, config.Over{Overlay: s.force.overlay, Listen: s.listen})
}

// InForceFrom is what would be in force by a file alone.
func InForceFrom(file string) (vrf.InForce, error) {
	cfg, err := LoadConfig(file)
	if err != nil {
		return vrf.InForce{}, err
	}
	return cfg.InForce(file, bgpPart(nil), config.Over{})
}
