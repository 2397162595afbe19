package guard

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// going are communities with GRACEFUL_SHUTDOWN as the last one.
var going = attr(0xc0, 8, 0xfd, 0xea, 0, 1, 0xff, 0xff, 0, 0)

// TestGracefulShutdown: who may say that its routes are to be the last choice, and of which.
func TestGracefulShutdown(t *testing.T) {
	t.Parallel()
	preferred := attr(0x40, 5, 0, 0, 3, 0xe8)
	near := attr(0xc0, 8, 0xff, 0xff, 0, 1, 0, 0, 0xff, 0xff) // no word of four bytes is it
	judge(t, map[string]row{
		"of an eBGP neighbour":       {outside, 0, plainAttrs(going), n4, four, nil, list(1, 2, 3, 8, 5), ShutDown},
		"beside its LOCAL_PREF":      {outside, 0, plainAttrs(preferred, going), n4, four, nil, list(1, 2, 3, 8, 5), ShutDown},
		"before its LOCAL_PREF":      {outside, 0, plainAttrs(going, preferred), n4, four, nil, list(1, 2, 3, 8, 5), LocalPref},
		"of a customer":              {customer, 0, plainAttrs(going), n4, four, nil, list(1, 2, 3, 8, 5), ShutDown},
		"of IPv6":                    {customer, 0, plainAttrs(going, reach6(six...)), nil, six, nil, list(1, 2, 3, 8, 5, 14), ShutDown},
		"of a VPN":                   {outside, 0, plainAttrs(going, reachVPN("2001:db8:8::/48")), nil, []string{"65000:1:2001:db8:8::/48"}, nil, list(1, 2, 3, 8, 5, 14), ShutDown},
		"of prefixes refused alone":  {outside, 0, plainAttrs(going), nlri("127.0.0.1/32", four[0]), four, []string{"127.0.0.1/32"}, list(1, 2, 3, 8, 5), Martian},
		"another community":          {outside, 0, plainAttrs(near), n4, four, nil, list(1, 2, 3, 8), reasons},
		"its second list":            {outside, 0, plainAttrs(near, going), n4, four, nil, list(1, 2, 3, 8), Repeated},
		"of an iBGP neighbour":       {inside, 65000, slices.Concat(origin, attr(0x40, 2), nexthop, preferred, going), n4, four, nil, list(1, 2, 3, 5, 8), reasons},
		"of a member AS":             {member, 0, slices.Concat(origin, attr(0x40, 2, 3, 1, 0, 0, 0xfd, 0xea), nexthop, going), n4, four, nil, list(1, 2, 3, 8), reasons},
		"of a route server's client": {with(outside, func(r *Rules) { r.Client = true }), 0, plainAttrs(going), n4, four, nil, list(1, 2, 3, 8), reasons},
		"in a loop":                  {outside, 0, slices.Concat(origin, sequence(65002, 65000), nexthop, going), n4, nil, four, nil, OwnAS},
		"of no route":                {outside, 0, plainAttrs(going), nil, nil, nil, nil, reasons},
	})
}

// TestLeastPreferred: the value is 0, a route without the community has none again, and the log has
// one line of it until nothing was marked for a while.
func TestLeastPreferred(t *testing.T) {
	t.Parallel()
	x := established(t, setup{rules: customer})
	var log bytes.Buffer
	now := time.Unix(1e9, 0)
	x.guard.log, x.guard.now = slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now }
	lines := func() int { return strings.Count(log.String(), "about to shut down") }
	preferences := func(attrs []byte) (out []uint32) {
		x.send(announcement(nil, attrs, n4))
		for _, m := range x.until() {
			parsed, err := bgp.ParseBGPMessage(m)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range parsed.Body.(*bgp.BGPUpdate).PathAttributes {
				if a, is := a.(*bgp.PathAttributeLocalPref); is {
					out = append(out, a.Value)
				}
			}
		}
		return out
	}
	for range 2 {
		if got := preferences(plainAttrs(attr(0x40, 5, 0, 0, 3, 0xe8), going)); !slices.Equal(got, []uint32{0}) {
			t.Errorf("LOCAL_PREF %v beside GRACEFUL_SHUTDOWN", got)
		}
		if got := preferences(plainAttrs()); got != nil {
			t.Errorf("LOCAL_PREF %v where it is sent again without", got)
		}
	}
	if n := lines(); n != 1 || !strings.Contains(log.String(), "vrf=a") {
		t.Errorf("the log has %d lines of it:\n%s", n, log.String())
	}
	now = now.Add(shutdownGap)
	preferences(plainAttrs(going))
	if n := lines(); n != 2 {
		t.Errorf("after a while the log has %d lines of it:\n%s", n, log.String())
	}
	if n := x.count(ShutDown); n != 3 {
		t.Errorf("%d messages are counted", n)
	}
}
