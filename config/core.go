package config

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// core is [netlink.core] and the sections of encapsulations as they are written: the network
// between PEs.
type core struct {
	rib.Core
	interfaces []string
	source     netip.Addr
	labels     rib.LabelRange
	locator    rib.Locator
	transpose  bool
	reduced    bool
}

var coreKeys = keys[core]{
	"netns":      one(namespace, func(c *core) *string { return &c.Netns }),
	"interfaces": many(glob, func(c *core) *[]string { return &c.interfaces }),
	"source":     one(vtep(true), func(c *core) *netip.Addr { return &c.source }),
	"source6":    one(vtep(false), func(c *core) *netip.Addr { return &c.Six }),
}

var vxlanKeys = keys[core]{
	"port": one(whole[uint16](1, math.MaxUint16, ""), func(c *core) *uint16 { return &c.Port }),
}

// vxlanPort is the port of RFC 7348.
const vxlanPort = 4789

// vtep reads an address of this router in the core.
func vtep(four bool) func(*node) (netip.Addr, error) {
	return func(n *node) (netip.Addr, error) {
		example, family := "10.255.0.1", "an IPv4 address"
		if !four {
			example, family = "fd00:255::1", "an IPv6 address"
		}
		a, err := netip.ParseAddr(n.text)
		switch {
		case n.kind != kindText || err != nil || a.Zone() != "" || a.Is4() != four || a.Is4In6():
			return a, fmt.Errorf("%s is not %s; write one of this router in the core, such as %q", n.show(), family, example)
		case a.IsUnspecified(), a.IsMulticast(), a.IsLoopback(), a.IsLinkLocalUnicast():
			return a, fmt.Errorf("%s cannot be reached by other PEs; write an address of this router in the core, such as %q", n.show(), example)
		}
		return a, nil
	}
}

func coreSchema() schema  { return coreKeys.schema(nil) }
func vxlanSchema() schema { return vxlanKeys.schema(nil) }

var mplsKeys = keys[core]{
	"labels": one(labelRange, func(c *core) *rib.LabelRange { return &c.labels }),
}

// labelRange reads "16000-16999".
func labelRange(n *node) (r rib.LabelRange, err error) {
	const write = `write the first and the last one, such as "16000-16999"`
	first, last, is := strings.Cut(n.text, "-")
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 32)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 32)
	switch {
	case n.kind != kindText || !is || errA != nil || errB != nil:
		return r, fmt.Errorf("%s is no range of labels; %s", n.show(), write)
	case a > b:
		return r, fmt.Errorf("%s begins behind its end; %s", n.show(), write)
	case a < rib.FirstLabel || b > rib.MaxLabel:
		return r, fmt.Errorf("%s is out of range: labels below %d have a meaning of their own, and a label has 20 bits; write a range between %d and %d", n.show(), rib.FirstLabel, rib.FirstLabel, rib.MaxLabel)
	}
	return rib.LabelRange{First: uint32(a), Last: uint32(b)}, nil
}

// functionBits is the length of a SID's function where nothing says otherwise, as FRR has it.
const functionBits = 16

// Bounds of SRv6. A function travels in a label of 20 bits where it is transposed (RFC 9252, 4).
const (
	mostFunctionBits = 24
	mostTransposed   = 20
	// nodeBits are those of a locator behind its block where nothing says otherwise, as FRR has it.
	nodeBits = 24
)

var srv6Keys = keys[core]{
	"locator": one(sixPrefix("fd00:1:0:1::/64"), func(c *core) *netip.Prefix { return &c.locator.Prefix }),
	"block":   one(sixPrefix("fd00::/32"), func(c *core) *netip.Prefix { return &c.locator.Block }),
	"function-bits": one(whole[uint8](1, mostFunctionBits, ": a SID has 128 bits, of which the locator has most"),
		func(c *core) *uint8 { return &c.locator.FunctionBits }),
	"transpose": one(boolean, func(c *core) *bool { return &c.transpose }),
	"reduced":   one(boolean, func(c *core) *bool { return &c.reduced }),
}

// sixPrefix reads a prefix of SIDs.
func sixPrefix(example string) func(*node) (netip.Prefix, error) {
	return func(n *node) (netip.Prefix, error) {
		prefix, err := netip.ParsePrefix(n.text)
		switch {
		case n.kind != kindText || err != nil || !prefix.Addr().Is6() || prefix.Addr().Is4In6():
			return prefix, fmt.Errorf("%s is no IPv6 prefix; write one such as %q", n.show(), example)
		case prefix != prefix.Masked():
			return netip.Prefix{}, fmt.Errorf("%s has bits beyond its length; write %q", n.show(), prefix.Masked())
		case prefix.Bits() < 8 || prefix.Overlaps(netip.MustParsePrefix("ff00::/8")) || prefix.Overlaps(netip.MustParsePrefix("fe80::/10")) || prefix.Contains(netip.IPv6Loopback()):
			return netip.Prefix{}, fmt.Errorf("%s has addresses that nobody routes; write a prefix of your own, such as %q", n.show(), example)
		}
		return prefix, nil
	}
}

// checkLocator holds the keys of [netlink.srv6] against each other, and fills in what they leave
// out.
func checkLocator(p *problems, n *node, c *core) {
	l, at := &c.locator, n.get("locator")
	if !l.Prefix.IsValid() {
		if present(n) && at == nil {
			p.add(n.line, join(n.path, "locator"), `is missing; write the prefix of this router's SIDs, such as locator = "fd00:1:0:1::/64"`)
		}
		l.Block = netip.Prefix{}
		return
	}
	bits := n.get("function-bits")
	switch {
	case l.Prefix.Bits()+int(l.FunctionBits) > 128:
		p.at(cmpNode(bits, at), "makes a SID of more than 128 bits: the locator has %d, and the function %d; write a shorter locator, or a smaller function_bits", l.Prefix.Bits(), l.FunctionBits)
		l.Prefix = netip.Prefix{}
		return
	case c.transpose && l.FunctionBits > mostTransposed:
		p.at(n.get("transpose"), "puts the function of a SID into a label of %d bits, and function_bits is %d; write at most %d there, or remove the key", mostTransposed, l.FunctionBits, mostTransposed)
	}
	switch block := n.get("block"); {
	case !l.Block.IsValid():
		l.Block = netip.PrefixFrom(l.Prefix.Addr(), max(8, l.Prefix.Bits()-nodeBits)).Masked()
	case l.Block.Bits() > l.Prefix.Bits():
		p.at(block, "%s is longer than the locator %s, which it should hold; write the prefix that all routers of the domain have their locators in", l.Block, l.Prefix)
	case !l.Block.Overlaps(l.Prefix):
		p.note(block, "%s does not hold the locator %s; of it only the length counts, and the block is taken for %s", l.Block, l.Prefix, netip.PrefixFrom(l.Prefix.Addr(), l.Block.Bits()).Masked())
		l.Block = netip.PrefixFrom(l.Prefix.Addr(), l.Block.Bits()).Masked()
	}
}

func mplsSchema() schema { return mplsKeys.schema(nil) }
func srv6Schema() schema { return srv6Keys.schema(nil) }
