package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// labelLab is lab with a VRF device red and room for labels below 1000. It returns the indexes of
// red and v0.
func labelLab(t testing.TB, h *Host) (ns string, red, v0 int) {
	t.Helper()
	need.MPLS(t)
	need.VRF(t)
	ns = lab(t)
	platformLabels(t, ns, 1000)
	ip(t, ns, "link add red type vrf table 1001")
	ip(t, ns, "link set red up")
	links := read(t, open(t, h, rib.Binding{Netns: ns, Device: "red"}))
	return ns, ifindex(t, links, "red"), ifindex(t, links, "v0")
}

func platformLabels(t testing.TB, ns string, number int) {
	t.Helper()
	run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", fmt.Sprintf("net.mpls.platform_labels=%d", number))
}

func TestLabelsRoundTrip(t *testing.T) {
	h := startHost(t)
	ns, red, v0 := labelLab(t, h)
	e := openEntrancesOf(t, h, ns)
	labels := []rib.Entrance{
		{Label: 16, Ifindex: red}, {Label: 100, Ifindex: v0, Via: netip.MustParseAddr("192.0.2.2")},
		{Label: 101, Ifindex: v0, Via: netip.MustParseAddr("fe80::2")}, {Label: 999, Ifindex: red},
	}
	wantEntrances(t, e, nil)
	addEntrance(t, e, labels...)
	wantEntrances(t, e, labels)
	shown := strings.Join(strings.Fields(ip(t, ns, "-f mpls route show")), " ")
	for _, want := range []string{"16 dev red proto 179", "100 via inet 192.0.2.2 dev v0 proto 179", "101 via inet6 fe80::2 dev v0 proto 179", "999 dev red proto 179"} {
		if !strings.Contains(shown, want) {
			t.Errorf("ip does not show %q: %s", want, shown)
		}
	}
	for _, to := range labels {
		wantTaken(t, e.Add(t.Context(), to), "our own protocol")
	}
	noEntranceNews(t, h, e, ns) // who comes later hears what has yet to be heard
	again := openEntrancesOf(t, h, ns)
	wantEntrances(t, again, labels)
	removeEntrance(t, again, labels...)
	removeEntrance(t, again, labels...) // that none is there is no error
	wantEntrances(t, e, nil)
	noEntranceNews(t, h, again, ns)
	err := e.Add(t.Context(), rib.Entrance{Label: 1000, Ifindex: red})
	if err == nil || !strings.Contains(err.Error(), "sysctl -w net.mpls.platform_labels=1001 in netns "+ns) {
		t.Errorf("%v", err)
	}
}

// TestLabelsOfOthers are neither replaced nor removed: the kernel itself would do both.
func TestLabelsOfOthers(t *testing.T) {
	for _, line := range []string{
		"100 dev red proto static", "100 dev v0 proto 179", "100 as 200 via inet 192.0.2.2 dev v0 proto static",
		"100 via inet 192.0.2.2 dev v0 proto static", "100 via inet 192.0.2.2 dev v0 proto 179",
		"100 nexthop via inet 192.0.2.2 dev v0 nexthop via inet 198.51.100.2 dev w0",
	} {
		t.Run(line, func(t *testing.T) {
			h := startHost(t)
			ns, red, _ := labelLab(t, h)
			e := openEntrancesOf(t, h, ns)
			ip(t, ns, "-f mpls route add "+line)
			before := ip(t, ns, "-f mpls route show")
			ours := rib.Entrance{Label: 100, Ifindex: red}
			wantTaken(t, e.Add(t.Context(), ours), "add the label 100")
			wantTaken(t, e.Remove(t.Context(), ours), "remove the label 100")
			if after := ip(t, ns, "-f mpls route show"); after != before {
				t.Errorf("it was touched:\n%s\nbefore:\n%s", after, before)
			}
			list, err := e.Read(t.Context())
			if err != nil || len(list) != 1 || list[0].Label != 100 || list[0].Entrance == ours && list[0].Protocol == rib.ProtoOwn {
				t.Errorf("%+v, %v", list, err)
			}
			unsignalled(e)
			ip(t, ns, "-f mpls route del 100")
			signalled(t, e.Changed(), "the other's is gone")
			addEntrance(t, e, ours)
		})
	}
}

