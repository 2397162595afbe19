package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// FRR is FRR's bgpd in a namespace: it speaks BGP, VPN families too.
type FRR struct {
	*Process
	lab    *Lab
	ns     *Namespace
	args   []string // of its command line
	socket string
}

// Restart kills bgpd, and starts it again with a configuration.
func (f *FRR) Restart(config string) {
	f.lab.T.Helper()
	f.Kill()
	*f = *f.ns.bgpd(config, f.args...)
}

func (f *FRR) run(commands ...string) (string, error) {
	args := []string{"--vty_socket", f.socket, "-d", "bgpd"} // it would look for twenty
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	// What vtysh says on its other output is no part of an answer: a plain user
	// hears there that /etc/frr is closed to him.
	var complaint bytes.Buffer
	cmd := f.lab.peer("vtysh", args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("vtysh: %w: %s", err, &complaint)
	}
	return string(out), err
}

// Ask runs a command of vtysh and returns what it prints.
func (f *FRR) Ask(command string) string {
	f.lab.T.Helper()
	out, err := f.run(command)
	if err != nil {
		f.lab.T.Fatalf("%s: %v: %s", command, err, out)
	}
	return out
}

// Configure runs commands in configuration mode, a line each.
func (f *FRR) Configure(lines ...string) {
	f.lab.T.Helper()
	out, err := f.run(append([]string{"configure terminal"}, lines...)...)
	if err != nil || strings.Contains(out, "%") {
		f.lab.T.Fatalf("configure bgpd: %v: %s", err, out)
	}
}

// VPN returns the VPN paths of a family ("ipv4" or "ipv6") that a neighbour
// sent, a line each, sorted: "65000:10 10.1.0.0/24 med 77".
func (f *FRR) VPN(family, neighbor string) []string {
	f.lab.T.Helper()
	var table struct {
		Routes struct {
			RDs map[string]map[string][]struct {
				PeerID string `json:"peerId"`
				Metric int    `json:"metric"`
			} `json:"routeDistinguishers"`
		} `json:"routes"`
	}
	f.show("show bgp "+family+" vpn json", &table)
	lines := []string{}
	for rd, prefixes := range table.Routes.RDs {
		for prefix, paths := range prefixes {
			for _, p := range paths {
				if p.PeerID == neighbor {
					lines = append(lines, fmt.Sprintf("%s %s med %d", rd, prefix, p.Metric))
				}
			}
		}
	}
	sort.Strings(lines)
	return lines
}

// RouteTargets returns the extended communities of one VPN path as FRR writes
// them, "RT:65000:10"; "" where there is no such path.
func (f *FRR) RouteTargets(family, rd, prefix string) string {
	f.lab.T.Helper()
	var view map[string]struct {
		Paths []struct {
			ExtendedCommunity struct {
				String string `json:"string"`
			} `json:"extendedCommunity"`
		} `json:"paths"`
	}
	f.show(fmt.Sprintf("show bgp %s vpn %s json", family, prefix), &view)
	for _, p := range view[rd].Paths {
		return p.ExtendedCommunity.String
	}
	return ""
}

func (f *FRR) show(command string, into any) {
	f.lab.T.Helper()
	out := f.Ask(command)
	if strings.TrimSpace(out) == "" {
		return // FRR prints nothing at all where there is no such prefix
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		f.lab.T.Fatalf("%s: %v: %s", command, err, out)
	}
}

// Unicast returns the prefixes of a family ("ipv4" or "ipv6") that a neighbour
// sent, sorted.
func (f *FRR) Unicast(family, neighbor string) []string {
	f.lab.T.Helper()
	var table struct {
		Routes map[string][]struct {
			PeerID string `json:"peerId"`
		} `json:"routes"`
	}
	f.show("show bgp "+family+" unicast json", &table)
	prefixes := []string{}
	for prefix, paths := range table.Routes {
		for _, p := range paths {
			if p.PeerID == neighbor {
				prefixes = append(prefixes, prefix)
			}
		}
	}
	sort.Strings(prefixes)
	return prefixes
}

// ASPath is the AS path of the best path that bgpd has of a prefix of a family ("ipv4" or "ipv6");
// "" where it has none.
func (f *FRR) ASPath(family, prefix string) string {
	f.lab.T.Helper()
	var found struct {
		Paths []struct {
			ASPath   struct{ String string } `json:"aspath"`
			BestPath struct{ Overall bool }  `json:"bestpath"`
		} `json:"paths"`
	}
	f.show("show bgp "+family+" unicast "+prefix+" json", &found)
	for _, p := range found.Paths {
		if p.BestPath.Overall {
			return p.ASPath.String
		}
	}
	return ""
}

