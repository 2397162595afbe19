package conf

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// asTrans is reserved for speakers without 32-bit AS numbers (RFC 6793).
const asTrans = 23456

// maxMD5 is TCP_MD5SIG_MAXKEYLEN of the kernel.
const maxMD5 = unix.TCP_MD5SIG_MAXKEYLEN

func (c *checker) global() {
	g := c.root.at("global", "config")
	if !g.has("as") {
		c.fail(g.key("as"), "missing: write the AS number of this router")
	}
	c.as(g, "as")
	switch id, err := netip.ParseAddr(g.text("router-id")); {
	case !g.has("router-id"):
		c.fail(g.key("router-id"), "missing: write an IPv4 address of this router")
	case err != nil || !id.Is4() || id.IsUnspecified():
		c.fail(g.key("router-id"), "%q is no IPv4 address that can identify a router", g.text("router-id"))
	}
	if p := g.number("port"); p < -1 || p > 65535 {
		c.fail(g.key("port"), "%.0f is no TCP port, nor -1 for no listener", p)
	}
	for _, a := range g.texts("local-address-list") {
		if _, err := netip.ParseAddr(a); err != nil {
			c.fail(g.key("local-address-list"), "%q is no IP address", a)
		}
	}
	confederation := c.root.at("global", "confederation", "config")
	c.as(confederation, "identifier")
}

// as refuses the numbers that RFC 7607 and RFC 6793 reserve.
func (c *checker) as(s section, key string) {
	if n := s.number(key); s.has(key) && (n == 0 || n == asTrans) {
		c.fail(s.key(key), "AS %.0f is reserved", n)
	}
}

// peerAS is as of a neighbour's number, which may be 0: GoBGP then takes any, as without the key.
func (c *checker) peerAS(s section) {
	if s.number("peer-as") != 0 {
		c.as(s, "peer-as")
	}
}

func (c *checker) peerGroups() {
	seen := make(map[string]string)
	for _, g := range c.root.each("peer-groups") {
		s := g.at("config")
		name := s.text("peer-group-name")
		c.unique(seen, s, "peer-group-name", name)
		c.peerAS(s)
		c.as(s, "local-as")
		c.peer(g)
	}
}

// unique refuses an empty name, and a name that was there before.
func (c *checker) unique(seen map[string]string, s section, key, name string) {
	if name == "" {
		c.fail(s.key(key), "missing")
	} else if first, twice := seen[name]; twice {
		c.fail(s.key(key), "%q is in %s already", name, first)
	} else {
		seen[name] = s.path
	}
}

// peer checks the keys that neighbours and peer groups have in common.
func (c *checker) peer(s section) {
	if p := s.at("config").text("auth-password"); len(p) > maxMD5 {
		c.fail(s.at("config").key("auth-password"), "it has %d bytes, and the kernel takes %d at most", len(p), maxMD5)
	}
	t := s.at("transport", "config")
	if a := t.text("local-address"); a != "" {
		if _, err := netip.ParseAddr(a); err != nil {
			c.fail(t.key("local-address"), "%q is no IP address", a)
		}
	}
	if d := t.text("bind-interface"); len(d) >= unix.IFNAMSIZ {
		c.fail(t.key("bind-interface"), "%q is over %d bytes", d, unix.IFNAMSIZ-1)
	}
	seen := make(map[string]string)
	for _, a := range s.each("afi-safis") {
		c.unique(seen, a.at("config"), "afi-safi-name", a.at("config").text("afi-safi-name"))
	}
}

func (c *checker) names(list, key string) []string {
	var names []string
	for _, s := range c.root.each(list) {
		names = append(names, s.at("config").text(key))
	}
	return names
}

// vrfFamilies are the families that GoBGP allows a neighbour in a VRF.
var vrfFamilies = []string{"ipv4-unicast", "ipv6-unicast", "ipv4-flowspec", "ipv6-flowspec"}

