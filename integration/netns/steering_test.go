package netns_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// steered is a daemon with one neighbour of a kind, a BIRD that has a protocol called dut and a
// route of ours.
type steered struct {
	*fallen
	called string // what the commands call the neighbour
	origin string
}

// steeredKinds are the kinds of neighbours.
var steeredKinds = map[string]func(t *testing.T, l *lab.Lab) *steered{
	"native":         func(t *testing.T, l *lab.Lab) *steered { return steeredAddress(l, false) },
	"in a namespace": func(t *testing.T, l *lab.Lab) *steered { return steeredAddress(l, true) },
	"dynamic": func(t *testing.T, l *lab.Lab) *steered {
		s := newSteered(l, false, "192.0.2.2", "dynamic")
		s.peer = s.far.BIRD(fmt.Sprintf(birdOfDown, 65001, 65000, ""))
		s.d = s.rtr.Daemon(linkGlobal + `
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "guests"
    peer-as = 65001
  [peer-groups.timers.config]
    hold-time = 9
    keepalive-interval = 3
  [[peer-groups.afi-safis]]
    [peer-groups.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "192.0.2.0/24"
    peer-group = "guests"
` + defaultTable)
		return s
	},
	"unnumbered": func(t *testing.T, l *lab.Lab) *steered {
		s := newSteered(l, false, "up0", "configuration")
		local, remote := s.far.LinkLocal("eth0"), s.rtr.LinkLocal("up0")
		s.peer = onLink(l, s.far, 65001, local+"%eth0", remote+"%eth0")
		s.d = s.rtr.Daemon(linkGlobal + linkNeighbor("up0", 65001) + defaultTable)
		return s
	},
}

func newSteered(l *lab.Lab, inside bool, called, origin string) *steered {
	f := &fallen{lab: l, name: "default", inside: inside, rtr: l.Namespace("rtr"), far: l.Namespace("far")}
	if f.at = f.rtr; inside {
		f.name, f.at = "red", l.Namespace("red")
	}
	l.Subnet(f.at, "up0", f.far, "eth0", "192.0.2.1/24")
	l.Link(f.at, "lan0", f.far, "lan0")
	f.at.Address("lan0", "10.77.0.1/24")
	return &steered{f, called, origin}
}

func steeredAddress(l *lab.Lab, inside bool) *steered {
	s := newSteered(l, inside, "192.0.2.2", "configuration")
	s.peer = s.far.BIRD(fmt.Sprintf(birdOfDown, 65001, 65000, ""))
	s.d = s.rtr.Daemon(s.config("192.0.2.2", 65001, "192.0.2.1"))
	return s
}

var importUpdates = regexp.MustCompile(`Import updates: +(\d+)`)

// heard is how many UPDATEs of IPv4 BIRD got in this session.
func (s *steered) heard(t *testing.T) int {
	t.Helper()
	m := importUpdates.FindStringSubmatch(s.peer.Show("show protocols all dut"))
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sessions waits until the neighbour has had so many sessions, and the last is up with all its
// routes on both sides.
func (s *steered) sessions(t *testing.T, n int) {
	t.Helper()
	lab.WaitFor(t, fmt.Sprintf("session %d", n), 3*lab.Patience, func() string {
		out, err := s.d.Try("neighbor", s.called)
		for _, line := range []string{"State established for", fmt.Sprintf("Sessions so far %d", n), "AS 65001", "VRF " + s.name, "Origin " + s.origin, "Families ipv4-unicast"} {
			if err != nil || !hasLine(out, line) {
				return fmt.Sprintf("it lacks %q:\n%s", line, out)
			}
		}
		return isAbsent(s.peer.Path("10.77.0.0/24", "as_path"))
	})
}

// hasLine tells whether a line begins with another, whatever stands between its words.
func hasLine(out, line string) bool {
	for l := range strings.Lines(out) {
		if strings.HasPrefix(strings.Join(strings.Fields(l), " "), line) {
			return true
		}
	}
	return false
}

// TestNeighborsOfEveryKind: what is shown of a neighbour, and what is done to it, is the same for
// each kind, and is seen at the neighbour.
func TestNeighborsOfEveryKind(t *testing.T) {
	for kind, build := range steeredKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := build(t, newLab(t, bird))
			start := 1
			s.sessions(t, start)
			lab.WaitFor(t, "what it sent is counted", lab.Patience, func() string {
				var got struct {
					Neighbors []struct {
						Address, Alias, Netns, Vrf, Origin string
						Received, Accepted, Advertised     int
						Families                           []string
					}
				}
				s.d.JSON(&got, "neighbor", s.called)
				if len(got.Neighbors) != 1 {
					return fmt.Sprintf("%+v", got)
				}
				n := got.Neighbors[0]
				if n.Received < 2 || n.Accepted != n.Received || n.Advertised < 1 || n.Origin != s.origin || n.Vrf != s.name || (n.Alias != "") != s.inside || (n.Netns != "") != s.inside || strings.HasPrefix(n.Address, "127.") || len(n.Families) == 0 {
					return fmt.Sprintf("%+v", n)
				}
				return ""
			})

			t.Log("softly, outwards: all is sent again, in the same session")
			before := s.heard(t)
			s.d.Do("neighbor", s.called, "reset", "--soft", "out")
			lab.WaitFor(t, "BIRD got it again", lab.Patience, func() string {
				if now := s.heard(t); now <= before {
					return fmt.Sprintf("%d updates, and %d before", now, before)
				}
				return ""
			})
			t.Log("softly, inwards: what it sent is judged again, in the same session")
			s.d.Do("neighbor", s.called, "reset", "--soft", "in")
			s.d.Do("neighbor", s.called, "reset", "--soft", "both")
			s.sessions(t, start)

			t.Log("hard: a new session")
			s.d.Do("neighbor", s.called, "reset", "--reason", "spring")
			lab.WaitFor(t, "BIRD heard of it", lab.Patience, func() string {
				if out := s.peer.Show("show protocols all dut"); !strings.Contains(out, "spring") && !strings.Contains(out, "Administrative reset") && !strings.Contains(s.peer.Output(), "spring") {
					return out + s.peer.Output()
				}
				return ""
			})
			next := start + 1
			if s.origin == "dynamic" {
				next = 1 // it is another neighbour
			}
			s.sessions(t, next)

			t.Log("the neighbour ends it")
			s.peer.Show("disable dut")
			lab.WaitFor(t, "that is told", lab.Patience, func() string {
				out, _ := s.d.Try("neighbor", s.called)
				gone := s.origin == "dynamic" && !strings.Contains(out, "established")
				if !gone && !strings.Contains(out, "(6/2)") {
					return out
				}
				if log := s.d.Output(); !strings.Contains(log, "a BGP session is down") {
					return log
				}
				return ""
			})
			s.peer.Show("enable dut")
			if s.origin != "dynamic" {
				next++
			}
			s.sessions(t, next)
		})
	}
}
