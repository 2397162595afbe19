package l3vpn_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// segmented is a core by SRv6 with vrfredist as PE 1 and another router of another AS as PE 2; red has a
// second LAN at PE 1, and blue at PE 2.
type segmented struct {
	*network
	one, two *edge.PE
	hosts    map[string]*lab.Namespace // of the second LANs, by the tenant
}

// The numbers of the second LANs.
const redLAN, blueLAN = 11, 12

func newSegmented(t *testing.T) *segmented {
	t.Helper()
	var s *segmented
	if need.HasVRF() {
		n := newNetwork(t, edge.SRv6, 2, frrPrograms...)
		n.devices(n.PEs...)
		s = &segmented{network: n}
	} else {
		s = &segmented{network: trusted(t, 2)}
	}
	s.one, s.two, s.hosts = s.PEs[0], s.PEs[1], map[string]*lab.Namespace{}
	s.two.AS = 65501
	for name, at := range map[string]*edge.PE{"red": s.one, "blue": s.two} {
		h := s.Namespace("h-" + name + "-2")
		at.Tenants[name].LAN(s.Lab, "lan2-"+name, h, lanOf(name))
		s.hosts[name] = h
	}
	if need.HasVRF() {
		s.frr(s.two)
		s.ours(s.one)
	} else {
		s.ours(s.one, s.two)
	}
	return s
}

// lanOf is the number of a tenant's second LAN.
func lanOf(name string) int { return map[string]int{"red": redLAN, "blue": blueLAN}[name] }

// TestToVRFBySRv6 is what FRR's topotests bgp_srv6l3vpn_to_bgp_vrf and bgp_srv6l3vpn_to_bgp_vrf2 assert,
// the first in IPv6, the second in IPv4, with vrfredist as r1, and as r2 FRR, or vrfredist too where the
// kernel has no VRF device and tenants are trusted namespaces. Each holds:
//
//   - rib: the routes of both VRFs are VPN routes of the other AS's, with a SID, and are in the kernel's
//     tables by it;
//   - ping: the hosts of a VRF reach each other, on one PE and on both, and no host of the other VRF;
//   - locator_delete and _recreate, bgp_locator_unset and _reset, bgp_srv6_unset and _reset: with another
//     locator the routes have SIDs of that, and packets go on; with the first again they have the SIDs
//     that they had. Without any they would be withdrawn there; here a file with a VRF by SRv6 and no
//     locator is refused, and what stands goes on;
//   - h_encaps_reduced_added and _reverted: packets go without a segment routing header, and with one
//     again.
//
// What is left out: the customers' default routes, which FRR originates.
func TestToVRFBySRv6(t *testing.T) {
	t.Parallel()
	s := newSegmented(t)
	s.reachable()
	s.told()
	s.apart()
	sids := func() string {
		return fmt.Sprint(s.one.Tenants["red"].SID(false), s.one.Tenants["red"].SID(true))
	}
	before := sids()
	own := s.config(s.one)

	t.Log("without a locator, and with another")
	locator := fmt.Sprintf("locator = %q", edge.Locator(1))
	file := s.File("none.toml", strings.Replace(own, locator, "", 1))
	if out, err := s.one.Core.Run(s.Run.Daemon, "check", "-f", file); err == nil || !strings.Contains(out+err.Error(), "locator") {
		t.Errorf("check takes a file without a locator: %v: %s", err, out)
	}
	s.one.Daemon.Reload(strings.Replace(own, locator, `locator = "fd00:1:0:2::/64"`, 1))
	other := netip.MustParsePrefix("fd00:1:0:2::/64")
	lab.WaitFor(t, "red has SIDs of the other locator", lab.Patience, func() string {
		if four, six := s.one.Tenants["red"].SID(false), s.one.Tenants["red"].SID(true); !other.Contains(four) || !other.Contains(six) {
			return fmt.Sprintf("%v, %v", four, six)
		}
		return ""
	})
	s.told()
	s.reachable()
	s.one.Daemon.Reload(own)
	lab.WaitEqual(t, "the SIDs of red, with the first locator again", before, sids)
	s.told()
	s.reachable()

	t.Log("without a segment routing header, and with one again")
	s.one.Daemon.Reload(strings.Replace(own, locator, locator+"\n  reduced = true", 1))
	s.headed(true)
	s.one.Daemon.Reload(own)
	s.headed(false)
	s.reachable()
}

