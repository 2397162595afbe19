package doctor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const tableMain = 254

// tableOf returns the table of a binding; false where it is not there.
func tableOf(b rib.Binding, s Space) (uint32, bool) {
	switch {
	case s.Err != nil:
		return 0, false
	case b.Table != 0:
		return b.Table, true
	case b.Device == "":
		return tableMain, true
	}
	k, ok := s.Links.ByName(b.Device)
	return k.VRFTable, ok && k.VRFTable != 0
}

// places finds namespaces and devices that are not there, or not what they are
// taken for.
func places(f Facts) []Finding {
	var out []Finding
	for _, n := range f.netnsOf() {
		space, known := f.Spaces[n.netns]
		if !known {
			continue
		}
		if space.Err != nil {
			out = append(out, unseen(n, space.Err))
			continue
		}
		for _, s := range n.specs {
			if find, ok := device(f, n.netns, space, s); ok {
				out = append(out, find)
			}
		}
	}
	return out
}

// unseen is the finding for a namespace that cannot be looked at.
func unseen(n netnsVRFs, err error) Finding {
	if errors.Is(err, rib.ErrAbsent) {
		return Finding{
			Level: Risk, Check: "namespace", Subject: n.netns,
			What: fmt.Sprintf("The network namespace %s is not there, which %s needs.", n.netns, vrfNames(n.specs)),
			Why:  "The VRF is pending until it comes; nothing of it is routed meanwhile.",
			Mend: "ip netns add " + quote(n.netns),
		}
	}
	return Finding{
		Level: Broken, Check: "namespace", Subject: n.netns,
		What: fmt.Sprintf("What is %s cannot be looked at.", in(n.netns)),
		Why:  sentence(err.Error()),
		Mend: "sudo vrfredist doctor",
	}
}

// device is about the VRF device of a binding.
func device(f Facts, netns string, space Space, s vrf.Spec) (Finding, bool) {
	b := s.Binding
	if b.Device == "" {
		return Finding{}, false
	}
	find := Finding{Level: Risk, Check: "device", Subject: s.Name}
	k, there := space.Links.ByName(b.Device)
	if s.Makes.Made() {
		return madeDevice(f, netns, space, &s)
	}
	switch {
	case !there:
		find.What = fmt.Sprintf("The VRF device %s is not there %s, which VRF %q needs.", b.Device, in(netns), s.Name)
		find.Why = "The VRF is pending until it comes; nothing of it is routed meanwhile."
		find.Mend = newDevice(netns, b.Device, f.tables.free(space))
	case k.VRFTable == 0:
		find.Level = Broken
		find.What = fmt.Sprintf("The interface %s %s is no VRF device, and VRF %q takes it for one. Name another device in the configuration.", b.Device, in(netns), s.Name)
		find.Why = "A VRF device brings the table into which the routes go; without one the VRF is pending."
	case !k.Admin:
		find.Level = Broken
		find.What = fmt.Sprintf("The VRF device %s %s is down.", b.Device, in(netns))
		find.Why = "The kernel forwards nothing through the VRF while its device is down."
		find.Mend = ipIn(netns, "link set "+quote(b.Device)+" up")
	default:
		return Finding{}, false
	}
	return find, true
}

func newDevice(netns, name string, table uint32) string {
	return all(ipIn(netns, fmt.Sprintf("link add %s type vrf table %d", quote(name), table)), ipIn(netns, "link set "+quote(name)+" up"))
}

// tables gives out unused table numbers, each once: the commands of several
// findings may be pasted one after the other.
type tables struct{ taken map[place]bool }

func newTables(f Facts) *tables {
	t := &tables{make(map[place]bool)}
	for netns, space := range f.Spaces {
		take := func(table uint32) { t.taken[place{space.Dev, space.Inode, table}] = true }
		for _, k := range space.Links {
			take(k.VRFTable)
		}
		for table := range space.Own {
			take(table)
		}
		for _, s := range f.Specs {
			if s.Binding.Netns == netns {
				take(s.Binding.Table)
			}
		}
	}
	return t
}

// free returns a table of a namespace that no VRF device and no VRF has.
func (t *tables) free(s Space) uint32 {
	at := place{s.Dev, s.Inode, 1001}
	for t.taken[at] {
		at.table++
	}
	t.taken[at] = true
	return at.table
}

