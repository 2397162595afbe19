package edge

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// wires count what goes by on the link of a PE to the router, seen by the router.
type wires struct {
	labels   *lab.Wire[lab.Labelled]
	segments *lab.Wire[lab.Segmented]
}

func (n *Network) read(pe *PE) {
	n.T.Helper()
	switch device := fmt.Sprintf("c%d", pe.N); n.By {
	case MPLS:
		pe.wires.labels = lab.ReadLabels(n.P, device)
	case SRv6:
		pe.wires.segments = lab.ReadSegments(n.P, device)
	}
}

// Labels are the packets with labels on the PE's link to the router.
func (pe *PE) Labels() map[lab.Labelled]int { return pe.wires.labels.Seen() }

// Segments are the packets for SIDs there.
func (pe *PE) Segments() map[lab.Segmented]int { return pe.wires.segments.Seen() }

// Counted sends packets from a tenant's host at one PE to that at another, in both families or in
// these, and asserts that they are on the wire as they should be, and that they arrive there, and
// nowhere at the other tenant.
func (n *Network) Counted(from, to *Tenant, families ...int) {
	n.T.Helper()
	const packets = 20
	for _, six := range sixes(families) {
		way := lab.Plain{From: addr(Host(from.PE.N, six)), To: addr(Host(to.PE.N, six))}
		carried, came, astray := n.carried(from, to, way), to.arrived.Seen()[way], n.astray(to.Name, way)
		for range packets {
			if err := from.Host.Ping("", way.To.String()); err != nil {
				n.T.Errorf("%s, PE %d to PE %d: %v", from.Name, from.PE.N, to.PE.N, err)
				return
			}
		}
		lab.WaitFor(n.T, fmt.Sprintf("%d packets of %s from PE %d are on the wire for PE %d as they should be", packets, to.Name, from.PE.N, to.PE.N), lab.Patience, func() string {
			if got := n.carried(from, to, way) - carried; got < packets {
				return fmt.Sprintf("%d of\n%s", got, n.onWire(from.PE))
			}
			if got := to.arrived.Seen()[way] - came; got < packets {
				return fmt.Sprintf("%d have arrived", got)
			}
			return ""
		})
		if got := n.astray(to.Name, way) - astray; got != 0 {
			n.T.Errorf("%d packets of %s came to hosts of %s", got, to.Name, Other(to.Name))
		}
	}
}

// astray is how many packets of one tenant's have come to hosts of the other.
func (n *Network) astray(name string, way lab.Plain) (came int) {
	for _, pe := range n.PEs {
		if t := pe.Tenants[Other(name)]; t != nil {
			came += t.arrived.Seen()[way]
		}
	}
	return came
}

// Arrived is how many packets from one address to another have come by the interface of the host.
func (t *Tenant) Arrived(from, to string) int {
	return t.arrived.Seen()[lab.Plain{From: addr(from), To: addr(to)}]
}

// carried is how many packets of a tenant were on the wire of a PE as they should be.
func (n *Network) carried(from, to *Tenant, way lab.Plain) int {
	n.T.Helper()
	if n.By == MPLS {
		return from.PE.Labels()[lab.Labelled{Labels: fmt.Sprintf("%d/%d", Transport(to.PE.N), to.Label(way.To.Is6())), Plain: way}]
	}
	sid := to.SID(way.To.Is6())
	var count int
	for s, c := range from.PE.Segments() {
		source := s.Outer.From == addr(Loopback6(from.PE.N)) || from.NS != from.PE.Core
		if s.Inner == way && s.Outer.To == sid && source {
			count += c
		}
	}
	return count
}

func (n *Network) onWire(pe *PE) string {
	var b strings.Builder
	if n.By == MPLS {
		for l, c := range pe.Labels() {
			fmt.Fprintf(&b, "%d of %s, %v to %v\n", c, l.Labels, l.From, l.To)
		}
		return b.String()
	}
	for s, c := range pe.Segments() {
		fmt.Fprintf(&b, "%d of %+v\n", c, s)
	}
	return b.String()
}

