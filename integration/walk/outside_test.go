package walk_test

import (
	"fmt"
	"slices"
	"strings"
)

// changeLink breaks something about a link, and mends what is broken more often
// than not. eth0 has the sessions, and stays.
func (w *walker) changeLink() (step, bool) {
	at := w.somewhere()
	l := at.links[1+w.rng.IntN(len(at.links)-1)]
	say := func(format string, args ...any) step {
		line := fmt.Sprintf(format, args...)
		return step{what: at.name + ": " + line, do: func(w *world) { w.places[at.name].both(line) }}
	}
	switch n := w.rng.IntN(10); {
	case !l.made:
		number, fresh := l.number, newLink(l.number)
		*l = *fresh
		return step{what: fmt.Sprintf("%s: %s is made again", at.name, l.name()), do: func(w *world) { w.places[at.name].wire(number) }}, true
	case !l.admin:
		l.admin = true
		return say("link set %s up", l.name()), true
	case !l.carrier:
		l.carrier = true
		return say("link set %s up", l.far()), true
	case !l.four:
		l.four = true
		return say("addr add %s/24 dev %s", l.addr4(), l.name()), true
	case !l.six:
		l.six = true
		return say("addr add %s/64 dev %s nodad", l.addr6(), l.name()), true
	case n < 4:
		l.admin = false
		return say("link set %s down", l.name()), true
	case n < 7:
		l.carrier = false
		return say("link set %s down", l.far()), true
	case n == 7:
		l.four = false
		return say("addr del %s/24 dev %s", l.addr4(), l.name()), true
	case n == 8:
		l.six = false
		return say("addr del %s/64 dev %s", l.addr6(), l.name()), true
	default:
		l.made = false
		return say("link del %s", l.name()), true
	}
}

// foreignRoute has another program add a route, or delete one that it added.
func (w *walker) foreignRoute() (step, bool) {
	at := w.somewhere()
	if len(at.foreign) > 0 && w.chance(40) {
		i := w.rng.IntN(len(at.foreign))
		line := at.foreign[i]
		at.foreign = slices.Delete(at.foreign, i, i+1)
		return w.program(at, "route del "+line), true
	}
	line := w.foreignLine(at)
	if at.name == "rtr" && w.chance(30) {
		line = w.sourceLine(at)
	}
	at.foreign = append(at.foreign, line)
	return w.program(at, "route add "+line), true
}

func (w *walker) program(at *site, line string) step {
	return step{what: at.name + ": " + line, do: func(w *world) { w.places[at.name].program(line) }}
}

// foreignLine is a route that leads to nexthops, or hides them, or lies beside ours.
func (w *walker) foreignLine(at *site) string {
	number, other := w.rng.IntN(4), 1+w.rng.IntN(len(at.links)-1)
	hidden := max(1, number) // not the peers, who are on eth0
	table := ""
	if at.name == "rtr" && w.chance(50) {
		table = fmt.Sprintf(" table %d", pick(w, []int{plainTable, plainTable, guestTable}))
	}
	p := w.prefix()
	gateway, net, host, behind := fmt.Sprintf("10.0.%d.9", other), fmt.Sprintf("10.0.%d.0/24", number), fmt.Sprintf("10.0.%d.2/32", hidden), fmt.Sprintf("172.20.%d.0/24", number)
	if p.Addr().Is6() {
		gateway, net, host, behind = fmt.Sprintf("2001:db8:%x::9", other), fmt.Sprintf("2001:db8:%x::/64", number), fmt.Sprintf("2001:db8:%x::2/128", hidden), fmt.Sprintf("2001:db8:20%d::/64", number)
	}
	way := fmt.Sprintf("via %s dev eth%d", gateway, other)
	switch w.rng.IntN(8) {
	case 0, 1:
		return fmt.Sprintf("%s %s proto static metric 500%s", net, way, table)
	case 2, 3:
		return fmt.Sprintf("%s %s proto bird metric 32%s", behind, way, table)
	case 4:
		return fmt.Sprintf("%s %s proto 42 metric 50%s", p, way, table)
	case 5:
		return fmt.Sprintf("blackhole %s proto static metric 4000%s", p, table)
	case 6:
		return fmt.Sprintf("unreachable %s proto static metric 7%s", host, table)
	}
	return fmt.Sprintf("%s dev eth%d proto static metric 3%s", net, number%len(at.links), table)
}

// foreignOnOurs has another program put a route where ours is or may come, or take
// it away.
func (w *walker) foreignOnOurs() (step, bool) {
	at, p, dev := w.somewhere(), w.prefix(), w.rng.IntN(3)
	gateway := fmt.Sprintf("10.0.%d.9", dev)
	if p.Addr().Is6() {
		gateway = fmt.Sprintf("2001:db8:%x::9", dev)
	}
	line := fmt.Sprintf("%s via %s dev eth%d proto static metric %d", p, gateway, dev, pick(w, []int{20, 30}))
	verb := pick(w, []string{"add", "replace"})
	at.foreign = append(at.foreign, line)
	s := w.program(at, "route "+verb+" "+line)
	s.alone = true
	return s, true
}

// hostile has another program change routes under our protocol: what it deletes or
// changes comes back, and what it adds goes.
func (w *walker) hostile() (step, bool) {
	at, p := w.somewhere(), w.prefix()
	mine := func(line string) step {
		return step{what: at.name + ": " + line, do: func(w *world) { w.places[at.name].alone(line) }}
	}
	switch w.rng.IntN(4) {
	case 0, 1:
		return mine(fmt.Sprintf("route del %s proto 179", p)), true
	case 2:
		return mine(fmt.Sprintf("route add 30.0.%d.0/24 via 10.0.0.9 dev eth0 proto 179 metric %d", w.rng.IntN(5), pick(w, []int{20, 77}))), true
	}
	metric, gateway := w.policy.metric, "10.0.0.77"
	if p.Addr().Is6() {
		gateway = "2001:db8::77"
	}
	line := fmt.Sprintf("route replace %s via %s dev eth0 proto 179 metric %d", p, gateway, metric)
	s := mine(line + ", where it is ours")
	s.alone = true
	s.do = func(w *world) {
		// Elsewhere it might replace a foreign route, which the twin still had.
		at := w.places[at.name]
		if slices.ContainsFunc(at.oracle.Own(mainTable), func(l string) bool {
			return strings.HasPrefix(strings.TrimPrefix(l, "blackhole "), p.String()+" ") && strings.HasSuffix(l, fmt.Sprintf(" metric %d", metric))
		}) {
			at.alone(line)
		}
	}
	return s, true
}

// hostileObject has another program delete our nexthop objects, or change one.
func (w *walker) hostileObject() (step, bool) {
	at, n, kind := w.somewhere(), w.rng.IntN(100), w.rng.IntN(3)
	what := []string{"all our nexthop objects are deleted", "one nexthop object of ours is deleted", "one nexthop object of ours is changed"}[kind]
	return step{what: fmt.Sprintf("%s: %s (%d)", at.name, what, n), do: func(w *world) { w.places[at.name].breakObject(kind, n) }}, true
}