func vrfNames(specs []vrf.Spec) string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = fmt.Sprintf("%q", s.Name)
	}
	slices.Sort(names)
	if len(names) == 1 {
		return "VRF " + names[0]
	}
	const most = 5
	if n := len(names); n > most {
		return fmt.Sprintf("VRFs %s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return "VRFs " + strings.Join(names, ", ")
}

// place is one table of one namespace, whatever the namespace is called.
type place struct {
	dev, inode uint64
	table      uint32
}

// sharedTables finds VRFs that would write into each other's table: the file
// cannot tell that two devices have one table, or two paths one namespace.
func sharedTables(f Facts) []Finding {
	users := make(map[place][]vrf.Spec)
	for _, s := range f.Specs {
		space, known := f.Spaces[s.Binding.Netns]
		if !known {
			continue
		}
		if table, ok := tableOf(s.Binding, space); ok {
			at := place{space.Dev, space.Inode, table}
			users[at] = append(users[at], s)
		}
	}
	var out []Finding
	for at, specs := range users {
		if len(specs) < 2 {
			continue
		}
		find := Finding{
			Level: Broken, Check: "shared-table", Subject: fmt.Sprint(at.table),
			What: fmt.Sprintf("%s have the same table, %d %s. Give each a table of its own.", vrfNames(specs), at.table, in(specs[0].Binding.Netns)),
			Why:  "One tenant's routes would be in another's table; vrfredist serves only one of them.",
		}
		// A device that comes again with another table is the way out; its
		// interfaces follow.
		for _, s := range slices.Backward(specs) {
			if s.Binding.Device != "" {
				find.Mend = elsewhere(s.Binding, f.Spaces[s.Binding.Netns], f.tables)
				break
			}
		}
		out = append(out, find)
	}
	return out
}

// elsewhere makes a VRF device again on a table of its own.
func elsewhere(b rib.Binding, space Space, t *tables) string {
	k, _ := space.Links.ByName(b.Device)
	commands := []string{
		ipIn(b.Netns, "link del "+quote(b.Device)),
		newDevice(b.Netns, b.Device, t.free(space)),
	}
	for _, index := range slices.Sorted(maps.Keys(space.Links)) {
		if m := space.Links[index]; m.Master == k.Index {
			commands = append(commands, ipIn(b.Netns, "link set "+quote(m.Name)+" master "+quote(b.Device)))
		}
	}
	return all(commands...)
}

// guardMetric is the metric that the kernel's documentation gives this route
// (Documentation/networking/vrf.rst): worse than any other.
const guardMetric = 4278198272

// guards finds VRF devices whose table lets a lookup go on: the rules after
// l3mdev lead to the main table.
func guards(f Facts) []Finding {
	var out []Finding
	for _, n := range f.netnsOf() {
		space, known := f.Spaces[n.netns]
		if !known || space.Err != nil {
			continue
		}
		for _, s := range n.specs {
			table, ok := tableOf(s.Binding, space)
			if s.Binding.Device == "" || !ok || makes(f, space, &s) {
				continue
			}
			have, six := space.Guarded[table], space.Settings["ipv6/conf/all/disable_ipv6"] == "0"
			var commands []string
			if !have[rib.IPv4] {
				commands = append(commands, ipIn(n.netns, fmt.Sprintf("route add table %d unreachable default metric %d", table, guardMetric)))
			}
			if !have[rib.IPv6] && six {
				commands = append(commands, ipIn(n.netns, fmt.Sprintf("-6 route add table %d unreachable default metric %d", table, guardMetric)))
			}
			if len(commands) == 0 {
				continue
			}
			why := fmt.Sprintf("What VRF %q has no route for goes on to the main table, and so out of the VRF.", s.Name)
			if s.Carriage.Kind == rib.EncapSRv6 {
				why += " There a host of the tenant reaches every SID, those of other VRFs among them."
			}
			out = append(out, Finding{
				Level: Risk, Check: "vrf-default", Subject: s.Name,
				What: fmt.Sprintf("No unreachable default route stands at the end of table %d, of the VRF device %s %s.", table, s.Binding.Device, in(n.netns)),
				Why:  why,
				Mend: all(commands...),
			})
		}
	}
	return out
}

// rivals finds other holders of a running daemon's tables: another daemon, for which it
// waits, or a program that only has the name.
func rivals(f Facts) []Finding {
	var out []Finding
	for _, r := range f.Rivals {
		find := Finding{
			Level: Broken, Check: "table-owner", Subject: subject(r.Netns, fmt.Sprintf("table %d", r.Table)),
			What: upper(r.String()) + "; end that one, or take the VRF out of one of the two configurations.",
			Why:  "A table has one daemon: a second one would take the first one's routes for what an earlier run left, and delete them. Its VRF waits.",
		}
		if !r.Daemon {
			find.Level = Risk
			find.What = upper(r.String()) + "."
			find.Why = "Another user's program is not believed, and stops nothing; but as long as it is there a second vrfredist would not be kept from this table."
			if r.PID != 0 {
				find.Mend = fmt.Sprintf("kill %d", r.PID)
			}
		}
		out = append(out, find)
	}
	return out
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
