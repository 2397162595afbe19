package config

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// A neighbour with `netns` has its session inside that namespace, which GoBGP
// cannot do: the relay does, and GoBGP gets a neighbour on the loopback in its
// place. Here its section is divided: what is the socket's goes to the relay,
// and GoBGP's part is rewritten.

// relayed are the keys of a neighbour's section that the relay needs, its own or from
// its peer-group.
type relayed struct {
	netns, device   string
	peer, local     netip.Addr
	peerAS, localAS uint32
	port            uint16
	password        string
	passive         bool
	security        bool
	securityTTL     uint8
	multihop        bool
	multihopTTL     uint8
	retry, hold     time.Duration
	vrf             string
}

var (
	relayedKeys = keys[relayed]{
		"netns":            one(namespace, func(r *relayed) *string { return &r.netns }),
		"neighbor-address": one(sessionAddress, func(r *relayed) *netip.Addr { return &r.peer }),
	}
	// judgedKeys are read here too; their faults are reported elsewhere.
	judgedKeys = keys[relayed]{
		"peer-as":       one(asNumber, func(r *relayed) *uint32 { return &r.peerAS }),
		"local-as":      one(asNumber, func(r *relayed) *uint32 { return &r.localAS }),
		"auth-password": one(secret, func(r *relayed) *string { return &r.password }),
		"vrf":           one(text, func(r *relayed) *string { return &r.vrf }),
	}
	relayedTransport = keys[relayed]{
		"local-address":  one(sessionAddress, func(r *relayed) *netip.Addr { return &r.local }),
		"remote-port":    one(whole[uint16](1, math.MaxUint16, ""), func(r *relayed) *uint16 { return &r.port }),
		"passive-mode":   one(boolean, func(r *relayed) *bool { return &r.passive }),
		"bind-interface": one(device, func(r *relayed) *string { return &r.device }),
	}
	relayedSecurity = keys[relayed]{
		"enabled": one(boolean, func(r *relayed) *bool { return &r.security }),
		"ttl-min": one(whole[uint8](1, math.MaxUint8, ""), func(r *relayed) *uint8 { return &r.securityTTL }),
	}
	relayedMultihop = keys[relayed]{
		"enabled":      one(boolean, func(r *relayed) *bool { return &r.multihop }),
		"multihop-ttl": one(whole[uint8](1, math.MaxUint8, ""), func(r *relayed) *uint8 { return &r.multihopTTL }),
	}
	relayedTimers = keys[relayed]{
		"connect-retry": one(seconds, func(r *relayed) *time.Duration { return &r.retry }),
		"hold-time":     one(seconds, func(r *relayed) *time.Duration { return &r.hold }),
	}
)

func sessionAddress(n *node) (netip.Addr, error) {
	s, err := text(n)
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.IsUnspecified() || a.IsMulticast() {
		return a, fmt.Errorf(`%s is not the address of a session; write one such as "192.0.2.1", "2001:db8::1" or "fe80::1%%eth0"`, n.show())
	}
	return a.Unmap(), nil
}

// seconds reads the value of a GoBGP timer: a number, whole or not.
func seconds(n *node) (time.Duration, error) {
	s, err := strconv.ParseFloat(n.text, 64)
	if err != nil || s < 0 || s > 65535 {
		return 0, fmt.Errorf("%s is not a number of seconds; write one from 0 to 65535, without quotes", n.show())
	}
	return time.Duration(s * float64(time.Second)), nil
}

// readNeighbors returns the neighbours that the relay is to serve, by their
// place in the file's list.
func readNeighbors(p *problems, root *node, secret []byte) map[int]rib.Neighbor {
	groups := make(map[string]*node)
	for _, item := range sections(root.get("peer-groups")) {
		if n := item.get("config").get("peer-group-name"); n != nil {
			groups[n.text] = item
		}
	}
	var g global
	read(&problems{}, root.get("global").get("config"), globalKeys, &g) // its faults were reported already
	out := make(map[int]rib.Neighbor)
	taken := make(map[netip.Addr]bool)
	for i, item := range sections(root.get("neighbors")) {
		config := item.get("config")
		if config.get("netns") == nil {
			continue
		}
		n, ok := readNeighbor(p, item, groups, g.as)
		if !ok {
			continue
		}
		n.Alias = alias(n, taken)
		n.Secret = aliasSecret(secret, n.Alias)
		out[i] = n
	}
	return out
}

