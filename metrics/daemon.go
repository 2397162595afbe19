package metrics

import (
	"strconv"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Daemon is what is known of the daemon as a whole.
type Daemon struct {
	Build   Build
	Changes Changes
	// Exemplars has routes that were traced, to be shown beside the times that routes take;
	// nil: none are. They are seen in OpenMetrics alone.
	Exemplars Exemplars
}

// Exemplars has single routes that stand for all that are counted with them.
type Exemplars interface {
	// Exemplar returns the newest route of a VRF and family that was traced.
	Exemplar(vrf string, f rib.Family) (vrf.Exemplar, bool)
}

// Build is the program, as it was built.
type Build struct {
	Version  string
	Revision string // of its repository; "": it is not known
	GoBGP    string // the version of GoBGP in it
	Go       string // the version of Go that built it
}

// whole is what is of the daemon as a whole.
func (c *Collector) whole(out sink) {
	s := series{Collector: c, out: out}
	b, all := c.daemon.Build, c.daemon.Changes.Reloads()
	s.gauge(buildInfo, 1, b.Version, b.Revision, b.GoBGP, b.Go)
	for _, outcome := range vrf.ReloadOutcomes() {
		s.counter(reloadCount, all.Count[outcome], outcome)
	}
	if last := all.Last; last.Outcome != "" {
		s.gauge(reloadSuccessful, is(last.Outcome == vrf.ReloadApplied))
		s.gauge(reloadTime, float64(last.Ended.UnixMilli())/1000)
		s.gauge(reloadTook, last.Took.Seconds())
	}
	now, there := c.daemon.Changes.Unconfirmed()
	s.gauge(reloadUnconfirmed, is(there && !now.Until.IsZero()), "waiting")
	s.gauge(reloadUnconfirmed, is(there && now.Until.IsZero()), "undone")
}

// neighbors are how the sessions of a VRF's neighbours fare. The label netns is where the
// session is, which is not always where the VRF's table is.
func (c *Collector) neighbors(out sink, name string, list []vrf.Session) {
	seen := make(map[[2]string]bool, len(list))
	for _, n := range list {
		called := n.Name()
		if seen[[2]string{n.Netns, called}] { // two with the same address, on different links
			called += "%" + n.Interface + n.Alias.String()
		}
		seen[[2]string{n.Netns, called}] = true
		s := series{c, out, name, n.Netns}
		as := strconv.FormatUint(uint64(n.PeerAS), 10)
		s.gauge(neighborUp, is(n.State == vrf.Established), called, as)
		s.gauge(neighborState, 1, called, as, n.State)
	}
}

// is has a truth as a number.
func is(so bool) float64 {
	if so {
		return 1
	}
	return 0
}
