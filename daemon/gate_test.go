package daemon

import (
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/config"
)

// TestWhatAReloadChangesOfTheAPI: some of it at once, some at the next start.
func TestWhatAReloadChangesOfTheAPI(t *testing.T) {
	group := 7
	for key, change := range map[string]func(*config.Config){
		"":                         func(*config.Config) {},
		"netlink.api.listen":       func(c *config.Config) { c.API.Listen = []string{"127.0.0.1:1"} },
		"netlink.api.limits":       func(c *config.Config) { c.API.Limits.Connections++ },
		"netlink.metrics":          func(c *config.Config) { c.Metrics.Listen = "127.0.0.1:2" },
		"netlink.api.socket_group": func(c *config.Config) { c.API.SocketGroup = &group },
	} {
		old, next := text(t, "old", nil), text(t, "new", nil)
		change(next)
		var want []string
		if key != "" {
			want = []string{key + " changed: it takes effect at the next start"}
		}
		if got := new(gate).later(old, next); !slices.Equal(got, want) {
			t.Errorf("%s: %q", key, got)
		}
		if got := guardChanges(old.API, next.API); got != nil {
			t.Errorf("%s takes effect at once: %q", key, got)
		}
	}
	overridden := &gate{listen: []string{"unix:///s"}}
	old, next := text(t, "old", nil), text(t, "new", nil)
	next.API.Listen = []string{"127.0.0.1:1"}
	if got := overridden.later(old, next); got != nil {
		t.Errorf("with --api-listen: %q", got)
	}
	next.API.Policy.Entries = []access.Entry{{Role: "read"}}
	next.API.TLS = &config.TLS{Certificate: []byte("x")}
	if got := guardChanges(old.API, next.API); len(got) != 2 || overridden.later(old, next) != nil {
		t.Errorf("roles and certificates: %q", got)
	}
}