func (c *checker) neighbors() {
	groups, vrfs := c.names("peer-groups", "peer-group-name"), c.names("vrfs", "name")
	seen := make(map[string]string)
	for _, n := range c.root.each("neighbors") {
		s := n.at("config")
		c.address(seen, s)
		c.peerAS(s)
		c.as(s, "local-as")
		c.peer(n)
		if g := s.text("peer-group"); g != "" && !slices.Contains(groups, g) {
			// GoBGP stops setting defaults here, for all that follow as well.
			c.fail(s.key("peer-group"), "there is no peer group %q", g)
		}
		v := s.text("vrf")
		if v == "" {
			continue
		}
		if !slices.Contains(vrfs, v) {
			c.fail(s.key("vrf"), "there is no VRF %q", v)
		}
		for _, a := range n.each("afi-safis") {
			if f := a.at("config").text("afi-safi-name"); !slices.Contains(vrfFamilies, f) {
				c.fail(a.at("config").key("afi-safi-name"), "a neighbour in a VRF cannot have %s: use ipv4-unicast or ipv6-unicast", f)
			}
		}
		if n.at("route-server", "config").value["route-server-client"] == true {
			c.fail(n.at("route-server", "config").key("route-server-client"), "a route server client cannot be in a VRF")
		}
	}
}

// address checks how a neighbour is named. GoBGP would ask the DNS for a word that is no
// address.
func (c *checker) address(seen map[string]string, s section) {
	text, link := s.text("neighbor-address"), s.text("neighbor-interface")
	switch {
	case text == "" && link == "":
		c.fail(s.key("neighbor-address"), "missing: write the neighbour's IP address, or neighbor-interface")
	case text != "" && link != "":
		c.fail(s.key("neighbor-address"), "a neighbour has an address or an interface, not both")
	case link != "":
		c.unique(seen, s, "neighbor-interface", link)
	default:
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.IsUnspecified() || addr.IsMulticast() {
			c.fail(s.key("neighbor-address"), "%q is no IP address of a neighbour", text)
			return
		}
		if addr.String() != text {
			// GoBGP looks a connection's neighbour up by its text.
			c.fail(s.key("neighbor-address"), "write %s, not %s: GoBGP compares the text", addr, text)
			return
		}
		c.unique(seen, s, "neighbor-address", text)
	}
}

func (c *checker) dynamicNeighbors() {
	groups := c.names("peer-groups", "peer-group-name")
	seen := make(map[string]string)
	for _, n := range c.root.each("dynamic-neighbors") {
		s := n.at("config")
		if _, err := netip.ParsePrefix(s.text("prefix")); err != nil {
			c.fail(s.key("prefix"), "%q is no prefix", s.text("prefix"))
		} else {
			c.unique(seen, s, "prefix", s.text("prefix"))
		}
		// GoBGP dereferences a nil peer group.
		if g := s.text("peer-group"); !slices.Contains(groups, g) {
			c.fail(s.key("peer-group"), "there is no peer group %q", g)
		}
	}
}

func (c *checker) vrfs() {
	names, rds := make(map[string]string), make(map[string]string)
	for _, v := range c.root.each("vrfs") {
		s := v.at("config")
		c.unique(names, s, "name", s.text("name"))
		if s.text("name") == speaker.Default {
			c.fail(s.key("name"), "%q is the name of the global table: use another", speaker.Default)
		}
		if rd := s.text("rd"); !s.has("rd") {
			c.fail(s.key("rd"), "missing: write a route distinguisher, such as 65000:1")
		} else if _, err := parseRD(rd); err != nil {
			c.fail(s.key("rd"), "%w", err)
		} else {
			c.unique(rds, s, "rd", rd)
		}
		for _, key := range []string{"import-rt-list", "export-rt-list", "both-rt-list"} {
			for _, rt := range s.texts(key) {
				if _, err := parseRT(rt); err != nil {
					c.fail(s.key(key), "%w", err)
				}
			}
		}
	}
}

func (c *checker) unsupported() {
	if c.root.at("collector", "config").text("url") != "" {
		c.fail("collector.config.url", "GoBGP has no collector any more")
	}
}
