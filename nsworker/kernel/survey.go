package kernel

import (
	"context"
	"errors"
	"fmt"
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
		Settings: make(map[string]string), Own: make(map[uint32]int), Guarded: make(map[uint32]rib.Guard),
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

// pickRoutes calls each with the routes of all tables that have a protocol and
// a kind, 0 standing for any. begin is called before each reading.
func pickRoutes(ctx context.Context, s *client, family, protocol byte, kind rib.Kind, begin func(), each func(uint32, rib.Route)) error {
	request := make([]byte, unix.SizeofRtMsg)
	request[0], request[5], request[7] = family, protocol, byte(kind)
	var d decoder
	err := complete(ctx, "routes", func() error {
		begin()
		return s.dump(ctx, unix.RTM_GETROUTE, request, func(m message) error {
			if m.typ != unix.RTM_NEWROUTE {
				return nil
			}
			var r rib.Route
			head, err := d.routeInto(&r, m.body)
			if err == nil && !head.other && head.family == family &&
				(protocol == 0 || r.Protocol == protocol) && (kind == 0 || r.Kind == kind) {
				each(head.table, r)
			}
			return err
		})
	})
	return absentFamily(family, err)
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