func readNeighbor(p *problems, item *node, groups map[string]*node, as uint32) (rib.Neighbor, bool) {
	config := item.get("config")
	before := len(p.list)
	var r relayed
	if n := config.get("peer-group"); n != nil && groups[n.text] != nil {
		readRelayed(&problems{}, groups[n.text], &r) // the group is judged where it stands
	}
	readRelayed(p, item, &r)
	transport := item.get("transport").get("config")
	switch {
	case config.get("neighbor-interface") != nil:
		p.at(config.get("neighbor-interface"), "cannot stand beside netns; write the neighbour's address instead, a link-local one with its interface: fe80::1%%eth0")
	case config.get("vrf") == nil:
		p.at(config.get("netns"), "needs vrf beside it; a session inside a namespace belongs to a VRF")
	case !r.local.IsValid() && transport.get("local-address") == nil:
		p.at(config.get("netns"), "needs transport.config.local-address: write this router's address towards the neighbour inside the namespace")
	case r.local.IsValid() && r.peer.IsValid() && r.local.Is4() != r.peer.Is4():
		p.at(config.get("netns"), "needs a local-address of the neighbour's family: %v and %v are of two", r.peer, r.local)
	}
	if len(p.list) > before {
		return rib.Neighbor{}, false
	}
	n := rib.Neighbor{
		VRF: r.vrf, Netns: r.netns, Device: r.device, Peer: r.peer, Local: r.local,
		Port: r.port, Password: r.password, PassiveOnly: r.passive,
		// Filled in, so that to write a default down changes nothing.
		ConnectRetry: cmp.Or(r.retry, rib.DefaultConnectRetry), HoldTime: cmp.Or(r.hold, rib.DefaultHoldTime),
	}
	external := r.peerAS != as
	if r.localAS != 0 {
		external = r.peerAS != r.localAS
	}
	direct := !r.multihop && (!r.security || r.securityTTL == rib.OneHop)
	n.FastFailover = external && r.peerAS != 0 && direct // unless its terms say otherwise
	switch {
	case r.security:
		n.TTLSecurity = max(r.securityTTL, 1)
	case r.multihop:
		n.TTL = r.multihopTTL
	case external:
		n.TTL = 1
	}
	return n, true
}

func readRelayed(p *problems, item *node, r *relayed) {
	read(p, item.get("config"), relayedKeys, r)
	read(&problems{}, item.get("config"), judgedKeys, r)
	read(p, item.get("transport").get("config"), relayedTransport, r)
	read(p, item.get("ttl-security").get("config"), relayedSecurity, r)
	read(p, item.get("ebgp-multihop").get("config"), relayedMultihop, r)
	read(p, item.get("timers").get("config"), relayedTimers, r)
}

// alias chooses the neighbour's address for GoBGP, out of 127.1.0.0/16. It is a
// hash of who the neighbour is, so that it stays the same when others come and
// go: GoBGP would take another address for another neighbour.
func alias(n rib.Neighbor, taken map[netip.Addr]bool) netip.Addr {
	h := fnv.New32a()
	_, _ = h.Write([]byte(n.VRF + "|" + n.Netns + "|" + n.Peer.String())) // a hash.Hash never fails
	for v := h.Sum32(); ; v++ {
		last := uint16(v>>16 ^ v)
		if last&0xff == 0 || last&0xff == 0xff {
			continue
		}
		b := [4]byte{127, 1}
		binary.BigEndian.PutUint16(b[2:], last)
		if a := netip.AddrFrom4(b); !taken[a] {
			taken[a] = true
			return a
		}
	}
}

