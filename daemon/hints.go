package daemon

import (
	"context"
	"log/slog"
	"slices"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/rib"
)

// HostHints notes what a file is likely to lack on this host: interfaces that its patterns match,
// and routes for addresses of lo. Namespaces that are not there, or may not be entered, are passed
// over: the file may be for another host.
func HostHints(ctx context.Context, file string, cfg *config.Config) []config.Error {
	names := make(map[string]struct{})
	for i := range cfg.VRFs {
		if s := &cfg.VRFs[i]; s.Import.Enabled {
			names[s.Binding.Netns] = struct{}{}
		}
	}
	host := kernel.NewHost(slog.New(slog.DiscardHandler))
	return hostHints(file, cfg, survey(ctx, host, names, rib.ProtoOwn, nil))
}

// hostHints are the notes about spaces, each at the key that says by what a VRF imports.
func hostHints(file string, cfg *config.Config, spaces map[string]doctor.Space) (notes []config.Error) {
	found := doctor.Hints(doctor.Facts{File: file, Specs: cfg.VRFs, Spaces: spaces})
	if len(found) == 0 {
		return nil
	}
	lines := importLines(file, cfg)
	for _, f := range found {
		notes = append(notes, config.Error{
			File: file, Line: lines[f.Subject], Key: "netlink.vrfs[" + f.Subject + "].import.interface_list", Message: f.What + " " + f.Why, Hint: true,
		})
	}
	slices.SortStableFunc(notes, func(a, b config.Error) int { return a.Line - b.Line })
	return notes
}

// importLines are the lines of a file that say by which interfaces each VRF imports.
func importLines(file string, cfg *config.Config) map[string]int {
	lines := make(map[string]int)
	c, err := cfg.InForce(file, bgpPart(nil), config.Over{})
	if err != nil {
		return lines // it was read before, and is noted without lines
	}
	for _, s := range c.Sections {
		for _, v := range s.Values {
			if s.Header == "[netlink.vrfs.import]" && v.Key == "interface_list" {
				lines[s.VRF] = v.Line
			}
		}
	}
	return lines
}
