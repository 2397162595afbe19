package lab

import (
	"strings"
	"testing"
)

const gobgpRace = `time=… level=INFO
==================
WARNING: DATA RACE
Write at 0x00c000432fa8 by goroutine 15:
  github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).StopBgp.func1()
      server.go:2096 +0x4d2
  github.com/vrfredist/vrfredist/rib/speaker/gobgp3.(*Speaker).Run.gowrap2()
      speaker.go:132 +0x2e

Previous read at 0x00c000432fa8 by goroutine 87:
  github.com/osrg/gobgp/v3/pkg/config/oc.(*Neighbor).IsConfederationMember()
      util.go:117 +0x2584

Goroutine 15 (running) created at:
  github.com/vrfredist/vrfredist/rib/speaker/gobgp3.(*Speaker).Run()
==================
`

// TestOnlyGoBGP lets a race of GoBGP pass, and none in which we have a part.
func TestOnlyGoBGP(t *testing.T) {
	ours := strings.Replace(gobgpRace, "github.com/osrg/gobgp/v3/pkg/config/oc.(*Neighbor)", "github.com/vrfredist/vrfredist/rib.(*Feed)", 1)
	for log, want := range map[string]bool{gobgpRace: true, ours: false, gobgpRace + ours: false, "no race here": false} {
		if got := onlyGoBGP(log); got != want {
			t.Errorf("%v, want %v:\n%s", got, want, log)
		}
	}
}