// passed is how many packets were seen of each kind at each place: on the PEs' links to the router, and
// at hosts, what comes and what goes.
type passed map[string]int

func (n *Network) passed() passed {
	all := passed{}
	for _, pe := range n.PEs {
		switch n.By {
		case MPLS:
			for l, count := range pe.Labels() {
				all[fmt.Sprintf("%v to %v, with %s, on the link of PE %d", l.From, l.To, l.Labels, pe.N)] = count
			}
		case SRv6:
			for s, count := range pe.Segments() {
				all[fmt.Sprintf("%v to %v, for %v, on the link of PE %d", s.Inner.From, s.Inner.To, s.Outer.To, pe.N)] = count
			}
		}
		for name, t := range pe.Tenants {
			for way, count := range t.arrived.Seen() {
				all[fmt.Sprintf("%v to %v, at the host of %s at PE %d", way.From, way.To, name, pe.N)] = count
			}
		}
	}
	return all
}

// since are the packets that were seen after those of before, a line for each kind: of those that were
// lost on their way it says where they were seen last.
func (p passed) since(before passed) string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(p)) {
		if count := p[what] - before[what]; count > 0 {
			fmt.Fprintf(&b, "%d of %s\n", count, what)
		}
	}
	return b.String()
}

// Label is the label that other PEs put before packets of a family for the tenant; 0: none. FRR has
// one a family, as it says itself, and vrfredist and BIRD one for both, as the kernel has it.
func (t *Tenant) Label(six bool) int {
	t.net.T.Helper()
	if t.PE.FRR != nil {
		return t.PE.Told(t, six)
	}
	labels := t.Labels()
	if len(labels) != 1 {
		return 0
	}
	return labels[0]
}

// Told is the label that a PE which is FRR or BIRD has of the VPN route to a tenant, its own or that of
// another PE; 0: it has no such route.
func (pe *PE) Told(to *Tenant, six bool) int {
	to.net.T.Helper()
	family, prefix := "4", to.Prefixes()[0]
	if six {
		family, prefix = "6", to.Prefixes()[1]
	}
	if pe.BIRD != nil {
		return pe.BIRD.Label(family, to.PE.RD(to.Name), prefix)
	}
	return pe.FRR.Label("ipv"+family, to.PE.RD(to.Name), prefix)
}

// Labels are the labels that lead to the tenant in the kernel of its PE.
func (t *Tenant) Labels() (list []int) {
	for _, line := range strings.Split(t.PE.Core.IP("-f", "mpls", "route", "show"), "\n") {
		f := strings.Fields(line)
		for i := 1; i+1 < len(f); i++ {
			if f[i] == "dev" && (f[i+1] == t.Device || f[i+1] == t.Link) && f[i+1] != "" {
				var label int
				if _, err := fmt.Sscan(f[0], &label); err != nil {
					t.net.T.Fatalf("read %q: %v", line, err)
				}
				list = append(list, label)
			}
		}
	}
	return list
}

// SID is that by which other PEs send packets of a family to the tenant; invalid: there is none.
func (t *Tenant) SID(six bool) (sid netip.Addr) {
	behaviours, where := []string{"End.DT46", "End.DT4"}, fmt.Sprintf("table %d ", t.Table)
	if six {
		behaviours[1] = "End.DT6"
	}
	ns := t.PE.Core
	if t.Device == "" && t.CoreDevice == "" {
		behaviours, where, ns = []string{"End.DX4"}, "", t.NS
		if six {
			behaviours = []string{"End.DT6"}
		}
	} else if t.CoreDevice != "" {
		where = fmt.Sprintf("table %d ", 1000+Numbers[t.Name])
	}
	for _, line := range strings.Split(ns.IP("-6", "route", "show", "table", "all"), "\n") {
		for _, b := range behaviours {
			if strings.Contains(line, "action "+b+" ") && strings.Contains(line, where) {
				sid = addr(strings.TrimSuffix(strings.Fields(line)[0], "/128"))
			}
		}
	}
	return sid
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
