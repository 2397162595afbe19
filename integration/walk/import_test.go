package walk_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/vrfredist/vrfredist/integration/faults/oracle"
)

// importGlob is what VRFs that import name: not eth0, which has the sessions, nor eth3.
const importGlob = "eth[12]"

func importsOver(l *link) bool {
	return l != nil && (l.number == 1 || l.number == 2) && l.made && l.admin && l.carrier
}

// sourceLine is another program's route in the table of the VRF that leaks.
func (w *walker) sourceLine(at *site) string {
	number, other := w.rng.IntN(6), 1+w.rng.IntN(len(at.links)-1)
	prefix, gateway := fmt.Sprintf("40.0.%d.0/24", number), fmt.Sprintf("10.0.%d.9", other)
	if w.chance(30) {
		prefix, gateway = fmt.Sprintf("2001:db8:40%d::/48", number), fmt.Sprintf("2001:db8:%x::9", other)
	}
	return fmt.Sprintf("%s via %s dev eth%d proto static metric %d table %d", prefix, gateway, other, pick(w, []int{7, 500}), leakTable)
}

// imported are the routes that a VRF announces, of those that its table has: one for
// each prefix, that with the lowest metric.
func imported(at *site, v vrfOf, foreign []oracle.Entry) map[netip.Prefix]oracle.Entry {
	list := make(map[netip.Prefix]oracle.Entry)
	if !v.imports {
		return list
	}
	for _, e := range foreign {
		if e.Discards || e.Prefix.Bits() == 0 || e.Prefix.Addr().IsLinkLocalUnicast() || e.Prefix.Addr().IsMulticast() {
			continue
		}
		if !slices.ContainsFunc(e.Ways, func(w oracle.Way) bool { return importsOver(at.link(w.Dev)) }) {
			continue
		}
		if other, there := list[e.Prefix]; !there || e.Metric < other.Metric {
			list[e.Prefix] = e
		}
	}
	return list
}

// leaked adds to a VRF's model what another VRF of its namespace imports for it.
func (s *state) leaked(m *model, at *site, v vrfOf) {
	if v.leaks == 0 || len(s.policy.communities) > 0 { // imports carry none
		return
	}
	for _, other := range at.vrfs {
		if other.target != v.leaks {
			continue
		}
		for prefix, e := range imported(at, other, s.source) {
			var legs []string
			for _, w := range e.Ways {
				legs = append(legs, fmt.Sprintf(" via %s dev %s", w.Gateway, w.Dev))
			}
			m.groups["leaked "+prefix.String()] = true
			for _, l := range legs {
				m.singles["leaked"+l] = true
			}
			m.lines = append(m.lines, fmt.Sprintf("%s%s metric %d", prefix, strings.Join(legs, " +"), s.policy.metric))
		}
	}
}

// judgeAnnouncements says what is wrong in what the peers hear: exactly what the VRFs
// import, under their RDs, with the kernel's metric as MED.
func (w *world) judgeAnnouncements() (wrong []string) {
	w.T.Helper()
	var want []string
	for _, at := range w.state.sites {
		for _, v := range w.vrfs(at) {
			if !at.there || !v.imports {
				continue
			}
			foreign := w.places[at.name].mind.Table(uint32(v.table))
			ours := w.state.model(at, v, foreign).lines
			for prefix, e := range imported(at, v, foreign) {
				// Beside a route of ours with a lower metric the kernel does not forward by it.
				if w.state.policy.metric < int(e.Metric) && slices.ContainsFunc(ours, func(l string) bool { return strings.Contains(l, prefix.String()+" ") }) {
					continue
				}
				want = append(want, fmt.Sprintf("%d:%d %s med %d", as, v.target, prefix, e.Metric))
			}
		}
	}
	for prefix := range w.state.intruder {
		want = append(want, fmt.Sprintf("%d:%d %s med 0", as, intruderTarget, prefix))
	}
	sort.Strings(want)
	for i, p := range w.peers {
		var got []string
		heard := p.HeardVPN()
		for _, route := range slices.Sorted(maps.Keys(heard)) {
			got = append(got, fmt.Sprintf("%s med %d", route, heard[route]))
		}
		if diff := oracle.Diff(want, got); diff != "" {
			wrong = append(wrong, fmt.Sprintf("what peer %d hears: %s", i, diff))
		}
	}
	if len(wrong) > 0 {
		return wrong // FRR is slow to ask
	}
	if diff := oracle.Diff(want, w.heardByFRR()); diff != "" {
		wrong = append(wrong, "what FRR hears: "+diff)
	}
	return wrong
}