// VRF returns what bgpd has of a family ("ipv4" or "ipv6") in one of its VRFs, a
// line each, sorted: the prefix and the AS path, "10.1.0.0/24 65000".
func (f *FRR) VRF(vrf, family string) []string {
	f.lab.T.Helper()
	var table struct {
		Routes map[string][]struct {
			Path string `json:"path"`
		} `json:"routes"`
	}
	f.show("show bgp vrf "+vrf+" "+family+" unicast json", &table)
	lines := []string{}
	for prefix, paths := range table.Routes {
		for _, p := range paths {
			lines = append(lines, strings.TrimSpace(prefix+" "+p.Path))
		}
	}
	sort.Strings(lines)
	return lines
}

// Label returns the label with which bgpd sends a VPN route of its own; 0 where
// there is no such route.
func (f *FRR) Label(family, rd, prefix string) int {
	f.lab.T.Helper()
	var view map[string]struct {
		Paths []struct {
			Label int `json:"remoteLabel"`
		} `json:"paths"`
	}
	f.show(fmt.Sprintf("show bgp %s vpn %s json", family, prefix), &view)
	for _, p := range view[rd].Paths {
		return p.Label
	}
	return 0
}

// VPNPath is a path of a VPN route as FRR has it.
type VPNPath struct {
	RD          string
	Nexthop     netip.Addr
	Label       int
	SID         netip.Addr // invalid: none
	Communities string     // extended ones, as FRR writes them: "RT:65000:100"
}

// VPNPaths returns the paths of a prefix of a family ("ipv4" or "ipv6"), of one RD after the other.
func (f *FRR) VPNPaths(family, prefix string) []VPNPath {
	f.lab.T.Helper()
	return f.AllVPNPaths(family, prefix)[prefix]
}

// AllVPNPaths is VPNPaths of many prefixes at once, by prefix.
func (f *FRR) AllVPNPaths(family string, prefixes ...string) map[string][]VPNPath {
	f.lab.T.Helper()
	var commands []string
	for _, p := range prefixes {
		commands = append(commands, fmt.Sprintf("show bgp %s vpn %s json", family, p))
	}
	out, err := f.run(commands...)
	if err != nil {
		f.lab.T.Fatalf("vtysh: %v: %s", err, out)
	}
	all := make(map[string][]VPNPath)
	// FRR prints nothing at all where there is no such prefix.
	for views := json.NewDecoder(strings.NewReader(out)); views.More(); {
		var view map[string]vpnView
		if err := views.Decode(&view); err != nil {
			f.lab.T.Fatalf("%s: %v: %s", commands, err, out)
		}
		for rd, of := range view {
			for _, p := range of.Paths {
				all[of.Prefix] = append(all[of.Prefix], VPNPath{RD: rd, Nexthop: p.Nexthops[0].IP, Label: p.Label, SID: p.SID, Communities: p.ExtendedCommunity.String})
			}
		}
	}
	for _, paths := range all {
		slices.SortFunc(paths, func(a, b VPNPath) int { return strings.Compare(a.RD, b.RD) })
	}
	return all
}

// vpnView is what FRR says of a prefix under one RD.
type vpnView struct {
	Prefix string
	Paths  []struct {
		Label             int        `json:"remoteLabel"`
		SID               netip.Addr `json:"remoteSid"`
		ExtendedCommunity struct{ String string }
		Nexthops          []struct{ IP netip.Addr }
	}
}

// WaitEstablished waits until the session with neighbor is up.
func (f *FRR) WaitEstablished(neighbor string) {
	f.lab.T.Helper()
	WaitFor(f.lab.T, "the session with "+neighbor, 2*Patience, func() string {
		if !f.Established(neighbor) {
			return "not established"
		}
		return ""
	})
}

// Established tells whether the session with neighbor is up.
func (f *FRR) Established(neighbor string) bool {
	f.lab.T.Helper()
	var peers map[string]struct {
		State string `json:"bgpState"`
	}
	f.show("show bgp neighbors "+neighbor+" json", &peers)
	return peers[neighbor].State == "Established"
}
