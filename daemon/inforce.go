package daemon

import (
	"slices"
	"sync/atomic"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// inForce is what the daemon goes by: the configuration, and over it what was enabled
// and disabled at run time. The changer alone changes it; everybody may read it.
type inForce struct {
	cfg     atomic.Pointer[config.Config]
	overlay *config.Overlay
}

func newInForce(cfg *config.Config, overlay *config.Overlay) *inForce {
	f := &inForce{overlay: overlay}
	f.cfg.Store(cfg)
	return f
}

func (f *inForce) config() *config.Config { return f.cfg.Load() }

// over returns the VRFs to run with cfg, with what was changed at run time laid over it.
func (f *inForce) over(cfg *config.Config) []vrf.Spec {
	return f.overlay.Over(cfg)
}

// specs are the VRFs to run now.
func (f *inForce) specs() []vrf.Spec { return f.over(f.config()) }

// spec returns what is configured for one VRF, also for one that does not run.
func (f *inForce) spec(name string) (vrf.Spec, bool) {
	cfg := f.config()
	for _, list := range [][]vrf.Spec{f.over(cfg), cfg.Others} {
		if i := slices.IndexFunc(list, func(s vrf.Spec) bool { return s.Name == name }); i >= 0 {
			return list[i], true
		}
	}
	return vrf.Spec{}, false
}

// hidden says what of a file is not in force because of what was set at run time.
func (f *inForce) hidden(cfg *config.Config) []string { return f.overlay.Hidden(cfg) }

// orphans are the VRFs that were changed at run time and are not configured any more.
func (f *inForce) orphans() []string {
	cfg := f.config()
	return f.overlay.Orphans(cfg.VRFs, cfg.Others)
}

// keepsRoutes tells whether some VRF leaves its routes in the kernel when the daemon ends.
func (f *inForce) keepsRoutes() bool {
	return slices.ContainsFunc(f.specs(), func(s vrf.Spec) bool { return s.OnExit == vrf.Keep })
}
