package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// openEntrancesOf opens the labels and SIDs of ns, and closes them at the end.
func openEntrancesOf(t testing.TB, h *Host, ns string) *Entrances {
	t.Helper()
	e, err := h.OpenEntrances(t.Context(), rib.Binding{Netns: ns}, rib.ProtoOwn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func addEntrance(t testing.TB, e *Entrances, list ...rib.Entrance) {
	t.Helper()
	for _, to := range list {
		if err := e.Add(t.Context(), to); err != nil {
			t.Fatal(err)
		}
	}
}

func removeEntrance(t testing.TB, e *Entrances, list ...rib.Entrance) {
	t.Helper()
	for _, to := range list {
		if err := e.Remove(t.Context(), to); err != nil {
			t.Fatal(err)
		}
	}
}

// wantEntrances fails where other labels and SIDs are there than ours and those of others.
func wantEntrances(t testing.TB, e *Entrances, ours []rib.Entrance, others ...rib.StandingEntrance) {
	t.Helper()
	got, err := e.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(others)
	for _, to := range ours {
		want = append(want, rib.StandingEntrance{Entrance: to, Protocol: rib.ProtoOwn})
	}
	byText := func(a, b rib.StandingEntrance) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(got, byText)
	slices.SortFunc(want, byText)
	if !slices.Equal(got, want) {
		t.Fatalf("there is\n  %v\nwant\n  %v", got, want)
	}
}

func wantTaken(t testing.TB, err error, words string) {
	t.Helper()
	if !errors.Is(err, rib.ErrTaken) || !strings.Contains(err.Error(), words) {
		t.Errorf("%v, want it taken, and %s", err, words)
	}
}

// TestHiddenSID: another's with a lower metric that comes later hides ours, which is removed all the same.
func TestHiddenSID(t *testing.T) {
	need.SRv6(t)
	ns, h := lab(t), startHost(t)
	e := openEntrancesOf(t, h, ns)
	ours := rib.Entrance{SID: sid, Does: rib.DX6, Ifindex: ifindex(t, read(t, open(t, h, rib.Binding{Netns: ns})), "v0"), Via: netip.IPv6Unspecified()}
	addEntrance(t, e, ours)
	other := rib.StandingEntrance{Entrance: rib.Entrance{SID: sid, Does: rib.Forward}, Protocol: rib.ProtoStatic}
	ip(t, ns, "-6 route add fd00:1:0:1:100:: via 2001:db8::2 dev v0 proto static")
	signalled(t, e.Changed(), "it is hidden")
	wantEntrances(t, e, []rib.Entrance{ours}, other)
	removeEntrance(t, e, ours)
	wantTaken(t, e.Remove(t.Context(), ours), "protocol 4")
	wantTaken(t, e.Add(t.Context(), ours), "protocol 4")
	wantEntrances(t, e, nil, other)
}

// unsignalled takes what is in a channel.
func unsignalled(e *Entrances) {
	select {
	case <-e.Changed():
	default:
	}
}

// noEntranceNews fails where Changed is signalled before an event that comes behind all others.
func noEntranceNews(t testing.TB, h *Host, e *Entrances, ns string) {
	t.Helper()
	quiet(t, open(t, h, rib.Binding{Netns: ns, Table: table}), ns)
	select {
	case <-e.Changed():
		t.Error("it tells of something")
	default:
	}
}

var sid = netip.MustParseAddr("fd00:1:0:1:100::")

// sidsOf are SIDs of every behaviour that needs no VRF device.
func sidsOf(v0 int) []rib.Entrance {
	at := func(n byte) netip.Addr { a := sid.As16(); a[9] = n; return netip.AddrFrom16(a) }
	return []rib.Entrance{
		{SID: at(1), Does: rib.DX4, Ifindex: v0, Via: netip.IPv4Unspecified()},
		{SID: at(2), Does: rib.DX4, Ifindex: v0, Via: netip.MustParseAddr("192.0.2.2")},
		{SID: at(3), Does: rib.DX6, Ifindex: v0, Via: netip.IPv6Unspecified()},
		{SID: at(4), Does: rib.DX6, Ifindex: v0, Via: netip.MustParseAddr("2001:db8::2")},
		{SID: at(5), Does: rib.DT6, Ifindex: v0, Table: 254},
		{SID: at(6), Does: rib.Forward, Ifindex: v0, Via: netip.MustParseAddr("fe80::2")},
	}
}

func TestSIDsRoundTrip(t *testing.T) {
	need.SRv6(t)
	ns, h := lab(t), startHost(t)
	e := openEntrancesOf(t, h, ns)
	v0 := ifindex(t, read(t, open(t, h, rib.Binding{Netns: ns})), "v0")
	sids := sidsOf(v0)
	wantEntrances(t, e, nil)
	addEntrance(t, e, sids...)
	wantEntrances(t, e, sids)
	shown := ip(t, ns, "-6 route show table main proto 179")
	for _, want := range []string{
		"fd00:1:0:1:101::  encap seg6local action End.DX4 nh4 0.0.0.0 dev v0", "action End.DX4 nh4 192.0.2.2 dev v0",
		"action End.DX6 nh6 :: dev v0", "action End.DX6 nh6 2001:db8::2 dev v0", "action End.DT6 table main dev v0",
		"fd00:1:0:1:106:: via fe80::2 dev v0",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("ip does not show %q:\n%s", want, shown)
		}
	}
	for _, to := range sids {
		wantTaken(t, e.Add(t.Context(), to), "our own protocol")
	}
	// Another run has them as they are; a reading that found some looks for more.
	again := openEntrancesOf(t, h, ns)
	quiet(t, open(t, h, rib.Binding{Netns: ns, Table: table}), ns)
	select {
	case <-again.Changed(): // it may have heard of what was added last
	default:
	}
	wantEntrances(t, again, sids)
	removeEntrance(t, again, sids...)
	removeEntrance(t, again, sids...) // that none is there is no error
	wantEntrances(t, e, nil)
	noEntranceNews(t, h, again, ns)
}

// TestSIDsOfOthers are neither replaced nor removed, whatever their metric and their kind.
func TestSIDsOfOthers(t *testing.T) {
	need.SRv6(t)
	for _, line := range []string{
		"fd00:1:0:1:100:: encap seg6local action End.DT6 table 254 dev v0 proto static",
		"fd00:1:0:1:100:: encap seg6local action End.DT6 table 254 dev v0 proto static metric 4278198272",
		"fd00:1:0:1:100:: encap seg6local action End.DT6 table 254 dev v0 proto static metric 1",
		"fd00:1:0:1:100:: encap seg6local action End.DX6 nh6 2001:db8::2 dev v0 proto 179", // of another metric than ours
		"fd00:1:0:1:100:: encap seg6local action End.DX6 nh6 2001:db8::3 dev v0 proto 179 metric 4278198272",
		"fd00:1:0:1:100:: via 2001:db8::2 dev v0 proto static metric 7",
		"unreachable fd00:1:0:1:100:: proto static",
	} {
		t.Run(line, func(t *testing.T) {
			ns, h := lab(t), startHost(t)
			e := openEntrancesOf(t, h, ns)
			v0 := ifindex(t, read(t, open(t, h, rib.Binding{Netns: ns})), "v0")
			ip(t, ns, "-6 route add "+line)
			before := ip(t, ns, "-6 route show table main")
			ours := rib.Entrance{SID: sid, Does: rib.DX6, Ifindex: v0, Via: netip.MustParseAddr("2001:db8::2")}
			err := e.Add(t.Context(), ours)
			if strings.HasPrefix(line, "unreachable") { // ours is beside it, and behind
				if err != nil {
					t.Error(err)
				}
				wantEntrances(t, e, []rib.Entrance{ours}, rib.StandingEntrance{Entrance: rib.Entrance{SID: sid}, Protocol: rib.ProtoStatic})
				removeEntrance(t, e, ours)
				addEntrance(t, e, ours)
				unsignalled(e)
				ip(t, ns, "-6 route del "+line)
				signalled(t, e.Changed(), "the other's is gone")
				wantEntrances(t, e, []rib.Entrance{ours})
				return
			}
			wantTaken(t, err, "")
			wantTaken(t, e.Remove(t.Context(), ours), "")
			if after := ip(t, ns, "-6 route show table main"); after != before {
				t.Errorf("it was touched:\n%s\nbefore:\n%s", after, before)
			}
			unsignalled(e)
			ip(t, ns, "-6 route del "+line)
			signalled(t, e.Changed(), "the other's is gone")
			addEntrance(t, e, ours)
		})
	}
}

// TestSIDThatIsAnAddress: the kernel would look for it in the table local first.
func TestSIDThatIsAnAddress(t *testing.T) {
	ns, h := lab(t), startHost(t)
	e := openEntrancesOf(t, h, ns)
	ip(t, ns, "addr add fd00:1:0:1:100::/128 dev lo nodad")
	v0 := ifindex(t, read(t, open(t, h, rib.Binding{Netns: ns})), "v0")
	err := e.Add(t.Context(), rib.Entrance{SID: sid, Does: rib.DT6, Ifindex: v0, Table: 254})
	wantTaken(t, err, "an address of this router")
}

// TestEntranceNews: of what others do to ours, and to what was tried; of nothing else.
func TestEntranceNews(t *testing.T) {
	need.SRv6(t)
	ns, h := lab(t), startHost(t)
	e := openEntrancesOf(t, h, ns)
	c := open(t, h, rib.Binding{Netns: ns})
	v0 := ifindex(t, read(t, c), "v0")
	ours := rib.Entrance{SID: sid, Does: rib.DT6, Ifindex: v0, Table: 254}
	addEntrance(t, e, ours)
	locator := rib.Unreachable{Table: 254, Prefix: netip.MustParsePrefix("fd00:1:0:1::/64")}
	if err := h.Fixtures().AddUnreachable(t.Context(), rib.Binding{Netns: ns}, locator, rib.ProtoOwn); err != nil {
		t.Fatal(err)
	}
	signalled(t, e.Changed(), "a locator's end is news of a socket of its own")
	for _, line := range []string{
		"-6 route add fd00:1:0:1:200:: encap seg6local action End.DT6 table 254 dev v0 proto static",
		"-6 route add 2001:db8:99::1 via 2001:db8::2", "route add 10.0.0.0/8 via 192.0.2.2 proto 179", "route add unreachable 10.1.0.0/16 proto 179 metric 20",
	} {
		ip(t, ns, line)
	}
	noEntranceNews(t, h, e, ns)
	wantEntrances(t, e, []rib.Entrance{ours}, rib.StandingEntrance{
		Entrance: rib.Entrance{SID: netip.MustParseAddr("fd00:1:0:1:200::"), Does: rib.DT6}, Protocol: rib.ProtoStatic,
	})
	for _, line := range []string{
		"-6 route add fd00:1:0:1:100:: via 2001:db8::2 metric 5", // which the kernel takes first
		"-6 route del fd00:1:0:1:100:: via 2001:db8::2 metric 5",
		"-6 route del fd00:1:0:1:100:: proto 179",
		"-6 route del unreachable fd00:1:0:1::/64 proto 179",
	} {
		ip(t, ns, line)
		signalled(t, e.Changed(), line)
	}
	goesWith(t, ns, e, ours, "link set v0 down")
}

// goesWith: an entrance that is added, and goes with its link, is told of.
func goesWith(t testing.TB, ns string, e *Entrances, of rib.Entrance, command string) {
	t.Helper()
	addEntrance(t, e, of)
	unsignalled(e)
	ip(t, ns, command)
	signalled(t, e.Changed(), "the kernel takes it out with its link")
	wantEntrances(t, e, nil)
}

func TestEntrancesThatCannotBe(t *testing.T) {
	ns, h := lab(t), startHost(t)
	e := openEntrancesOf(t, h, ns)
	for want, to := range map[string]rib.Entrance{
		"no interface":          {Label: 100},
		"from 16 to":            {Label: 3, Ifindex: 1},
		"and a SID at once":     {Label: 100, SID: sid, Does: rib.DT46, Table: 7, Ifindex: 1},
		"is no SID":             {SID: netip.MustParseAddr("192.0.2.1"), Does: rib.DT46, Table: 7, Ifindex: 1},
		"needs a table":         {SID: sid, Does: rib.DT46, Ifindex: 1},
		"needs an IPv4 address": {SID: sid, Does: rib.DX4, Ifindex: 1},
		"needs an IPv6 address": {SID: sid, Does: rib.DX6, Ifindex: 1, Via: netip.IPv4Unspecified()},
		"sent on to an IPv6":    {SID: sid, Does: rib.Forward, Ifindex: 1},
		"behaviour 1":           {SID: sid, Does: 1, Ifindex: 1},
		"to send packets to":    {Label: 100, Ifindex: 1, Via: netip.IPv4Unspecified()},
	} {
		if err := e.Add(t.Context(), to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if _, err := h.OpenEntrances(t.Context(), rib.Binding{Netns: "not-there"}, rib.ProtoOwn); !errors.Is(err, rib.ErrAbsent) {
		t.Errorf("%v", err)
	}
}

// TestEntrancesWithoutRights: the message says what is missing.
func TestEntrancesWithoutRights(t *testing.T) {
	asUser(t, lab(t), 65534, func() error {
		h := NewHost(quietLog)
		e, err := h.OpenEntrances(t.Context(), rib.Binding{}, rib.ProtoOwn)
		if err != nil {
			return err
		}
		defer e.Close()
		err = e.Add(t.Context(), rib.Entrance{SID: sid, Does: rib.DT6, Ifindex: 1, Table: 254})
		if err == nil || !strings.Contains(err.Error(), "run with CAP_NET_ADMIN") {
			t.Errorf("%v", err)
		}
		return nil
	})
}

// TestLabelsWithoutMPLS: a kernel that has none of it has no labels, and says which modules it lacks.
func TestLabelsWithoutMPLS(t *testing.T) {
	if need.HasMPLS() {
		t.Skip("this kernel has MPLS")
	}
	ns, h := lab(t), startHost(t)
	e := openEntrancesOf(t, h, ns)
	wantEntrances(t, e, nil)
	if n, err := e.Labels(t.Context()); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	to := rib.Entrance{Label: 100, Ifindex: 1}
	if err := e.Add(t.Context(), to); err == nil || !strings.Contains(err.Error(), "modprobe -a mpls_router mpls_iptunnel") {
		t.Errorf("%v", err)
	}
	removeEntrance(t, e, to)
	if list, err := h.LabelInputs(t.Context(), ns); len(list) != 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

// TestSIDsIntoVRFDevices: DT46 and its halves, and DT6 of a table that the device has, which is
// written as the device's.
func TestSIDsIntoVRFDevices(t *testing.T) {
	need.VRF(t)
	need.SRv6(t)
	ns, h := lab(t), startHost(t)
	e := openEntrancesOf(t, h, ns)
	ip(t, ns, "link add red type vrf table 1001")
	ip(t, ns, "link set red up")
	red := ifindex(t, read(t, open(t, h, rib.Binding{Netns: ns, Device: "red"})), "red")
	at := func(n byte) netip.Addr { a := sid.As16(); a[9] = n; return netip.AddrFrom16(a) }
	sids := []rib.Entrance{
		{SID: at(1), Does: rib.DT46, Ifindex: red, Table: 1001},
		{SID: at(2), Does: rib.DT4, Ifindex: red, Table: 1001},
		{SID: at(3), Does: rib.DT6, Ifindex: red, Table: 1001},
	}
	strict := func(on int) {
		run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", fmt.Sprintf("net.vrf.strict_mode=%d", on))
	}
	strict(0)
	if err := e.Add(t.Context(), sids[0]); err == nil || !strings.Contains(err.Error(), "sysctl -w net.vrf.strict_mode=1") {
		t.Errorf("%v", err)
	}
	strict(1)
	addEntrance(t, e, sids...)
	wantEntrances(t, e, sids)
	if shown := ip(t, ns, "-6 route show table main proto 179"); strings.Count(shown, "vrftable 1001 dev red") != 3 {
		t.Errorf("ip shows:\n%s", shown)
	}
	removeEntrance(t, e, sids[2])
	ip(t, ns, "-6 route add fd00:1:0:1:103:: encap seg6local action End.DT6 table 1001 dev red proto 179 metric 4278198272")
	wantTaken(t, e.Remove(t.Context(), sids[2]), "our own protocol") // as it is, the VRF's own addresses do not answer
	wantEntrances(t, e, sids[:2], rib.StandingEntrance{Entrance: rib.Entrance{SID: at(3), Does: rib.DT6}, Protocol: rib.ProtoOwn})
	other := sids[0]
	other.SID, other.Table = at(9), 1009
	if err := e.Add(t.Context(), other); err == nil || !strings.Contains(err.Error(), "the table 1009 is not there") {
		t.Errorf("%v", err)
	}
}
