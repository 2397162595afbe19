package walk_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// world is the network that is walked in: a router with the daemon, tenants in
// namespaces of their own, the twin of each, and two peers of our own making.
type world struct {
	*lab.Lab
	state  *state
	up     *lab.Namespace
	places map[string]*place
	daemon *lab.Daemon
	peers  [2]*peer.Peer
	frr    *lab.FRR
	ids    map[string]uint16 // of tenants of the template, by site

	intruder *raw.Session // nil: there is none
	calls    int          // how often the intruder has connected

	marker        int
	rests, starts int
}

// place is a site of the world: a namespace that the daemon has routes in, and its
// twin, to which everything happens except what the daemon does.
type place struct {
	world        *world
	name         string
	live, twin   *lab.Namespace
	oracle, mind *oracle.Oracle // mind is the twin's
}

func newWorld(t *testing.T, s *state) *world {
	t.Helper()
	w := &world{Lab: lab.New(t, run), state: s, places: make(map[string]*place), ids: make(map[string]uint16)}
	w.up = w.Namespace("up")
	for _, at := range s.sites {
		p := &place{world: w, name: at.name, live: w.Namespace(at.name), twin: w.Namespace(at.name + "-twin")}
		w.places[at.name] = p
		p.furnish(at)
	}
	w.up.Batch("link set eth0 up", "link set twin0 up", "addr add 10.0.0.2/24 dev eth0", "addr add 10.0.0.3/24 dev eth0")
	for i := range intruders {
		w.up.Address("eth0", intruderAddr(i).String()+"/24")
	}
	w.up.Address("eth0", frrAddr+"/24")
	w.frr = w.up.FRR(frrConfig())
	w.daemon = w.places["rtr"].live.Daemon(w.config(), lab.Profiled...)
	w.starts++
	t.Cleanup(func() {
		w.hangUpAll()
	})
	return w
}

func (w *world) config() string {
	return w.state.config(func(site string) string { return w.places[site].live.Name })
}

// build makes a site again, as new.
func (p *place) build(at *site) {
	p.live.Make()
	p.twin.Make()
	p.furnish(at)
}

func (p *place) furnish(at *site) {
	for _, n := range []*lab.Namespace{p.live, p.twin} {
		n.Sysctl("ipv6.conf.all.keep_addr_on_down", "1")
		n.Sysctl("ipv6.conf.all.accept_dad", "0")
		n.Sysctl("ipv6.conf.default.accept_dad", "0")
	}
	for i := range at.links {
		p.wire(i)
	}
	p.oracle, p.mind = oracle.New(p.world.T, p.live, run.Protocol), oracle.New(p.world.T, p.twin, run.Protocol)
}

// wire makes a link, with the same index in both namespaces: it is in what the
// kernel says of a route. Its other end is beside it, but for the sessions'.
func (p *place) wire(number int) {
	l := newLink(number)
	for _, n := range []*lab.Namespace{p.live, p.twin} {
		make := fmt.Sprintf("link add %s index %d type veth peer name %s index %d", l.name(), 100+number, l.far(), 200+number)
		more := []string{"link set " + l.far() + " up"}
		if number == 0 && p.name == "rtr" {
			far := map[bool]string{true: "eth0", false: "twin0"}[n == p.live]
			make, more = fmt.Sprintf("link add eth0 index 100 type veth peer name %s netns %s", far, p.world.up.Name), nil
		}
		n.Batch(append([]string{make, "link set " + l.name() + " up",
			fmt.Sprintf("addr add %s/24 dev %s", l.addr4(), l.name()), fmt.Sprintf("addr add %s/64 dev %s nodad", l.addr6(), l.name())}, more...)...)
		if p.name == "rtr" && number == 0 {
			n.Batch(fmt.Sprintf("route add 10.0.0.0/24 dev eth0 proto static table %d", ownTable))
		}
		if p.name == "rtr" {
			for _, table := range []int{plainTable, guestTable} {
				n.Batch(fmt.Sprintf("route add 10.0.%d.0/24 dev %s proto static table %d", number, l.name(), table),
					fmt.Sprintf("route add 2001:db8:%x::/64 dev %s proto static table %d", number, l.name(), table))
			}
		}
	}
}

