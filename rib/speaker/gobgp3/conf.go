package gobgp3

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/config"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// conf is a configuration of GoBGP that has been checked, and what we need of
// it. It is immutable.
type conf struct {
	set  oc.BgpConfigSet
	vrfs []VRF // by name

	limits      prefixLimits         // of neighbours; GoBGP has none
	terms       map[string]rib.Terms // as in rib.Extras
	maxPrefixes map[string]uint32    // by VRF; one that is not in it may have any number

	keptBlackholes []string

	unnumbered
	given rib.Extras // with unnumbered.text
}

// parsing serialises the reading of configurations: GoBGP keeps what it read of
// neighbours with a peer group in a package variable without a lock.
var parsing sync.Mutex

// parse reads a configuration as gobgpd does. A file is the only way in: the
// functions behind it that take a struct lose what was set and what was not.
func parse(text []byte) (set *oc.BgpConfigSet, err error) {
	file, err := memoryFile(text)
	if err != nil {
		return nil, fmt.Errorf("write GoBGP's configuration: %w", err)
	}
	defer file.Close()
	parsing.Lock()
	defer parsing.Unlock()
	defer func() { // it asserts types without a check in places
		if p := recover(); p != nil {
			err = fmt.Errorf("GoBGP cannot read it: %v", p)
		}
	}()
	return config.ReadConfigFile(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), "json")
}

