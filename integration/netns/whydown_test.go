package netns_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// fallen is a daemon with one neighbour that is a BIRD, in the daemon's own namespace or in a
// tenant's.
type fallen struct {
	name         string
	inside       bool
	rtr, at, far *lab.Namespace
	lab          *lab.Lab
	d            *lab.Daemon
	peer         *lab.BIRD
}

const birdOfDown = `
router id 192.0.2.2;
log stderr all;
protocol device {}
protocol static four { ipv4; route 10.2.0.0/16 blackhole; route 10.3.0.0/16 blackhole; }
protocol bgp dut {
  local 192.0.2.2 as %d;
  neighbor 192.0.2.1 as %d;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  hold time 9; startup hold time 9;
  %s
  ipv4 { import all; export where source = RTS_STATIC; };
}
`

// config is the daemon's, with a neighbour as said.
func (f *fallen) config(peer string, as int, local string, more ...string) string {
	where, binding := "", defaultTable
	vrf := ""
	if f.inside {
		where = fmt.Sprintf("netns = %q\n    vrf = \"red\"", f.at.Name)
		vrf = "[[vrfs]]\n  [vrfs.config]\n    name = \"red\"\n    rd = \"65000:10\"\n    both-rt-list = [\"65000:10\"]\n"
		binding = fmt.Sprintf("[[netlink.vrfs]]\n  name = \"red\"\n  netns = %q\n  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan*\"]\n  [netlink.vrfs.export]\n    enabled = true\n", f.at.Name)
	}
	return fmt.Sprintf(`
[global.config]
  as = 65000
  router-id = "10.255.0.1"
%s
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
    %s
    %s
  [neighbors.transport.config]
    local-address = %q
  [neighbors.timers.config]
    connect-retry = 2
    hold-time = 9
    keepalive-interval = 3
    idle-hold-time-after-reset = 1
%s
`, vrf, peer, as, where, strings.Join(more, "\n    "), local, binding)
}

// inBoth has the test played in main and in a namespace.
func inBoth(t *testing.T, play func(t *testing.T, f *fallen)) {
	for _, inside := range []bool{false, true} {
		name := map[bool]string{false: "native", true: "in a namespace"}[inside]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, bird)
			f := &fallen{lab: l, name: "default", inside: inside, rtr: l.Namespace("rtr"), far: l.Namespace("far")}
			if f.at = f.rtr; inside {
				f.name, f.at = "red", l.Namespace("red")
			}
			l.Subnet(f.at, "up0", f.far, "eth0", "192.0.2.1/24")
			play(t, f)
		})
	}
}

// says waits until all that tells of the session says why there is none, with the neighbour's own
// address: neighbor, vrf, doctor and the log.
func (f *fallen) says(t *testing.T, peer, word string) {
	t.Helper()
	lab.WaitFor(t, "neighbor says "+word, 3*lab.Patience, func() string {
		out, _ := f.d.Try("neighbor", peer)
		if !strings.Contains(out, word) || strings.Contains(out, "established for") {
			return out
		}
		return ""
	})
	lab.WaitFor(t, "vrf says "+word, lab.Patience, func() string {
		out, _ := f.d.Try("vrf", f.name)
		if !strings.Contains(out, "no session with neighbor "+peer) || !strings.Contains(out, word) || !strings.Contains(out, "0 of 1 up") {
			return out
		}
		return ""
	})
	lab.WaitFor(t, "doctor says "+word, lab.Patience, func() string {
		out, _ := f.d.Try("doctor", "--json")
		if !strings.Contains(out, peer+" of VRF") || !strings.Contains(strings.ToLower(out), strings.ToLower(word)) {
			return out
		}
		return ""
	})
	lab.WaitFor(t, "the log says "+word, lab.Patience, func() string {
		for line := range strings.Lines(f.d.Output()) {
			if strings.Contains(line, "level=WARN") && strings.Contains(line, peer) && strings.Contains(line, "vrf="+f.name) && strings.Contains(line, word) {
				return ""
			}
		}
		return f.d.Output()
	})
}

func (f *fallen) up(t *testing.T) {
	t.Helper()
	lab.WaitFor(t, "the session is up", 3*lab.Patience, func() string {
		out, _ := f.d.Try("vrf", f.name)
		if !strings.Contains(out, "1 of 1 up") {
			return out
		}
		return ""
	})
}

// TestWhyASessionIsDown: wherever a neighbour is, what is wrong is said with its own address by
// neighbor, vrf, doctor and the log.
func TestWhyASessionIsDown(t *testing.T) {
	const theirs = "192.0.2.2"
	for _, tc := range []struct {
		name, word string
		as         int    // of the neighbour's
		ours       int    // that it expects of us; 0: the right one
		bird       string // more of its protocol
		none       bool   // there is no BGP at it
		peer       string // neighbor-address
		local      string
		more       []string
	}{
		{name: "other password", word: "is the password the same on both sides?", as: 65001, bird: `password "theirs";`, more: []string{`auth-password = "ours"`}},
		{name: "wrong peer-as", word: "its AS is 65001, and peer-as says 65009", as: 65001},
		{name: "wrong AS there", word: "it does not take AS 65000 for ours", as: 65001, ours: 65077},
		{name: "wrong address", word: "there is no way to it", as: 65001, peer: "198.51.100.9"},
		{name: "refused", word: "it refuses connections on port 179", none: true},
		{name: "address of ours missing", word: "our address 192.0.2.77 is on no interface", none: true, local: "192.0.2.77"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, f *fallen) {
				if !tc.none {
					f.peer = f.far.BIRD(fmt.Sprintf(birdOfDown, tc.as, cmp.Or(tc.ours, 65000), tc.bird))
				}
				peer, local, as := theirs, "192.0.2.1", 65001
				if tc.peer != "" {
					peer = tc.peer
				}
				if tc.local != "" {
					local = tc.local
				}
				if tc.name == "wrong peer-as" {
					as = 65009
				}
				f.d = f.rtr.Daemon(f.config(peer, as, local, tc.more...))
				f.says(t, peer, tc.word)
			})
		})
	}
}

