package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// protocolRoutes finds routes of our protocol in tables that are not ours.
func protocolRoutes(f Facts) []Finding {
	var out []Finding
	for _, n := range f.netnsOf() {
		space, known := f.Spaces[n.netns]
		if !known || space.Err != nil || len(f.Specs) == 0 {
			continue
		}
		ours := make(map[uint32]bool)
		for _, s := range f.Specs { // by identity: two names may be one namespace
			other := f.Spaces[s.Binding.Netns]
			if table, ok := tableOf(s.Binding, other); ok && other.Dev == space.Dev && other.Inode == space.Inode {
				ours[table] = true
			}
		}
		protocol := f.Specs[0].Protocol
		for _, table := range slices.Sorted(maps.Keys(space.Own)) {
			if ours[table] || space.Own[table] == 0 {
				continue
			}
			out = append(out, Finding{
				Level: Risk, Check: "protocol-routes", Subject: subject(n.netns, fmt.Sprintf("table %d", table)),
				What: fmt.Sprintf("%s with our protocol number, %d, in table %d %s, which no VRF of the configuration has.",
					routes(space.Own[table]), protocol, table, in(n.netns)),
				Why: "Either another program uses this number, whose routes vrfredist would take for its own wherever a VRF has the same table, and delete them; " +
					"then give vrfredist another with route_protocol. Or an earlier configuration left them, and nobody withdraws them any more: then delete them.",
				Mend: deleteRoutes(n.netns, table, protocol),
			})
		}
	}
	return out
}

func routes(n int) string {
	if n == 1 {
		return "1 route is"
	}
	return fmt.Sprintf("%d routes are", n)
}

func subject(netns, what string) string {
	if netns == "" {
		return what
	}
	return netns + ", " + what
}

// deleteRoutes deletes one route after the other by its key: `ip route flush` of
// iproute2 6.1 fails on routes that hang on a nexthop object.
func deleteRoutes(netns string, table uint32, protocol uint8) string {
	key := `{p=($1~/[.:]|^default$/)?$1:$1" "$2;m="";for(i=1;i<NF;i++)if($i=="metric")m=" metric "$(i+1);print "route del "p m" table %d proto %d"}`
	return fmt.Sprintf("for f in -4 -6; do %s | awk '%s' | %s; done",
		ipIn(netns, fmt.Sprintf("$f -o route show table %d proto %d", table, protocol)),
		fmt.Sprintf(key, table, protocol),
		ipIn(netns, "$f -batch -"))
}

// protocolNumber finds another program, or another name, for our number.
func protocolNumber(f Facts) []Finding {
	if len(f.Specs) == 0 {
		return nil
	}
	number := f.Specs[0].Protocol
	mend := all(edit(f.File, "route_protocol", fmt.Sprint(rib.ProtoOwn)), reload(f))
	if number == rib.ProtoOwn {
		mend = ""
	}
	if users := rib.ProtocolUsersOf(number); len(users) > 0 {
		find := Finding{
			Level: Risk, Check: "protocol-number", Subject: fmt.Sprint(number),
			What: fmt.Sprintf("route_protocol is %d, which is also the number of %s.", number, users[0].Name),
			Why:  "A shared number cannot say whose a route is: vrfredist deletes routes of its number that it did not write, and so may the other program.",
			Mend: mend,
		}
		for _, u := range users {
			for _, p := range u.Processes {
				if pid := f.Host.Processes[p]; pid != 0 {
					find.Level = Broken
					find.What = fmt.Sprintf("route_protocol is %d, which is also the number of %s, and that runs here (%s, pid %d).", number, u.Name, p, pid)
					return []Finding{find}
				}
			}
		}
		return []Finding{find}
	}
	if name, ok := f.Host.Protocols[number]; ok && name != "vrfredist" {
		return []Finding{{
			Level: Risk, Check: "protocol-number", Subject: fmt.Sprint(number),
			What: fmt.Sprintf("route_protocol is %d, which this host calls %q (%s).", number, name, "rt_protos"),
			Why:  "Somebody means to use that number for another program: a shared number cannot say whose a route is.",
			Mend: mend,
		}}
	}
	return nil
}

// reload has a running daemon take an edited file.
func reload(f Facts) string {
	if f.Running {
		return "vrfredist reload"
	}
	return ""
}

// networkd finds a systemd-networkd that takes out routes which it did not write.
func networkd(f Facts) []Finding {
	n := f.Host.Networkd
	if !n.Runs && !n.Enabled || n.KeepsRoutes && n.KeepsNexthops {
		return nil
	}
	what := "routes"
	switch {
	case n.KeepsRoutes:
		what = "nexthop objects"
	case !n.KeepsNexthops:
		what = "routes and nexthop objects"
	}
	state := "is enabled"
	if n.Runs {
		state = "runs"
	}
	return []Finding{{
		Level: Risk, Check: "networkd", Subject: "systemd-networkd",
		What: fmt.Sprintf("systemd-networkd %s, and deletes the %s of other programs.", state, what),
		Why:  "When it starts, or a link is configured anew, it takes out what it did not write on the links that it manages; traffic is lost until vrfredist has written it again.",
		Mend: all("mkdir -p "+quote(n.DropIns),
			`printf '[Network]\nManageForeignRoutes=no\nManageForeignNextHops=no\n' >`+quote(strings.TrimSuffix(n.DropIns, "/")+"/vrfredist.conf"),
			"systemctl try-restart systemd-networkd"),
	}}
}

// sessions are about the neighbours inside VRF devices.
func sessions(f Facts) []Finding {
	space, known := f.Spaces[""]
	if len(f.Bound) == 0 || !known || space.Settings["ipv4/tcp_l3mdev_accept"] != "0" || f.ManageSysctls && !f.Running {
		return nil
	}
	return []Finding{{
		Level: Broken, Check: "tcp-l3mdev-accept", Subject: "",
		What: fmt.Sprintf("The kernel refuses the sessions that these neighbours open: %s (net.ipv4.tcp_l3mdev_accept=0).", strings.Join(f.Bound, ", ")),
		Why:  "They are inside VRF devices, and BGP's listener is bound to none. Sessions that this router opens work.",
		Mend: set("", "net.ipv4.tcp_l3mdev_accept=1"),
	}}
}

// exports tells whether a VRF has routes for the kernel to forward by.
func exports(specs []vrf.Spec) bool {
	return slices.ContainsFunc(specs, func(s vrf.Spec) bool { return s.Export.Enabled })
}