// TestRoomForLabels: lowered, it takes labels out, and raised it brings none back.
func TestRoomForLabels(t *testing.T) {
	h := startHost(t)
	ns, red, _ := labelLab(t, h)
	e := openEntrancesOf(t, h, ns)
	room := func(want uint32) {
		t.Helper()
		if n, err := e.Labels(t.Context()); n != want || err != nil {
			t.Fatalf("there is room for %d, %v; want %d", n, err, want)
		}
	}
	room(1000)
	ours := rib.Entrance{Label: 500, Ifindex: red}
	addEntrance(t, e, ours)
	unsignalled(e)
	platformLabels(t, ns, 100)
	signalled(t, e.Changed(), "a label is taken out")
	wantEntrances(t, e, nil)
	removeEntrance(t, e, ours) // the kernel does not even look for a label that there is no room for
	room(100)
	platformLabels(t, ns, 2000)
	waitUntil(t, "the room is told of", func() bool {
		select {
		case <-e.Changed():
		default:
		}
		n, err := e.Labels(t.Context())
		return err == nil && n == 2000
	})
	wantEntrances(t, e, nil)
	addEntrance(t, e, ours)
	wantEntrances(t, e, []rib.Entrance{ours})
	removeEntrance(t, e, ours)
}

// TestRaisedRoom: nothing but the number changes, of which the kernel says nothing.
func TestRaisedRoom(t *testing.T) {
	h := startHost(t)
	ns, _, _ := labelLab(t, h)
	platformLabels(t, ns, 0)
	e := openEntrancesOf(t, h, ns)
	if n, err := e.Labels(t.Context()); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	unsignalled(e)
	platformLabels(t, ns, 1000)
	signalled(t, e.Changed(), "there is room")
}

// TestLabelNews: of what others do to ours, and to what was tried; of nothing else.
func TestLabelNews(t *testing.T) {
	h := startHost(t)
	ns, red, _ := labelLab(t, h)
	e := openEntrancesOf(t, h, ns)
	ours := rib.Entrance{Label: 100, Ifindex: red}
	addEntrance(t, e, ours)
	for _, line := range []string{"add 200 dev red", "replace 200 via inet 192.0.2.2 dev v0", "del 200"} {
		ip(t, ns, "-f mpls route "+line)
	}
	noEntranceNews(t, h, e, ns)
	for _, line := range []string{"replace 100 via inet 192.0.2.2 dev v0 proto static", "del 100"} {
		ip(t, ns, "-f mpls route "+line)
		signalled(t, e.Changed(), line)
	}
	goesWith(t, ns, e, ours, "link del red")
}

func TestLabelInputs(t *testing.T) {
	h := startHost(t)
	ns, _, v0 := labelLab(t, h)
	if list, err := h.LabelInputs(t.Context(), ns); len(list) != 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.mpls.conf.v0.input=1")
	if list, err := h.LabelInputs(t.Context(), ns); !slices.Equal(list, []int{v0}) || err != nil {
		t.Errorf("%v, %v; want %d", list, err, v0)
	}
}

// TestLabelledLead: how the core leads to a PE says the labels of the foreign route, which may be a
// nexthop object's.
func TestLabelledLead(t *testing.T) {
	need.MPLS(t)
	ns, h := lab(t), startHost(t)
	for _, line := range []string{
		"route add 10.255.0.2/32 encap mpls 16002 via 192.0.2.9 dev v0",
		"nexthop add id 5 encap mpls 16003/17 via 192.0.2.9 dev v0", "nexthop add id 6 group 5", "route add 10.255.0.3/32 nhid 6",
	} {
		ip(t, ns, line)
	}
	o, err := h.OpenUnderlay(t.Context(), ns)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for to, want := range map[string]rib.Encap{
		"10.255.0.2": rib.ByMPLS(rib.LabelStack(16002)), "10.255.0.3": rib.ByMPLS(rib.LabelStack(16003, 17)),
	} {
		r, err := o.Lookup(t.Context(), netip.MustParseAddr(to))
		if err != nil || len(r.Hops) != 1 || r.Hops[0].Encap != want {
			t.Errorf("to %s: %+v, %v; want %v", to, r, err, want)
		}
	}
}
