package lab

import "testing"

// profile is what net/http/pprof writes, cut short.
const profile = `goroutine profile: total 9
4 @ 0x47 0x48
#	0x47d9	internal/poll.runtime_pollWait+0x85	/usr/lib/go/src/runtime/netpoll.go:351
#	0x4811	net/http.(*conn).serve+0x11	/usr/lib/go/src/net/http/server.go:1

3 @ 0x47 0x49
#	0x47d9	github.com/vrfredist/vrfredist/nsworker.(*tableSync).run+0x85	/x/nsworker/sync.go:1
#	0x4812	github.com/vrfredist/vrfredist/vrf.(*Supervisor).start.func1+0x85	/x/vrf/supervisor.go:1
#	0x4813	golang.org/x/sync/errgroup.(*Group).Go.func1+0x85	/x/errgroup.go:1

2 @ 0x47 0x50
#	0x4814	main.main.func2+0x85	/x/cmd/vrfredist/main.go:1
`

func TestGoroutines(t *testing.T) {
	before, err := parseGoroutines(profile)
	if err != nil {
		t.Fatal(err)
	}
	const worker, part = "github.com/vrfredist/vrfredist/vrf.(*Supervisor).start.func1", "main.main.func2"
	const library = "net/http.(*conn).serve"
	Equal(t, "goroutines", Goroutines{Ours: map[string]int{worker: 3, part: 2}, Others: map[string]int{library: 4}, Total: 9}, before)
	for _, c := range []struct {
		name, says string
		now        Goroutines
	}{
		{"the same", "", before},
		{"fewer", "", Goroutines{Ours: map[string]int{part: 1}, Total: 4}},
		{"one of ours for another", part + ": 3, and 2 before", Goroutines{Ours: map[string]int{worker: 2, part: 3}, Total: 9}},
		{"one of a library's", "10 goroutines in all, and 9 before; of a library: " + library + ": 5, and 4 before",
			Goroutines{Ours: before.Ours, Others: map[string]int{library: 5}, Total: 10}},
	} {
		Equal(t, c.name, c.says, before.Leaked(c.now))
	}
	for _, bad := range []string{"", "404 page not found\n", "goroutine profile: total 9\n"} {
		if g, err := parseGoroutines(bad); err == nil {
			t.Errorf("%q passes for a profile: %v", bad, g)
		}
	}
}
