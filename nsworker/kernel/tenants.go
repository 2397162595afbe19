package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Tenants look which namespaces and VRF devices there are. They need no Host that runs.
type Tenants struct{ *Namespaces }

// List returns the namespaces below rib.NetnsDir, those at paths, and the VRF devices of the daemon's
// own namespace. What is being made or removed is left out: Watch tells when it is there.
func (n Tenants) List(ctx context.Context, paths []string) ([]rib.Tenant, error) {
	if n.own == nil {
		return nil, n.ownErr
	}
	entries, err := os.ReadDir(rib.NetnsDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("look for namespaces: %w", err)
	}
	var list []rib.Tenant
	for _, e := range entries {
		list = n.addSpace(list, e.Name())
	}
	for _, path := range paths {
		list = n.addSpace(list, path)
	}
	links, err := n.ownLinks(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for VRF devices: %w", err)
	}
	for _, index := range slices.Sorted(maps.Keys(links)) {
		if k := links[index]; k.vrf {
			list = append(list, rib.Tenant{Name: k.Name, Device: true})
		}
	}
	return list, nil
}

// addSpace adds the namespace that a binding would call name, if there is one.
func (n Tenants) addSpace(list []rib.Tenant, name string) []rib.Tenant {
	path, err := netnsPath(name)
	if err != nil {
		return list
	}
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) != nil || fs.Type != unix.NSFS_MAGIC {
		return list
	}
	id := identify(path)
	if id == (identity{}) {
		return list
	}
	return append(list, rib.Tenant{Name: name, Dev: id.dev, Inode: id.inode, Own: id == n.own.id})
}

func (n Tenants) ownLinks(ctx context.Context) (linkCache, error) {
	s, err := dialClient(n.own, anyPort)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.dumpLinks(ctx)
}

// Watch signals changed whenever List may have another answer, also at once, until ctx
// ends, which is no error.
func (n Tenants) Watch(ctx context.Context, changed chan<- struct{}) error {
	if n.own == nil {
		return n.ownErr
	}
	signal := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	devices := make(chan error, 1)
	go func() {
		err := n.watchDevices(ctx, signal)
		stop()
		devices <- err
	}()
	err := watchSpaces(ctx, signal)
	stop()
	return errors.Join(err, <-devices)
}

// watchSpaces signals that files of namespaces came or went.
func watchSpaces(ctx context.Context, signal func()) error {
	w, err := newWatch()
	if err != nil {
		return err
	}
	defer w.close()
	stop := context.AfterFunc(ctx, w.wake)
	defer stop()
	for ctx.Err() == nil {
		if err := w.cover([]string{rib.NetnsFile("any")}); err != nil {
			return err
		}
		signal()
		if err := w.wait(); err != nil {
			return err
		}
	}
	return nil
}

// watchDevices signals that VRF devices came or went.
func (n Tenants) watchDevices(ctx context.Context, signal func()) error {
	return watchGroups(ctx, n.own, []int{unix.RTNLGRP_LINK}, concernsDevices, signal)
}

// concernsDevices tells whether a datagram may be about a VRF device.
func concernsDevices(b []byte) bool {
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return true
		}
		b = rest
		if m.typ != unix.RTM_NEWLINK && m.typ != unix.RTM_DELLINK {
			continue
		}
		if k, whole, err := decodeLink(m.body); err != nil || whole && k.vrf {
			return true
		}
	}
	return false
}

// Addresses are the global addresses of the interfaces of a tenant, the interfaces in the order of
// their numbers: of a namespace those in no VRF device, of a VRF device those enslaved to it.
func (n Tenants) Addresses(ctx context.Context, t rib.Tenant) ([]netip.Prefix, error) {
	in := t.Name
	if t.Device {
		in = ""
	}
	ns, err := n.open(in)
	if err != nil {
		return nil, err
	}
	defer ns.close()
	w := new(linkWatch)
	if w.query, err = dialClient(ns, anyPort); err != nil {
		return nil, err
	}
	defer w.query.close()
	if w.links, err = w.query.dumpLinks(ctx); err != nil {
		return nil, fmt.Errorf("look at the addresses of %v: %w", ns, err)
	}
	of := ""
	if t.Device {
		of = t.Name
	}
	var list []netip.Prefix
	for _, index := range slices.Sorted(maps.Keys(w.links)) {
		if k := w.links[index]; k.Admin && !k.Loopback && !k.vrf && w.vrfOf(k) == of {
			list = append(list, globalOf(k)...)
		}
	}
	return list, nil
}

// globalOf are a link's addresses at which it can be reached from others, IPv4 before IPv6.
func globalOf(k *linkState) (list []netip.Prefix) {
	for p, unusable := range k.addresses {
		if unusable&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 && p.Addr().IsGlobalUnicast() && !p.Addr().IsLinkLocalUnicast() {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(a.Addr().BitLen(), b.Addr().BitLen()), a.Compare(b))
	})
	return list
}

// WatchAddresses calls changed whenever Addresses may have another answer, until ctx ends, which is
// no error. The end of the namespace is told by Watch alone.
func (n Tenants) WatchAddresses(ctx context.Context, t rib.Tenant, changed func()) error {
	in := t.Name
	if t.Device {
		in = ""
	}
	ns, err := n.open(in)
	if err != nil {
		return err
	}
	groups := []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR}
	return watchGroups(ctx, ns, groups, func([]byte) bool { return true }, changed)
}
