package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// choices tells BGP what the VRF goes by, where others leak it: of each prefix that is decided.
// That they are the same as before it does not know, and BGP leaves feeds alone that have them.
type choices struct {
	bgp    BGP
	spec   *vrf.Spec // the worker's
	feed   *rib.Feed
	list   []rib.Choice
	room   []rib.Path // of list
	looked bool       // something was taken from the feed since it told
}

// asked tells whether somebody leaks what the VRF has.
func (c *choices) asked() bool { return c.spec.VRF == "" && c.feed.Asked() }

// made takes in what was decided of a prefix with some paths.
func (c *choices) made(prefix netip.Prefix, v *rib.Verdict, paths []rib.Path) {
	if !c.asked() {
		return
	}
	var choice rib.Choice
	choice, c.room = v.Choice(prefix, paths, c.room)
	c.list = append(c.list, choice)
}

// plain takes in that the VRF goes by the only path that there is of a prefix.
func (c *choices) plain(in rib.Entry) {
	if c.asked() {
		c.made(in.Prefix, &rib.Verdict{Chosen: in.Paths[:1], Out: rib.Accepted}, in.Paths)
	}
}

// tell tells what was decided since it was called last, and that it was, if it was nothing: BGP
// waits for it where it has asked.
func (c *choices) tell() {
	if (c.looked || len(c.list) > 0) && c.asked() {
		c.bgp.Chose(c.spec.Of(), c.list)
	}
	c.list, c.room, c.looked = nil, nil, false
}
