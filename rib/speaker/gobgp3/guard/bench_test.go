package guard

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// again is a neighbour that sends the same bytes for ever.
type again struct {
	net.Conn
	bytes []byte
	at    int
}

func (a *again) Read(b []byte) (int, error) {
	n := copy(b, a.bytes[a.at:])
	a.at = (a.at + n) % len(a.bytes)
	return n, nil
}

func (*again) Write(b []byte) (int, error)      { return len(b), nil }
func (*again) Close() error                     { return nil }
func (*again) SetReadDeadline(time.Time) error  { return nil }
func (*again) SetWriteDeadline(time.Time) error { return nil }

// guarded is a session that is up, of which messages are read for ever.
func guarded(b testing.TB, rules Rules, caps, theirs []bgp.ParameterCapabilityInterface, message []byte) *Conn {
	b.Helper()
	g := New(passes, slog.New(slog.DiscardHandler))
	wire := &again{bytes: slices.Concat(openOf(65002, theirs...), keepalive())}
	c := g.Wrap("192.0.2.2", wire, &rules, Queues{})
	if _, err := c.Write(openOf(65000, caps...)); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, len(wire.bytes))); err != nil {
		b.Fatal(err)
	}
	c.from, c.to = 0, 0
	wire.bytes, wire.at = message, 0
	return c
}

// BenchmarkPlain is what the guard costs a plain UPDATE; allocs/op is 0.
func BenchmarkPlain(b *testing.B) {
	six := func(n int) []byte {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("2001:db8:%x::/48", i+1))
		}
		return reach6(list...)
	}
	four := func(n int) []byte {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
		}
		return nlri(list...)
	}
	more := slices.Concat(attr(0x80, 4, 0, 0, 0, 1), attr(0xc0, 8, make([]byte, 12)...))
	for _, bc := range []struct {
		name    string
		n       int
		message []byte
	}{
		{"1 prefix", 1, announcement(nil, plainAttrs(more), four(1))},
		{"10 prefixes", 10, announcement(nil, plainAttrs(more), four(10))},
		{"64 prefixes", 64, announcement(nil, plainAttrs(more), four(64))},
		{"500 prefixes, divided", 500, announcement(nil, plainAttrs(more), four(500))},
		{"64 prefixes of IPv6", 64, announcement(nil, plainAttrs(more, six(64)), nil)},
	} {
		b.Run(bc.name, func(b *testing.B) {
			c := guarded(b, Rules{Terms: rib.DefaultTerms()}, fourByte(65000, all...), fourByte(65002, all...), bc.message)
			room := make([]byte, mostMessage)
			b.ReportAllocs()
			for b.Loop() {
				for done := 0; done < len(bc.message) || len(c.out) > 0; {
					n, err := c.Read(room)
					if err != nil {
						b.Fatal(err)
					}
					done += n
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bc.n), "ns/prefix")
		})
	}
}

// TestPlainAllocatesNothing: also where a message is divided, or an attribute cut out.
func TestPlainAllocatesNothing(t *testing.T) {
	for name, attrs := range map[string][]byte{
		"plain": plainAttrs(), "LOCAL_PREF": plainAttrs(attr(0x40, 5, 0, 0, 0, 1)),
		"GRACEFUL_SHUTDOWN": plainAttrs(going),
		"EVPN":              plainAttrs(reachEVPN(five("10.1.0.0", 16), five("2001:db8::", 32)), attr(0xc0, 16, overlay...)),
	} {
		m := announcement(nil, attrs, nlri("10.0.0.0/8", "192.0.2.0/24"))
		some := append(slices.Clone(all), bgp.RF_EVPN)
		c := guarded(t, Rules{Terms: rib.DefaultTerms()}, fourByte(65000, some...), fourByte(65002, some...), m)
		room := make([]byte, mostMessage)
		if _, err := c.Read(room); err != nil { // its buffers are made
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := c.Read(room); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkServices is what it costs to look at a message on its way out, where there are services.
func BenchmarkServices(b *testing.B) {
	g := &Guard{}
	g.Serve(Services{markOf(1): {prefixSID, prefixSID}})
	for name, m := range map[string][]byte{
		"unicast": announcement(nil, plainAttrs(), nlri("10.8.0.0/16")),
		"without": announcement(nil, plainAttrs(attr(0xc0, 16, rtB...), reach4("10.8.0.0/16")), nil),
		"with":    announcement(nil, plainAttrs(attr(0xc0, 16, append(serviceMark(1), rtB...)...), reach4("10.8.0.0/16")), nil),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g.offered.withServices(m)
			}
		})
	}
}

// BenchmarkTogether is what it costs to write VPN routes that GoBGP writes one by one, as they come
// and together.
func BenchmarkTogether(b *testing.B) {
	const routes = 1000
	var list [][]byte
	for i := range routes {
		list = append(list, announceVPN(1, routeOf(16, byte(i>>8), byte(i))))
	}
	for name, packed := range map[string]bool{"one by one": false, "together": true} {
		b.Run(name, func(b *testing.B) {
			x := established(b, setup{})
			p := x.conn.sending.parcel
			agreed := x.conn.agreed
			if !packed {
				agreed = nil
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, m := range list {
					if _, err := p.put(m, agreed); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*routes), "ns/route")
		})
	}
}
