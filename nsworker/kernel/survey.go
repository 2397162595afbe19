package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Survey looks at one namespace and changes nothing. settings are paths below
// /proc/sys/net, in which * stands for every interface. protocol is the route protocol
// of our routes. It needs no more rights than to enter the namespace.
func (n *Namespaces) Survey(ctx context.Context, netns string, protocol uint8, settings []string) (rib.Survey, error) {
	ns, err := n.open(netns)
	if err != nil {
		return rib.Survey{}, err
	}
	defer ns.close()
	sv := rib.Survey{
		Dev: ns.id.dev, Inode: ns.id.inode,
		Settings: make(map[string]string), Own: make(map[uint32]int), Guarded: make(map[uint32]rib.Guard), Looped: make(map[uint32][]netip.Prefix),
	}
	s, err := dialClient(ns, anyPort)
	if err != nil {
		return rib.Survey{}, err
	}
	defer s.close()
	links, err := s.dumpLinks(ctx)
	if err != nil {
		return rib.Survey{}, fmt.Errorf("look at %v: %w", ns, err)
	}
	sv.Links = links.links()
	if err := surveyRoutes(ctx, s, protocol, &sv); err != nil {
		return rib.Survey{}, fmt.Errorf("look at %v: %w", ns, err)
	}
	if err := surveyLoopback(ctx, s, &sv); err != nil {
		return rib.Survey{}, fmt.Errorf("look at %v: %w", ns, err)
	}
	if sv.TunnelSource, err = tunnelSource(n, netns); err != nil {
		return rib.Survey{}, fmt.Errorf("look at %v: %w", ns, err)
	}
	err = n.InNetns(netns, func() error { return readSettings(sv.Settings, settings, sv.Links) })
	if err != nil {
		return rib.Survey{}, fmt.Errorf("look at the settings of %v: %w", ns, err)
	}
	return sv, nil
}

// Features finds out which features this kernel has. It tries them in a namespace that it
// makes and throws away; where it may not make one (that needs CAP_SYS_ADMIN), it only
// looks, and Features.ThrowAwayFailed says why.
func (n *Namespaces) Features(ctx context.Context) (rib.Features, error) {
	var f rib.Features
	if n.own == nil {
		return f, n.ownErr
	}
	type result struct {
		f   rib.Features
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := tryFeatures(ctx, n.own)
		done <- result{f, err}
	}()
	r := <-done
	return r.f, r.err
}

