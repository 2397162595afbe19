// Package apitest has what stands behind the API in tests: parts of a daemon that always answer the
// same.
package apitest

import (
	"context"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Steady answers the calls about single neighbours and about the log, and changes nothing. It is
// immutable, and serves embedded in what a test has for a daemon.
type Steady struct {
	Now time.Time // from which a graceful shutdown counts
}

// NeighborRoutes has two routes that a neighbour sent; of the one that is rejected nobody is told.
func (Steady) NeighborRoutes(_ context.Context, _ vrf.Session, advertised bool, wants func(netip.Prefix) bool, yield func(rib.NeighborRoute) bool) error {
	for _, r := range []rib.NeighborRoute{
		{Prefix: "10.1.0.0/16", Family: "ipv4-unicast", Terms: "nexthop 192.0.2.2 AS path 65001"},
		{Prefix: "10.9.0.0/16", Family: "ipv4-unicast", Terms: "nexthop 192.0.2.2 AS path 65001 65009", Reason: `policy "in", rule 1 rejects it`},
	} {
		if advertised && r.Reason != "" || wants != nil && !wants(netip.MustParsePrefix(r.Prefix)) {
			continue
		}
		if !yield(r) {
			break
		}
	}
	return nil
}

// CountRoutes has the same counts for every neighbour.
func (Steady) CountRoutes(_ context.Context, of []vrf.Session, _ int, yield func(which, accepted, advertised int)) error {
	for i := range of {
		yield(i, 7, 9)
	}
	return nil
}

// ResetNeighbor does nothing.
func (Steady) ResetNeighbor(context.Context, vrf.Session, rib.SoftReset, string) error { return nil }

// DisableNeighbor returns when a graceful shutdown would end.
func (s Steady) DisableNeighbor(_ context.Context, _ vrf.Session, how vrf.Shutdown) (time.Time, error) {
	if how.Graceful == 0 {
		return time.Time{}, nil
	}
	return s.Now.Add(how.Graceful), nil
}

// EnableNeighbor does nothing.
func (Steady) EnableNeighbor(context.Context, vrf.Session) error { return nil }

// LogLevel is always the same.
func (Steady) LogLevel() string { return "info" }

// SetLogLevel does nothing.
func (Steady) SetLogLevel(string, string) error { return nil }

// Apply does nothing.
func (Steady) Apply(context.Context, vrf.ApplyRequest) (uint64, error) { return 1, nil }

// PlanApply says that nothing would change.
func (Steady) PlanApply(_ context.Context, _ vrf.ApplyRequest, yield func(vrf.PlanItem) error) error {
	return yield(vrf.PlanItem{Kind: vrf.PlanSummary, Totals: new(vrf.PlanTotals), Text: "Nothing would change: the file says what is in force."})
}

// Delete does nothing.
func (Steady) Delete(context.Context, vrf.DeleteRequest) (bool, error) { return false, nil }

// Applied is nothing.
func (Steady) Applied() []vrf.Layer { return nil }

// Made is no VRF.
func (Steady) Made(string) bool { return false }