// aliasSecret is the MD5 key between an alias and GoBGP: whoever on this host
// does not know it cannot pass for the neighbour.
func aliasSecret(key []byte, alias netip.Addr) string {
	if len(key) == 0 {
		return ""
	}
	m := hmac.New(sha256.New, key)
	_, _ = m.Write(alias.AsSlice()) // a hash.Hash never fails
	return hex.EncodeToString(m.Sum(nil))
}

// rewrite gives GoBGP the aliases in place of the relayed neighbours.
func rewrite(all map[string]any, relayed map[int]rib.Neighbor) {
	list, _ := all["neighbors"].([]any)
	grouped := groupsWithFamilies(all)
	for i, n := range relayed {
		if i >= len(list) {
			continue
		}
		section, _ := list[i].(map[string]any)
		config := under(section, "config")
		config["neighbor-address"] = n.Alias.String()
		delete(config, "auth-password")
		if n.Secret != "" {
			config["auth-password"] = n.Secret
		}
		transport := under(section, "transport", "config")
		delete(transport, "remote-port")
		transport["local-address"] = n.Local.WithZone("").String() // GoBGP takes a zone for no address
		transport["passive-mode"] = true
		transport["bind-interface"] = "lo"
		group, _ := config["peer-group"].(string)
		if _, named := section["afi-safis"]; !named && !grouped[group] && n.Peer.Is6() {
			// Or GoBGP would choose IPv4, after the alias. A neighbour without families of its own has
			// those of its group, with their limits.
			section["afi-safis"] = []any{map[string]any{"config": map[string]any{"afi-safi-name": "ipv6-unicast"}}}
		}
		// Whole, so that what the relay alone is to heed is no change to GoBGP,
		// which would set it on its connection from the alias.
		for _, key := range []string{"ttl-security", "ebgp-multihop"} {
			section[key] = map[string]any{"config": map[string]any{"enabled": false}}
		}
	}
}

// groupsWithFamilies are the names of the peer groups that say which families they have.
func groupsWithFamilies(all map[string]any) map[string]bool {
	has := make(map[string]bool)
	list, _ := all["peer-groups"].([]any)
	for _, g := range list {
		section, _ := g.(map[string]any)
		config, _ := section["config"].(map[string]any)
		if name, is := config["peer-group-name"].(string); is && section["afi-safis"] != nil {
			has[name] = true
		}
	}
	return has
}

// under returns the section at path, which it makes where it is not there.
func under(section map[string]any, path ...string) map[string]any {
	for _, key := range path {
		next, ok := section[key].(map[string]any)
		if !ok {
			next = make(map[string]any)
			section[key] = next
		}
		section = next
	}
	return section
}

// listenHere makes GoBGP listen where the relay comes from, where the file lists
// the addresses to listen on.
func listenHere(all map[string]any) {
	config := under(all, "global", "config")
	if list, ok := config["local-address-list"].([]any); ok && len(list) > 0 &&
		!slices.Contains(list, any(loopback)) && !slices.Contains(list, any("0.0.0.0")) {
		config["local-address-list"] = append(slices.Clone(list), loopback)
	}
}

// listenPort returns where GoBGP listens; 0: nowhere.
func listenPort(root *node) uint16 {
	n := root.get("global").get("config").get("port")
	if n == nil {
		return bgpPort
	}
	port, err := strconv.ParseUint(n.text, 10, 16)
	if err != nil {
		return 0 // -1
	}
	return cmp.Or(uint16(port), bgpPort)
}

const (
	loopback        = "127.0.0.1"
	bgpPort  uint16 = 179
)

// readBound names the neighbours that GoBGP binds to an interface in a VRF: the
// listener takes their sessions only with net.ipv4.tcp_l3mdev_accept=1.
func readBound(root *node) (bound []string) {
	for _, item := range sections(root.get("neighbors")) {
		config, device := item.get("config"), item.get("transport").get("config").get("bind-interface")
		if config.get("netns") != nil || config.get("vrf") == nil || device == nil {
			continue
		}
		if a := config.get("neighbor-address"); a != nil {
			bound = append(bound, fmt.Sprintf("%s in VRF %s (%s)", a.text, config.get("vrf").text, device.text))
		}
	}
	return bound
}
