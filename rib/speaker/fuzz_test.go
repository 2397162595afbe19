package speaker

import (
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
)

// FuzzEvent holds that no event of GoBGP makes the watch panic, and that what comes
// into the feeds is whole, in the right one, and told apart.
func FuzzEvent(f *testing.F) {
	conf := baseConf([]any{
		vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}),
		vrfConf("blue", "65000:2", []string{"65000:1", "65000:2"}, nil),
	}, nil)
	seed := func(paths ...*api.Path) {
		b, err := proto.Marshal(&api.WatchEventResponse_TableEvent{Paths: paths})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	global := from(f, spec{prefix: "10.1.0.0/16", nexthop: "192.0.2.1"})
	vpn := from(f, spec{prefix: "10.1.0.0/16", nexthop: "192.0.2.1", rd: 7, rts: []uint32{1}})
	six := from(f, spec{prefix: "2001:db8::/32", nexthop: "2001:db8::1", rd: 7, rts: []uint32{1, 2}})
	taken := proto.CloneOf(vpn)
	taken.IsWithdraw, taken.Pattrs = true, nil
	seed(global)
	seed(vpn, taken)
	seed(six, six, global)
	seed(&api.Path{NeighborIp: "192.0.2.1", Family: family("ipv4-unicast")}) // End-of-RIB
	seed(&api.Path{Family: family("ipv4-unicast"), Nlri: vpn.Nlri, Pattrs: six.Pattrs})
	f.Fuzz(func(t *testing.T, b []byte) {
		var table api.WatchEventResponse_TableEvent
		if proto.Unmarshal(b, &table) != nil {
			return
		}
		h := newHarness(t, conf)
		h.send(table.Paths...)
		h.send(table.Paths...)
		for name, feed := range h.feeds {
			for _, e := range feed.Take(nil, 1<<20) {
				wholeEntry(t, name, e)
			}
		}
	})
}

func wholeEntry(t *testing.T, name string, e rib.Entry) {
	t.Helper()
	if !e.Prefix.IsValid() || e.Prefix != e.Prefix.Masked() {
		t.Errorf("%s: the prefix %v", name, e.Prefix)
	}
	for i, p := range e.Paths {
		if p.Attrs == nil || p.Prefix != e.Prefix || (p.RD == 0) != (name == Default) {
			t.Errorf("%s: %v has the path %+v", name, e.Prefix, p)
		}
		if slices.ContainsFunc(e.Paths[:i], func(o rib.Path) bool { return o.RD == p.RD && o.ID == p.ID }) {
			t.Errorf("%s: %v has two paths of RD %v with the id %d", name, e.Prefix, p.RD, p.ID)
		}
	}
}
