package nsworker

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// explainTold says what the policy of what goes out of the VRF makes of the VRF's own paths, and
// what each neighbour is told.
func explainTold(w *rib.Walk, f *facts) {
	explainSent(w, f)
	told := 0
	var details []string
	hearers := f.telling.Hearers
	if f.confined { // to whom routes of VRFs go otherwise is not theirs to know
		hearers = hearersIn(hearers, f.spec.Of())
	}
	for i := range hearers {
		h := &hearers[i]
		line := fmt.Sprintf("%s: ", h.Name)
		switch {
		case h.EVPN:
			line = fmt.Sprintf("%s, by EVPN: ", h.Name)
		case h.VRF != f.spec.Of():
			line = fmt.Sprintf("%s, as a VPN route: ", h.Name)
		}
		if h.Told {
			told++
			line += "told, with " + h.Terms
		} else {
			line += "not told: " + h.By
		}
		details = append(details, line)
		if h.Path.Attrs != nil && len(hearers) > 1 && h.Path.RD != 0 {
			details = append(details, "  of "+f.show(h.Path))
		}
		if by := asked(h); by != "" {
			details = append(details, "  "+by)
		}
	}
	switch {
	case f.untold != nil:
		w.Add("neighbors", rib.Noted, "BGP could not be asked what neighbours are told: "+f.untold.Error())
	case len(hearers) > 0:
		w.Add("neighbors", rib.Noted, fmt.Sprintf("%d of %s told of it", told, are(len(hearers), "neighbour")), details...)
	}
}

// asked names the rules by which a neighbour is told, or is not.
func asked(h *rib.Hearer) string {
	var parts []string
	if len(h.Then) > 0 {
		parts = append(parts, "changed by "+vrf.Enumerate(h.Then, "and"))
	}
	if h.Told && h.By != "" {
		parts = append(parts, "accepted by "+h.By)
	}
	return strings.Join(parts, ", ")
}

func hearersIn(all []rib.Hearer, name string) (own []rib.Hearer) {
	for _, h := range all {
		if h.VRF == name {
			own = append(own, h)
		}
	}
	return own
}

// explainSent says what goes out of the VRF.
func explainSent(w *rib.Walk, f *facts) {
	out := 0
	var details []string
	for _, s := range f.telling.Sent {
		verdict := "kept: " + s.By + " rejects it"
		if s.Out {
			out++
			verdict = "goes out: " + cmp.Or(s.By, "no rule decides it")
		}
		details = append(details, f.show(s.Path), "  "+verdict)
		if len(s.Then) > 0 {
			details = append(details, "  changed by "+vrf.Enumerate(s.Then, "and"))
		}
	}
	if n := len(f.telling.Sent); n > 0 {
		w.Add("send", rib.Noted, fmt.Sprintf("bgp.send lets %d of %s of this VRF out as VPN routes", out, plural(n, "path")), details...)
	}
}