// remove deletes the site's namespaces, and lets go of them.
func (p *place) remove() {
	p.oracle.Close()
	p.mind.Close()
	p.live.Delete()
	p.twin.Delete()
}

// both does something to both namespaces.
func (p *place) both(line string) {
	p.live.IP(strings.Fields(line)...)
	p.twin.IP(strings.Fields(line)...)
}

// program has another program do something, and the twin's too where it could: a
// route that is added may find ours in its place.
func (p *place) program(line string) {
	if _, err := p.live.TryIP(strings.Fields(line)...); err == nil {
		p.twin.IP(strings.Fields(line)...)
	}
}

// alone does something to what is ours. It may not be there.
func (p *place) alone(line string) {
	args := strings.Fields(line)
	if len(args) > 2 && strings.Contains(args[2], ":") {
		args = append([]string{"-6"}, args...)
	}
	_, _ = p.live.TryIP(args...)
}

var objectLine = regexp.MustCompile(`(?m)^id (\d+) (group)?`)

// breakObject deletes all our nexthop objects, or the n-th, or changes it.
func (p *place) breakObject(kind, n int) {
	if kind == 0 {
		p.alone("nexthop flush proto 179")
		return
	}
	out, err := p.live.TryIP("nexthop", "show", "proto", "179")
	if err != nil {
		p.world.T.Fatal(err)
	}
	list := objectLine.FindAllStringSubmatch(out, -1)
	if len(list) == 0 {
		return
	}
	one := list[n%len(list)]
	if kind == 1 || one[2] == "group" {
		p.alone("nexthop del id " + one[1])
		return
	}
	p.alone("nexthop replace id " + one[1] + " via 10.0.0.77 dev eth0 proto 179")
}

func (w *world) send(who int, r peer.Route) {
	if p := w.peers[who]; p != nil {
		_ = p.Send(r) // where the session has ended, the next one begins with everything
	}
}

func (w *world) take(who int, r peer.Route) {
	if p := w.peers[who]; p != nil {
		_ = p.Take(r)
	}
}

func (w *world) hangUp(who int) {
	if p := w.peers[who]; p != nil {
		_ = p.Close()
		w.peers[who] = nil
	}
}

func (w *world) hangUpAll() {
	for i := range w.peers {
		w.hangUp(i)
	}
	w.leave()
}

// call opens a peer's session, and says everything that it has to say.
func (w *world) call(who int) {
	w.T.Helper()
	lab.WaitFor(w.T, fmt.Sprintf("session of peer %d", who), patience, func() string {
		p, err := peer.Dial(w.up.Enter, peer.Config{Local: peerAddr(who), Remote: w.addr(), AS: as, All: true, Graceful: gracefulPeer(who)})
		if err != nil {
			return err.Error()
		}
		w.peers[who] = p
		return ""
	})
	for _, r := range w.state.peers[who].rib {
		w.send(who, r)
	}
	if err := w.peers[who].EndAll(); err != nil {
		w.T.Fatalf("peer %d: %v", who, err)
	}
}

func (w *world) kill() {
	w.daemon.Kill()
	w.hangUpAll()
}

func (w *world) stop() {
	w.daemon.Stop()
	w.hangUpAll()
}

func (w *world) reload() {
	if !w.daemon.Running() {
		w.daemon.Write(w.config())
		return
	}
	w.daemon.Reload(w.config())
}

// patience is how long the world may take to come to rest: a wait, and no measure.
const patience = 60 * time.Second

// descriptors counts what the daemon has open.
func (w *world) descriptors() int {
	w.T.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.daemon.PID()))
	if err != nil {
		w.T.Fatalf("count what the daemon has open: %v", err)
	}
	return len(entries)
}
