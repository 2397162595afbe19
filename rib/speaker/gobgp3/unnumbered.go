package gobgp3

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// unnumbered chooses the addresses of neighbours that are named by an interface.
type unnumbered struct {
	links    speaker.Links // nil: GoBGP looks by itself
	sessions *sessions
}

// read reads a configuration as it fits the interfaces of now. before is the configuration
// that GoBGP has.
func (u unnumbered) read(ctx context.Context, text []byte, extras rib.Extras, before *conf.Config) (*conf.Config, error) {
	if u.links == nil {
		c, err := conf.Read(text, extras, nil)
		if err == nil {
			c.Text = text // for who reads it again with other extras
		}
		return c, err
	}
	// Only a configuration that has such neighbours depends on the answer.
	now := sync.OnceValues(func() (rib.Adjacencies, error) { return u.links.Adjacent(ctx) })
	c, err := conf.Read(text, extras, func(device string, taken func(netip.Addr) bool) (netip.Addr, string) {
		var have netip.Addr
		if before != nil {
			have = before.Placed[device]
		}
		links, _ := now()
		return u.choose(links, device, have, taken)
	})
	if err != nil {
		return nil, err
	}
	if c.Any() {
		if _, err := now(); err != nil {
			return nil, fmt.Errorf("look who is on the interfaces: %w", err)
		}
	}
	return c, nil
}

// choose is who a neighbour on an interface is: the one that GoBGP has there, as long as
// it speaks or nobody else does, or else the one that was heard last. A link that goes
// down makes nobody another, and takes along who was heard on it.
func (u unnumbered) choose(now rib.Adjacencies, device string, have netip.Addr, taken func(netip.Addr) bool) (netip.Addr, string) {
	link, there := now[device]
	peers := slices.DeleteFunc(slices.Clone(link.Peers), taken)
	if there && have.IsValid() && !taken(have) && (len(peers) == 0 || u.sessions.speaks(have.WithZone(device))) {
		return have, ""
	}
	link.Peers = peers
	if waits := (rib.Adjacencies{device: link}).Waits(device); there && waits != "" {
		return netip.Addr{}, waits
	}
	if !there {
		return netip.Addr{}, now.Waits(device)
	}
	return peers[0], ""
}