// readSettings reads files of /proc/sys/net as the calling thread's namespace
// has them.
func readSettings(into map[string]string, settings []string, links rib.Links) error {
	read := func(path string) error {
		b, err := os.ReadFile("/proc/sys/net/" + path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		into[path] = strings.TrimSpace(string(b))
		return nil
	}
	for _, path := range settings {
		before, after, each := strings.Cut(path, "*")
		if !each {
			if err := read(path); err != nil {
				return err
			}
			continue
		}
		for _, k := range links {
			if err := read(before + k.Name + after); err != nil {
				return err
			}
		}
	}
	return nil
}

// surveyRoutes counts our routes, and finds the tables that a default route
// closes. The kernel picks them where it checks strictly (NETLINK_GET_STRICT_CHK); the
// others that an older kernel sends are left out here.
func surveyRoutes(ctx context.Context, s *client, protocol uint8, sv *rib.Survey) error {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		counts := make(map[uint32]int)
		err := pickRoutes(ctx, s, family, protocol, 0, func() { clear(counts) }, func(table uint32, _ rib.Route) { counts[table]++ })
		if err != nil {
			return err
		}
		for table, n := range counts {
			sv.Own[table] += n
		}
		for _, kind := range []rib.Kind{rib.KindUnreachable, rib.KindBlackhole, rib.KindProhibit} {
			err := pickRoutes(ctx, s, family, 0, kind, func() {}, func(table uint32, r rib.Route) {
				if r.Prefix.Bits() != 0 {
					return
				}
				g := sv.Guarded[table]
				g[rib.FamilyOf(r.Prefix)] = true
				sv.Guarded[table] = g
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// surveyLoopback finds the routes out of the loopback interface, where it has addresses of its own
// that such a route may announce. The kernel has none of its own for them but in the table of
// local addresses.
func surveyLoopback(ctx context.Context, s *client, sv *rib.Survey) error {
	for _, k := range sv.Links {
		if !k.Loopback || len(k.OwnAddrs()) == 0 {
			continue
		}
		out := appendAttrU32(nil, unix.RTA_OIF, uint32(k.Index))
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			found := make(map[uint32][]netip.Prefix)
			err := pickRoutes(ctx, s, family, 0, rib.KindUnicast, func() { clear(found) }, func(table uint32, r rib.Route) {
				if len(r.Hops) == 1 && r.Hops[0].Ifindex == k.Index {
					found[table] = append(found[table], r.Prefix)
				}
			}, out...)
			if err != nil {
				return err
			}
			for table, list := range found {
				sv.Looped[table] = append(sv.Looped[table], list...)
			}
		}
	}
	return nil
}

// NumberOf is the kernel's number, in one namespace, of another: what rib.VXLAN.Underlay of a
// device has whose packets go by the other's tables. rib.NoNumber: it has none there, or the two
// are the same.
func (n *Namespaces) NumberOf(ctx context.Context, in, of string) (int32, error) {
	here, err := n.open(in)
	if err != nil {
		return rib.NoNumber, err
	}
	defer here.close()
	there, err := n.open(of)
	if err != nil {
		return rib.NoNumber, err
	}
	defer there.close()
	if here.id == there.id {
		return rib.NoNumber, nil // the kernel may have a number for it all the same
	}
	s, err := dialClient(here, anyPort)
	if err != nil {
		return rib.NoNumber, err
	}
	defer s.close()
	return numberOf(ctx, s, there)
}

// VXLANDevices finds out whether this kernel makes VXLAN devices, in a namespace that is made and
// thrown away. Where none may be made that stays unknown. The kernel loads its module for it.
func (n *Namespaces) VXLANDevices(ctx context.Context) (answer rib.Answer, err error) {
	if n.own == nil {
		return rib.Unknown, n.ownErr
	}
	done := make(chan error, 1)
	go func() {
		done <- elsewhere(n.own, func(s *client, failed error) (err error) {
			if failed == nil { // else it stays unknown
				answer, err = try(ctx, s, unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, vxlanDevice())
			}
			return err
		})
	}()
	if err = <-done; err != nil {
		return rib.Unknown, fmt.Errorf("try a VXLAN device: %w", err)
	}
	return answer, nil
}

// CoreFeatures finds out what this kernel can do for MPLS and SRv6, in a namespace that is made
// and thrown away. Where none may be made it stays unknown. The kernel loads its modules for it,
// where it may.
func (n *Namespaces) CoreFeatures(ctx context.Context) (f rib.CoreFeatures, err error) {
	if n.own == nil {
		return f, n.ownErr
	}
	done := make(chan error, 1)
	go func() {
		done <- elsewhere(n.own, func(s *client, failed error) (err error) {
			if failed == nil { // else all of it stays unknown
				err = tryCore(ctx, s, &f)
			}
			return err
		})
	}()
	if err = <-done; err != nil {
		return rib.CoreFeatures{}, fmt.Errorf("try MPLS and SRv6: %w", err)
	}
	return f, nil
}

// LabelInputs are the indexes of the interfaces of a namespace on which packets with labels are
// taken in (net.mpls.conf.IF.input): who is behind one of them can send to every label.
func (n *Namespaces) LabelInputs(ctx context.Context, netns string) ([]int, error) {
	return labelInputs(ctx, n, netns)
}

// Reached says where packets for SIDs of a block lead that come in by each interface of a namespace, and
// that go anywhere. protocol is the route protocol of our SIDs.
func (n *Namespaces) Reached(ctx context.Context, netns string, protocol uint8, block netip.Prefix) (list []rib.SIDReached, err error) {
	err = askIn(n, netns, fmt.Sprintf("find out who reaches %v", block), func(c *client) (err error) {
		list, err = reached(ctx, c, protocol, block)
		return err
	})
	return list, err
}
