package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync/atomic"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// newSecret makes the key between the relay and GoBGP. It lives as long as the
// process: both ends of those connections are in it.
func newSecret() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, since Go 1.24
	return key
}

// setNeighbors hands the relay the neighbours of the configuration.
func (d *daemon) setNeighbors(neighbors []vrf.Neighbor) error {
	out := make([]relay.Neighbor, len(neighbors))
	inside := make(map[netip.Addr]vrf.Neighbor, len(neighbors))
	for i, n := range neighbors {
		inside[n.Alias] = n
		out[i] = relay.Neighbor{
			VRF: n.VRF, Netns: n.Netns, Device: n.Device, Peer: n.Peer, Local: n.Local,
			Port: n.Port, Alias: n.Alias, Secret: n.Secret, Password: n.Password,
			TTLSecurity: n.TTLSecurity, TTL: n.TTL, PassiveOnly: n.PassiveOnly,
			ConnectRetry: n.ConnectRetry, HoldTime: n.HoldTime,
		}
	}
	d.inside.Store(&inside)
	return d.relay.Set(out)
}

// link returns where a neighbour is that BGP knows by an alias.
func (d *daemon) link(alias netip.Addr) (netns, device string) {
	inside := d.inside.Load()
	if inside == nil {
		return "", ""
	}
	n := (*inside)[alias]
	return n.Netns, cmp.Or(n.Peer.Zone(), n.Device)
}

// Sessions implements api.Backend. A neighbour inside a namespace has its own
// address here, and the relay's word on why it has no session.
func (d *daemon) Sessions(ctx context.Context, name string) ([]vrf.Session, error) {
	all, err := d.AllSessions(ctx)
	return all[name], err
}

// AllSessions implements status.Source: the neighbours of each VRF.
func (d *daemon) AllSessions(ctx context.Context) (map[string][]vrf.Session, error) {
	inside := make(map[netip.Addr]relay.Status)
	for _, st := range d.relay.Status() {
		inside[st.Alias] = st
	}
	out := make(map[string][]vrf.Session)
	for _, s := range d.speaker.Sessions() {
		session := vrf.Session{
			Peer: s.Address, PeerAS: s.PeerAS, State: s.State, Since: s.Since, Interface: s.Interface, Reason: s.Reason,
			Origin: string(s.Origin), Removed: s.Removed,
		}
		if st, ok := inside[s.Address]; ok {
			session.Peer, session.Alias, session.Netns = st.Peer, st.Alias, st.Netns
			if !s.Stopped { // the relay knows more than that the connection broke
				session.Reason = cmp.Or(st.Error, st.ListenError, s.Reason)
			}
		}
		name := cmp.Or(s.VRF, vrf.Default)
		out[name] = append(out[name], session)
	}
	return out, nil
}

// hostLinks gives the speaker what the kernel knows of the neighbours on interfaces.
type hostLinks struct {
	host    *kernel.Host
	changed chan struct{}
}

func newHostLinks(host *kernel.Host) hostLinks { return hostLinks{host, make(chan struct{}, 1)} }

func (l hostLinks) Adjacent(ctx context.Context) (rib.Adjacencies, error) {
	return l.host.Adjacent(ctx)
}

func (l hostLinks) Changed() <-chan struct{} { return l.changed }

// Run watches until ctx ends.
func (l hostLinks) Run(ctx context.Context) error { return l.host.WatchAdjacent(ctx, l.changed) }

// tellRelay makes the relay look at a namespace whenever a worker sees it come
// or go; by itself it looks now and then.
func (d *daemon) tellRelay(netns string, report vrf.Report) vrf.Report {
	var pending atomic.Bool
	return func(st vrf.Status) {
		if now := st.State == vrf.Pending; pending.Swap(now) != now {
			d.relay.Retry(netns)
		}
		report(st)
	}
}

// bgpAddress is where the relay reaches GoBGP.
func bgpAddress(cfg *config.Config) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), cfg.BGPPort)
}

// sysctlCompat makes the kernel announce every route that follows a replaced
// nexthop object, which takes it 0.75 s for a million routes instead of 2 ms
// (Documentation/networking/ip-sysctl.rst, nexthop_compat_mode).
const sysctlCompat = "ipv4.nexthop_compat_mode"

// prepareNetns turns nexthop_compat_mode off in a namespace, where it may.
func (d *daemon) prepareNetns(netns string) {
	if !d.cfg.Load().ManageSysctls {
		return
	}
	value, err := d.host.Sysctl(netns, sysctlCompat)
	if errors.Is(err, fs.ErrNotExist) || value == "0" {
		return
	}
	if err == nil {
		err = d.host.SetSysctl(netns, sysctlCompat, "0")
	}
	if err != nil {
		d.log.Warn("a failover will take longer than it could: the kernel announces every route of a replaced nexthop", "netns", netns, "err", err)
		return
	}
	d.log.Info("set net.ipv4.nexthop_compat_mode=0, so that a replaced nexthop is one message", "netns", netns)
}

// sysctlL3mdev lets a listener that is bound to no VRF device take sessions from
// inside VRFs (Documentation/networking/vrf.rst).
const sysctlL3mdev = "ipv4.tcp_l3mdev_accept"

// checkSysctls says which settings of the kernel stand in the way of the
// configuration, or sets them where it may.
func (d *daemon) checkSysctls(cfg *config.Config) {
	if len(cfg.Bound) == 0 {
		return
	}
	value, err := d.host.Sysctl("", sysctlL3mdev)
	if err != nil {
		d.log.Warn("cannot tell whether sessions from inside VRF devices are taken", "err", err)
		return
	}
	if value != "0" {
		return
	}
	if !cfg.ManageSysctls {
		d.log.Warn("neighbours are bound to an interface in a VRF, and the kernel refuses the sessions that they open: "+
			"run `sysctl -w net.ipv4.tcp_l3mdev_accept=1`, or write manage_sysctls = true under [netlink]",
			"neighbors", fmt.Sprint(cfg.Bound))
		return
	}
	if err := d.host.SetSysctl("", sysctlL3mdev, "1"); err != nil {
		d.log.Error("a setting that sessions inside VRF devices need could not be set", "err", err)
		return
	}
	d.log.Info("set net.ipv4.tcp_l3mdev_accept=1: neighbours are bound to an interface in a VRF", "neighbors", fmt.Sprint(cfg.Bound))
}
