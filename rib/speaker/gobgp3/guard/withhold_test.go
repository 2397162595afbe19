package guard

import (
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// endOf is GoBGP's End-of-RIB of a family.
func endOf(t testing.TB, f bgp.RouteFamily) []byte {
	t.Helper()
	b, err := bgp.NewEndOfRib(f).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWithhold: the next End-of-RIB of a family is kept back, and no other message.
func TestWithhold(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	four, six, vpn := endOf(t, bgp.RF_IPv4_UC), endOf(t, bgp.RF_IPv6_UC), endOf(t, bgp.RF_IPv4_VPN)
	route := announcement(nil, plainAttrs(), nlri("10.0.0.0/24"))
	gone := announcement(nil, attr(0x80, 15, 0, 2, 1, 32, 0x20, 1, 0x0d, 0xb8), nil)
	x.conn.Withhold([]bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC, bgp.RF_IPv4_VPN})
	x.conn.LetGo([]bgp.RouteFamily{bgp.RF_IPv4_VPN})
	x.conn.Withhold([]bgp.RouteFamily{bgp.RF_IPv6_UC}) // of another table, behind it
	for _, m := range [][]byte{four, route, six, vpn, gone, six, four, six, keepalive()} {
		x.write(m)
	}
	want := []string{string(route), string(vpn), string(gone), string(four), string(six), string(keepalive())}
	eventually(t, "the messages", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		all := splitMessages(x.sent)
		at := slices.Index(all, string(route))
		return at >= 0 && slices.Equal(all[at:], want)
	})
}

// TestEarlierSession: an UPDATE waits until what GoBGP had of an earlier session has gone, and GoBGP
// is told meanwhile that the neighbour lives.
func TestEarlierSession(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	over := make(chan struct{})
	x.conn.pacing.before = func() <-chan struct{} {
		select {
		case <-over:
			return nil
		default:
			return over
		}
	}
	first, second := announcement(nil, plainAttrs(), nlri("10.8.0.0/24")), announcement(nil, plainAttrs(), nlri("10.8.1.0/24"))
	x.send(first, second)
	for range 2 {
		if m := x.read(); m[18] != bgp.BGP_MSG_KEEPALIVE {
			t.Fatalf("GoBGP gets %x", m)
		}
	}
	close(over)
	var got [][]byte
	for len(got) < 2 {
		if m := x.read(); m[18] != bgp.BGP_MSG_KEEPALIVE {
			got = append(got, m)
		}
	}
	if !slices.Equal(got[0], first) || !slices.Equal(got[1], second) {
		t.Errorf("GoBGP gets %x", got)
	}
}

// TestEarlierSessionEnds: a session that is closed meanwhile is not waited for.
func TestEarlierSessionEnds(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	never := make(chan struct{})
	x.conn.pacing.before = func() <-chan struct{} { return never }
	x.send(announcement(nil, plainAttrs(), nlri("10.8.0.0/24")))
	x.read()
	_ = x.conn.Close()
	eventually(t, "the end", func() bool { _, err := x.next(); return err != nil })
}

// TestRefreshHandedOver: a request for all routes that is answered elsewhere GoBGP does not get.
func TestRefreshHandedOver(t *testing.T) {
	t.Parallel()
	for kind, takes := range map[byte]bool{bgp.BGP_MSG_ROUTE_REFRESH: false, bgp.BGP_MSG_KEEPALIVE: true} {
		x := established(t, setup{})
		var asked []bgp.RouteFamily
		x.conn.sending.all = func(f bgp.RouteFamily) bool { asked = append(asked, f); return takes }
		x.send(message(bgp.BGP_MSG_ROUTE_REFRESH, 0, 2, 0, 1))
		if m := x.read(); m[18] != kind || !slices.Equal(asked, []bgp.RouteFamily{bgp.RF_IPv6_UC}) {
			t.Errorf("taken: %v; GoBGP gets %x, and asked was for %v", takes, m, asked)
		}
	}
}
