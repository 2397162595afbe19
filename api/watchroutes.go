package api

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// listen begins to take the events of single routes, where a watcher wants them; nil:
// it does not.
func (s *watches) listen(ctx context.Context, r *vrfredistv1.WatchVrfsRequest) (*vrf.Listener, error) {
	within, err := prefixFilter(r.GetPrefix(), false)
	if err != nil {
		return nil, err
	}
	if !r.GetRoutes() {
		if r.GetPrefix() != "" {
			return nil, invalid("prefix", "chooses among routes; set routes, to be told of them, or leave it out")
		}
		return nil, nil
	}
	name := r.GetVrf()
	return s.view(ctx).Listen(func(e vrf.RouteEvent) bool {
		return (name == "" || e.VRF == name) && (r.GetPrefix() == "" || e.Prefix.IsValid() && within(e.Prefix))
	}), nil
}

// prefixFilter returns a test of prefixes: whether one is text or, unless exact is
// asked for, inside it. Without a text it is true of every prefix.
func prefixFilter(text string, exact bool) (func(netip.Prefix) bool, error) {
	if text == "" {
		if exact {
			return nil, invalid("exact", "says how prefix is meant; send prefix too")
		}
		return func(netip.Prefix) bool { return true }, nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return nil, invalid("prefix", "%q is no prefix; write for example 10.1.0.0/16", text)
	case p != p.Masked():
		return nil, invalid("prefix", "%q has bits behind its length; write %s", text, p.Masked())
	}
	return func(o netip.Prefix) bool {
		return o == p || !exact && o.Bits() >= p.Bits() && p.Contains(o.Addr())
	}, nil
}

// eventMessages makes one message for each VRF with events.
func eventMessages(events []vrf.RouteEvent, skipped map[string]int) []*vrfredistv1.WatchVrfsResponse {
	byVRF := make(map[string]*vrfredistv1.WatchVrfsResponse)
	var out []*vrfredistv1.WatchVrfsResponse
	of := func(name string, at time.Time) *vrfredistv1.WatchVrfsResponse {
		m := byVRF[name]
		if m == nil {
			m = &vrfredistv1.WatchVrfsResponse{TimeUnixNano: at.UnixNano(), Vrf: &vrfredistv1.Vrf{Name: name}}
			byVRF[name], out = m, append(out, m)
		}
		return m
	}
	for _, e := range events {
		m := of(e.VRF, e.Time)
		message := &vrfredistv1.RouteEvent{TimeUnixNano: e.Time.UnixNano(), What: e.What, Text: e.Text, Reason: e.Reason}
		if e.Prefix.IsValid() {
			message.Prefix = e.Prefix.String()
		}
		m.Events = append(m.Events, message)
	}
	for name, n := range skipped {
		of(name, time.Now()).Unlisted = uint64(n)
	}
	slices.SortStableFunc(out, func(a, b *vrfredistv1.WatchVrfsResponse) int {
		return cmp.Compare(a.GetTimeUnixNano(), b.GetTimeUnixNano())
	})
	return out
}