// memoryFile returns a file that has a name in /proc alone: what it holds, which may
// be secrets, is on no disk, and nothing is left of it however the process ends.
func memoryFile(text []byte) (*os.File, error) {
	const name = "gobgp.json"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // Linux before 6.3 does not know the seal
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := file.Write(text); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// readConf reads a configuration that Check found good.
func readConf(text []byte, extras rib.Extras) (*conf, error) {
	set, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := &conf{set: *set, limits: takeLimits(set), terms: extras.Terms, maxPrefixes: extras.MaxPrefixes, keptBlackholes: extras.KeptBlackholes}
	for i := range c.set.Vrfs {
		v := &c.set.Vrfs[i].Config
		// With an Id, GoBGP compiles a regular expression per VRF for every
		// change of a best path.
		v.Id = 0
		vrf := VRF{Name: v.Name}
		if vrf.RD, err = parseRD(v.Rd); err != nil {
			return nil, err
		}
		if vrf.ImportRTs, err = parseRTs(v.ImportRtList); err != nil {
			return nil, err
		}
		if vrf.ExportRTs, err = parseRTs(v.ExportRtList); err != nil {
			return nil, err
		}
		c.vrfs = append(c.vrfs, vrf)
	}
	slices.SortFunc(c.vrfs, func(a, b VRF) int { return strings.Compare(a.Name, b.Name) })
	addFamilies(&c.set.Global)
	addRules(c)
	return c, nil
}

// addFamilies adds the tables without which VRFs do not work, where the
// configuration names families: GoBGP drops a route of a family without a table
// in silence, and panics in DeleteVrf without the one of route target
// membership. A table alone is not offered to any neighbour.
func addFamilies(g *oc.Global) {
	for _, name := range []oc.AfiSafiType{
		oc.AFI_SAFI_TYPE_L3VPN_IPV4_UNICAST,
		oc.AFI_SAFI_TYPE_L3VPN_IPV6_UNICAST,
		oc.AFI_SAFI_TYPE_RTC,
	} {
		has := slices.ContainsFunc(g.AfiSafis, func(a oc.AfiSafi) bool { return a.Config.AfiSafiName == name })
		if !has {
			g.AfiSafis = append(g.AfiSafis, oc.AfiSafi{Config: oc.AfiSafiConfig{AfiSafiName: name, Enabled: true}})
		}
	}
}

// parseRD is strict where GoBGP is not: it makes 65535:1 of 70000:1.
func parseRD(text string) (rib.RD, error) {
	rd, err := bgp.ParseRouteDistinguisher(text)
	if err != nil || rd.String() != text {
		return 0, fmt.Errorf("%q is no route distinguisher: write AS:number with an AS up to 65535, IPv4:number, or high.low:number for a 32-bit AS", text)
	}
	b, err := rd.Serialize()
	if err != nil {
		return 0, fmt.Errorf("route distinguisher %q: %w", text, err)
	}
	return rib.RD(binary.BigEndian.Uint64(b)), nil
}

func parseRT(text string) (rib.RT, error) {
	rt, err := bgp.ParseRouteTarget(text)
	if err != nil || rt.String() != text {
		return 0, fmt.Errorf("%q is no route target: write AS:number with an AS up to 65535, IPv4:number, or high.low:number for a 32-bit AS", text)
	}
	b, err := rt.Serialize()
	if err != nil || len(b) != 8 {
		return 0, fmt.Errorf("%q is no route target of 8 bytes", text)
	}
	return rib.RT(binary.BigEndian.Uint64(b)), nil
}

// parseRTs returns the route targets of a list, sorted and unique.
func parseRTs(list []string) ([]rib.RT, error) {
	rts := make([]rib.RT, 0, len(list))
	for _, text := range list {
		rt, err := parseRT(text)
		if err != nil {
			return nil, err
		}
		rts = append(rts, rt)
	}
	slices.Sort(rts)
	return slices.Compact(rts), nil
}

// copySet returns the configuration for GoBGP, which marks neighbours in it.
func (c *conf) copySet() *oc.BgpConfigSet {
	set := c.set
	set.Neighbors = slices.Clone(set.Neighbors)
	return &set
}

// vrf returns the VRF called name.
func (c *conf) vrf(name string) (VRF, bool) {
	for _, v := range c.vrfs {
		if v.Name == name {
			return v, true
		}
	}
	return VRF{}, false
}

// termsOf returns the terms of a neighbour, by its address as GoBGP has it and the peer
// group that it is in. A dynamic neighbour has its group's; one that a client of the API
// added, without a group of the configuration, has the default ones.
func (c *conf) termsOf(address, group string) rib.Terms {
	if t, ok := c.terms[address]; ok {
		return t
	}
	// A neighbour without an address of its own is named by its interface, and has what
	// GoBGP found there.
	if a, err := netip.ParseAddr(address); err == nil && a.Zone() != "" {
		if t, ok := c.terms[a.Zone()]; ok {
			return t
		}
	}
	if t, ok := c.terms[rib.TermsOfGroup(group)]; ok {
		return t
	}
	return rib.DefaultTerms()
}

// neighbour is what the watch needs to know of a configured neighbour.
type neighbour struct {
	vrf      string // "": the global table
	zone     string // of its link, in the daemon's namespace; "": unknown, or more than one
	localAS  uint32
	families []bgp.RouteFamily
	down     bool // administratively
}

// neighbours returns the neighbours by address, without a zone: GoBGP's events
// have none.
func (c *conf) neighbours() map[string]neighbour {
	m := make(map[string]neighbour, len(c.set.Neighbors))
	for _, n := range c.set.Neighbors {
		addr, err := netip.ParseAddr(n.State.NeighborAddress)
		if err != nil {
			continue // Check has refused it
		}
		nb := neighbour{
			vrf:     n.Config.Vrf,
			zone:    addr.Zone(),
			localAS: n.Config.LocalAs,
			down:    n.Config.AdminDown,
		}
		// The loopback is an alias's, of a neighbour who is elsewhere.
		if nb.zone == "" && n.Transport.Config.BindInterface != "lo" {
			nb.zone = n.Transport.Config.BindInterface
		}
		for _, a := range n.AfiSafis {
			nb.families = append(nb.families, a.State.Family)
		}
		key := addr.WithZone("").String()
		if other, twice := m[key]; twice && other.zone != nb.zone {
			nb.zone = ""
		}
		m[key] = nb
	}
	return m
}
