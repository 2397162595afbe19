package nsworker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

func TestAges(t *testing.T) {
	var a ages
	var l vrf.Latency
	start := time.Unix(1000, 0)
	a.took(start, 3)
	a.took(time.Time{}, 9) // of unknown age
	a.took(start.Add(time.Second), 2)
	a.wrote(4, start.Add(1100*time.Millisecond), &l)
	if l.Sum != 3400*time.Millisecond || l.Counts[10] != 3 || l.Counts[6] != 1 {
		t.Errorf("%+v", l)
	}
	a.clear()
	a.wrote(5, start.Add(time.Hour), &l)
	if l.Sum != 3400*time.Millisecond {
		t.Errorf("what was cleared is observed: %+v", l)
	}
}

// Each route that BGP changes counts once; what waited for the table does not.
func TestTheWorkerMeasuresLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		l.hear("red", bgpPath("10.9.0.0/16", "192.0.2.9"))
		l.start(spec("red"))
		time.Sleep(3 * time.Second)
		l.kernel.add(red, 7)
		synctest.Wait()
		for i := range 5 {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.0.0/16", i), "192.0.2.9"))
		}
		l.hear("red", bgpPath("10.7.0.0/16", "203.0.113.1")) // unresolved: nothing is written
		l.unhear("red", "10.1.0.0/16", 0)
		got := l.state("red").Totals.Latency.Total()
		if got.Counts[0] != 6 || got.Sum != 0 {
			t.Errorf("%+v", got)
		}
	})
}
