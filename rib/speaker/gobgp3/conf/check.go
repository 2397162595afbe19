package conf

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// Check reads a configuration of GoBGP, as JSON with kebab-case keys and
// without sections of ours, as completely as gobgpd does, and returns every
// error in it: also those on which gobgpd would end, and those that it would
// swallow. It is the errors.Join of several; each names the section and the key
// ("neighbors[1].config.peer-group"). It starts nothing, and looks at nothing of the
// host: who is on the interface of a neighbour that is named by one shows when it runs.
func Check(text []byte) error {
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("GoBGP's configuration is not JSON: %w", err)
	}
	c := &checker{root: section{value: root}}
	c.types(root, reflect.TypeFor[oc.BgpConfigSet](), "")
	if len(c.errs) > 0 {
		return errors.Join(c.errs...) // the rest relies on the types
	}
	c.global()
	c.peerGroups()
	c.vrfs()
	c.neighbors()
	c.dynamicNeighbors()
	c.policies()
	c.unsupported()
	if len(c.errs) == 0 {
		placed, _, err := place(text, func(string, func(netip.Addr) bool) (netip.Addr, string) { return standIn, "" })
		if err == nil {
			_, err = parse(placed)
		}
		if err != nil {
			c.errs = append(c.errs, fmt.Errorf("GoBGP refuses the configuration: %w", err))
		}
	}
	return errors.Join(c.errs...)
}

// checker looks for the errors of one configuration.
type checker struct {
	findings
	root section
}

// findings gathers errors, each with the path of its key.
type findings struct{ errs []error }

func (f *findings) fail(path, format string, args ...any) {
	if path == "" {
		path = "the configuration"
	}
	f.errs = append(f.errs, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}