// TestASessionThatGoes: it is told when it ends and comes back, with how many there were; over its
// limit; disabled with a word to the neighbour, and enabled.
func TestASessionThatGoes(t *testing.T) {
	const theirs = "192.0.2.2"
	inBoth(t, func(t *testing.T, f *fallen) {
		f.peer = f.far.BIRD(fmt.Sprintf(birdOfDown, 65001, 65000, ""))
		f.d = f.rtr.Daemon(f.config(theirs, 65001, "192.0.2.1"))
		f.up(t)
		lab.WaitFor(t, "what it sent is counted", lab.Patience, func() string {
			out := f.d.Do("neighbor", theirs)
			if !strings.Contains(out, "2 prefixes") || !strings.Contains(out, "2 paths") || !strings.Contains(out, "Messages in") {
				return out
			}
			return ""
		})
		if out := f.d.Do("neighbor", theirs, "received"); !strings.Contains(out, "10.2.0.0/16") || !strings.Contains(out, "2 routes: 2 accepted") {
			t.Errorf("received:\n%s", out)
		}

		t.Log("the neighbour is shut down, and says why")
		f.d.Do("neighbor", theirs, "disable", "--reason", "new cable")
		lab.WaitFor(t, "it says who disabled it, and why", lab.Patience, func() string {
			out := f.d.Do("neighbor", theirs)
			if !strings.Contains(out, "disabled by") || !strings.Contains(out, "new cable") || !strings.Contains(out, "`vrfredist neighbor "+theirs+" enable`") {
				return out
			}
			return ""
		})
		lab.WaitFor(t, "BIRD heard of it", lab.Patience, func() string {
			if out := f.peer.Show("show protocols all dut"); !strings.Contains(out, "new cable") {
				return out
			}
			return ""
		})
		if out := f.d.Do("vrf", f.name); strings.Contains(out, "no session with") {
			t.Errorf("that somebody wants it so is no problem:\n%s", out)
		}
		f.d.Do("neighbor", theirs, "enable")
		f.up(t)
		lab.WaitFor(t, "the log has both", lab.Patience, func() string {
			out := f.d.Output()
			if !strings.Contains(out, "a BGP session is down") || strings.Count(out, "a BGP session is up") < 2 {
				return out
			}
			return ""
		})

		t.Log("graceful shutdown: the neighbour hears the community, and its paths are the last choice")
		f.lab.Link(f.at, "lan0", f.far, "lan0")
		f.at.Address("lan0", "10.77.0.1/24")
		lab.WaitFor(t, "it hears our route", lab.Patience, func() string { return isAbsent(f.peer.Path("10.77.0.0/24", "as_path")) })
		f.d.Do("neighbor", theirs, "disable", "--graceful", "--wait", "30m")
		lab.WaitFor(t, "it hears the community", lab.Patience, func() string {
			if got := f.peer.Path("10.77.0.0/24", "community"); !strings.Contains(got, "65535,0") && !strings.Contains(got, "65535, 0") {
				return "communities: " + got
			}
			return ""
		})
		lab.WaitFor(t, "its paths have LOCAL_PREF 0", lab.Patience, func() string {
			out := f.d.Do("route", "export", "--vrf", f.name, "--prefix", "10.2.0.0/16", "--json")
			if !strings.Contains(out, `"local_pref":0`) {
				return out
			}
			return ""
		})
		if out := f.d.Do("neighbor", theirs, "advertised"); !strings.Contains(out, "10.77.0.0/24") || !strings.Contains(out, "graceful-shutdown") && !strings.Contains(out, "65535:0") {
			t.Errorf("advertised:\n%s", out)
		}
		f.d.Do("neighbor", theirs, "enable")
		lab.WaitFor(t, "the community is gone", lab.Patience, func() string {
			if got := f.peer.Path("10.77.0.0/24", "community"); strings.Contains(got, "65535") {
				return "communities: " + got
			}
			return ""
		})

		t.Log("the peer ends")
		f.peer.Kill()
		f.says(t, theirs, "it refuses connections on port 179")
	})
}

func isAbsent(what string) string {
	if what == "" {
		return "it is not there"
	}
	return ""
}

// TestOverItsLimit: the session of a neighbour that sends too much is a problem of its VRF.
func TestOverItsLimit(t *testing.T) {
	inBoth(t, func(t *testing.T, f *fallen) {
		f.peer = f.far.BIRD(fmt.Sprintf(birdOfDown, 65001, 65000, ""))
		text := strings.Replace(f.config("192.0.2.2", 65001, "192.0.2.1"), "  [neighbors.timers.config]", `  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.prefix-limit.config]
      max-prefixes = 1
  [neighbors.timers.config]`, 1)
		f.d = f.rtr.Daemon(text)
		f.says(t, "192.0.2.2", "its prefix-limit is 1")
	})
}
