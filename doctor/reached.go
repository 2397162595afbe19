package doctor

import (
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// reachSIDs finds tenants whose packets get to SIDs: by a rule, by a route in their table, or because
// the lookup goes on to the core's routes. Those that are trusted may.
func reachSIDs(f Facts, core Space) (list []Finding) {
	for _, s := range f.Specs {
		if s.VRF != "" || s.Carriage.SRv6.Trusted {
			continue
		}
		w := reaching{netns: f.Carriage.Core.Netns, spec: s, core: core}
		for _, r := range f.Carriage.Reached {
			in := core.Links[r.In]
			if !w.enters(in) || !w.escapes(&r) {
				continue
			}
			if !slices.Contains(w.from, in.Name) {
				w.from = append(w.from, in.Name)
			}
			w.ways = append(w.ways, r)
		}
		if len(w.ways) > 0 {
			list = append(list, w.finding())
		}
	}
	return list
}

// reaching is a VRF with how it reaches SIDs.
type reaching struct {
	netns string // the core's
	spec  vrf.Spec
	core  Space
	from  []string // its interfaces in the core's namespace
	ways  []rib.SIDReached
}

// enters tells whether packets of the VRF come into the core's namespace by an interface.
func (w *reaching) enters(k rib.Link) bool {
	b := w.spec.Binding
	if k.Name == "" || k.Name == w.spec.Carriage.Through.Link {
		return k.Name != ""
	}
	return b.Netns == w.netns && b.Device != "" && k.VRFTable == 0 && isMember(b, k, w.core)
}

// escapes tells whether such a packet leaves the VRF as it came: out of the VRF by another one's SID, or
// into the core.
func (w *reaching) escapes(r *rib.SIDReached) bool {
	out := w.core.Links[r.Out]
	is := &w.spec.Carriage.Through
	free := out.Master == 0 && out.VRFTable == 0 && !out.Loopback && out.Name != is.Link && out.Name != is.Device
	return r.Local || !r.Wrapped && free
}

func (w *reaching) finding() Finding {
	slices.Sort(w.from)
	var by, mend []string
	for i := range w.ways {
		way, command := w.way(&w.ways[i])
		if !slices.Contains(by, way) {
			by = append(by, way)
		}
		if !slices.Contains(mend, command) {
			mend = append(mend, command)
		}
	}
	return Finding{
		Level: Risk, Check: "srv6-reached", Subject: w.spec.Name,
		What: fmt.Sprintf("Packets of VRF %q, which come in by %s %s, get to SIDs, as to %v: by %s.", w.spec.Name, some(w.from), in(w.netns), w.ways[0].SID, some(by)),
		Why:  "Whoever is in the VRF can send into every VRF of every PE, by its SID. trusted = true says of a VRF that it may.",
		Mend: all(mend...),
	}
}

// way is by what such a packet goes, and what closes that.
func (w *reaching) way(r *rib.SIDReached) (by, mend string) {
	out := w.core.Links[r.Out].Name
	b, is := w.spec.Binding, &w.spec.Carriage.Through
	if is.Link != "" {
		b = is.To
	}
	table, _ := tableOf(b, w.core)
	switch {
	case r.Table == table:
		return fmt.Sprintf("the route %v dev %s of table %d", r.Prefix, out, table),
			ipIn(w.netns, fmt.Sprintf("-6 route del %v dev %s table %d", r.Prefix, quote(out), table))
	case r.By.To.IsValid() || r.By.In != "":
		return fmt.Sprintf("the rule %q", r.By), ipIn(w.netns, "-6 rule del "+r.By.String())
	case r.By != (rib.Selector{}) && table != 0:
		return fmt.Sprintf("the rule %q, because no route of table %d ends the lookup", r.By, table),
			ipIn(w.netns, fmt.Sprintf("-6 route add table %d unreachable default metric %d", table, guardMetric))
	}
	return fmt.Sprintf("a rule that leads to table %d", r.Table), ""
}