// reachable waits until the hosts of each tenant reach each other, in both families.
func (s *segmented) reachable() {
	s.T.Helper()
	for _, name := range edge.Names() {
		s.Reach(name, s.one, s.two)
		s.Reach(name, s.two, s.one)
		home := map[string]*edge.PE{"red": s.one, "blue": s.two}[name]
		for _, six := range []bool{false, true} {
			for _, pe := range s.PEs {
				pe.Tenants[name].Host.WaitPing("", edge.Host(lanOf(name), six))
				s.hosts[name].WaitPing("", edge.Host(pe.N, six))
			}
			home.Tenants[name].Host.WaitPing("", edge.Host(lanOf(name), six))
		}
	}
}

// apart: no host reaches what only the other tenant has.
func (s *segmented) apart() {
	s.T.Helper()
	for _, pe := range s.PEs {
		for _, name := range edge.Names() {
			for _, six := range []bool{false, true} {
				if err := pe.Tenants[name].Host.Ping("", edge.Host(lanOf(edge.Other(name)), six)); err == nil {
					s.T.Errorf("%s at PE %d reaches a host of the other tenant", name, pe.N)
				}
			}
		}
	}
	for _, name := range edge.Names() {
		s.Counted(s.one.Tenants[name], s.two.Tenants[name])
		s.Counted(s.two.Tenants[name], s.one.Tenants[name])
	}
}

// told waits until PE 2 has the routes of PE 1's tenants with the SIDs that those have.
func (s *segmented) told() {
	s.T.Helper()
	for _, name := range edge.Names() {
		t := s.one.Tenants[name]
		prefixes := t.Prefixes()
		if name == "red" {
			prefixes = append(prefixes, fmt.Sprintf("10.%d.0.0/24", redLAN), fmt.Sprintf("2001:db8:%d::/64", redLAN))
		}
		for _, prefix := range prefixes {
			lab.WaitFor(s.T, fmt.Sprintf("PE 2 has %s of %s with its SID", prefix, name), lab.Patience, func() string { return s.lacks(t, prefix) })
		}
	}
}

// lacks says why PE 2 has not a prefix of a tenant of PE 1 by that one's SID.
func (s *segmented) lacks(t *edge.Tenant, prefix string) string {
	s.T.Helper()
	sid := t.SID(strings.Contains(prefix, ":"))
	if s.two.FRR == nil {
		out, err := s.two.Daemon.Try("explain", prefix, "--vrf", t.Name)
		if err != nil || !strings.Contains(out, "encap srv6 "+sid.String()) {
			return fmt.Sprintf("%v, %v: %s", sid, err, out)
		}
		return ""
	}
	family := "ipv4"
	if strings.Contains(prefix, ":") {
		family = "ipv6"
	}
	paths := s.two.FRR.VPNPaths(family, prefix)
	if !slices.ContainsFunc(paths, func(p lab.VPNPath) bool { return p.RD == s.one.RD(t.Name) && p.SID == sid }) {
		return fmt.Sprintf("%v: %+v", sid, paths)
	}
	return ""
}

// headed waits until packets of red go from PE 1 with a segment routing header, or reduced.
func (s *segmented) headed(reduced bool) {
	s.T.Helper()
	red := s.one.Tenants["red"]
	for _, six := range []bool{false, true} {
		way := lab.Plain{From: netip.MustParseAddr(edge.Host(1, six)), To: netip.MustParseAddr(edge.Host(2, six))}
		seen := func() (with, without int) {
			for p, count := range s.one.Segments() {
				switch {
				case p.Inner != way:
				case p.Reduced:
					without += count
				default:
					with += count
				}
			}
			return with, without
		}
		lab.WaitFor(s.T, fmt.Sprintf("packets to %v go without a header: %t", way.To, reduced), lab.Patience, func() string {
			with, without := seen()
			if err := red.Host.Ping("", way.To.String()); err != nil {
				return err.Error()
			}
			nowWith, nowWithout := seen()
			if reduced && (nowWith != with || nowWithout == without) || !reduced && (nowWith == with || nowWithout != without) {
				return fmt.Sprintf("%d and %d, then %d and %d", with, without, nowWith, nowWithout)
			}
			return ""
		})
	}
}
