package gobgp3

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestVRFsComeWhilePathsDo: VRFs come and go while a neighbour sends and withdraws what they import.
// Each has all of that in the end, by the watch that there was before.
func TestVRFsComeWhilePathsDo(t *testing.T) {
	const routes, rounds = 300, 12
	pe := newPeer(t, "127.0.0.2", 65000, allFamilies...)
	vrf := func(i int) obj {
		return vrfConf(fmt.Sprint("v", i), fmt.Sprint("65000:", i), []string{fmt.Sprint("65000:", i%3+1), "65000:9"}, nil)
	}
	neighbours := []any{neighborConf(pe.addr, 65000, pe.port, allFamilies...)}
	s := run(t, Options{Config: toJSON(t, baseConf([]any{vrf(1)}, neighbours))})
	s.awaitState(t, pe.addr, "established")
	pe.announce(spec{prefix: "10.255.0.0/16", rd: 77, rts: []uint32{9}})
	s.await(t, "v1", "10.255.0.0/16", count(1))
	eventually(t, "the tables are read", func() bool { return converged(s.feed(t, "v1")) })
	before, _ := s.feeder.current()

	done := make(chan struct{})
	go func() {
		defer close(done)
		r := rand.New(rand.NewPCG(3, 4))
		for range rounds * routes {
			i := r.IntN(routes)
			route := spec{prefix: fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), rd: uint32(70 + i%5), rts: []uint32{uint32(r.IntN(4) + 1)}}
			if r.IntN(4) == 0 {
				pe.withdraw(route)
			} else {
				pe.announce(route)
			}
		}
	}()
	r := rand.New(rand.NewPCG(5, 6))
	for going := true; going; {
		vrfs := []any{vrf(1)}
		for i := 2; i < 8; i++ {
			if r.IntN(2) == 0 {
				vrfs = append(vrfs, vrf(i))
			}
		}
		if _, err := s.Reload(context.Background(), toJSON(t, baseConf(vrfs, neighbours)), rib.Extras{}); err != nil {
			t.Error(err)
			break
		}
		select {
		case <-done:
			going = false
		default:
		}
	}
	<-done
	s.reload(t, baseConf([]any{vrf(1), vrf(2), vrf(3), vrf(4)}, neighbours))
	s.feedsAgree(t, "VRFs came and went")
	for i := 1; i <= 4; i++ {
		feed := s.feed(t, fmt.Sprint("v", i))
		eventually(t, "each VRF is converged", func() bool { return converged(feed) })
		if n, _ := feed.Len(); n < 2 {
			t.Errorf("VRF v%d has %d prefixes", i, n)
		}
	}
	if after, _ := s.feeder.current(); after != before {
		t.Error("the tables were read anew for VRFs that came")
	}
}
