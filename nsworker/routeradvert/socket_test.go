package routeradvert

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/ndp"
)

// TestOursAreKnown: what we send comes back to us, and is not taken for another program's;
// what radvd or FRR sends with anything else in it is.
func TestOursAreKnown(t *testing.T) {
	t.Parallel()
	for _, mac := range []net.HardwareAddr{nil, {2, 0, 0, 0, 0, 1}} {
		for _, life := range []time.Duration{0, lifetime} {
			b, err := ndp.MarshalMessage((&sender{mac: mac}).message(life))
			if err != nil {
				t.Fatal(err)
			}
			m, err := ndp.ParseMessage(b)
			if err != nil {
				t.Fatal(err)
			}
			if a, is := m.(*ndp.RouterAdvertisement); !is || !isOurs(a) || a.RouterLifetime != life {
				t.Errorf("ours is %+v", m)
			}
		}
	}
	for name, change := range map[string]func(*ndp.RouterAdvertisement){
		"another lifetime": func(m *ndp.RouterAdvertisement) { m.RouterLifetime = 1800 * time.Second },
		"managed":          func(m *ndp.RouterAdvertisement) { m.ManagedConfiguration = true },
		"other":            func(m *ndp.RouterAdvertisement) { m.OtherConfiguration = true },
		"hop limit":        func(m *ndp.RouterAdvertisement) { m.CurrentHopLimit = 0 },
		"a prefix": func(m *ndp.RouterAdvertisement) {
			m.Options = append(m.Options, &ndp.PrefixInformation{PrefixLength: 64, Prefix: netip.MustParseAddr("2001:db8::")})
		},
		"an MTU": func(m *ndp.RouterAdvertisement) { m.Options = append(m.Options, &ndp.MTU{MTU: 1500}) },
	} {
		m := (&sender{}).message(lifetime)
		change(m)
		if isOurs(m) {
			t.Errorf("%s: it is taken for ours", name)
		}
	}
}
