package config

import (
	"fmt"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// firstAddress stands for the first address of the subnet of a tenant's link that is not ours.
const firstAddress = "first"

// templateNeighbor is an item of [[netlink.templates.neighbors]].
type templateNeighbor struct {
	node   *node
	first  bool         // it is at the first address of the tenant's link
	prefix netip.Prefix // from which it may dial in
}

// templateNeighborKeys are the keys of a neighbour that a template may set beside its address.
var templateNeighborKeys = []string{"peer-as", "local-as", "password", "description", "peer-group", "import-policy-list", "export-policy-list"}

func templateNeighborSchema() schema {
	all := schema{"address": nil}
	for _, key := range templateNeighborKeys {
		all[key] = nil
	}
	return all
}

func readTemplateNeighbors(p *problems, of *node) (all []templateNeighbor) {
	for _, item := range sections(of.get("neighbors")) {
		n := item.get("address")
		if n == nil {
			p.add(item.line, join(item.path, "address"), `is missing; write "first" for the router at the first address of the tenant's link, or a prefix from which it may dial in`)
			continue
		}
		is, err := neighborPlace(n)
		if err != nil {
			p.at(n, "%v", err)
			continue
		}
		is.node = item
		if item.get("peer-as") == nil && item.get("peer-group") == nil {
			p.add(item.line, join(item.path, "peer_as"), "is missing; write the AS number of the tenant's router")
		}
		if is.prefix.IsValid() && of.get("device") != nil && of.get("netns") == nil {
			p.at(n, "is a prefix, from which a tenant's router may dial in where the tenant is a namespace; write \"first\", or a template by netns")
		}
		if password := item.get("password"); is.prefix.IsValid() && password != nil {
			p.at(password, "cannot be set for who dials in from %v: the kernel needs the key of each address before; write address = \"first\", or remove it", is.prefix)
		}
		all = append(all, is)
	}
	return all
}

func neighborPlace(n *node) (is templateNeighbor, err error) {
	const write = `write "first" for the router at the first address of the tenant's link, or a prefix from which it may dial in, such as "192.0.2.0/24"`
	s, err := text(n)
	if err != nil {
		return is, err
	}
	if s == firstAddress {
		return templateNeighbor{first: true}, nil
	}
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return is, fmt.Errorf("%q is no place of a tenant's router; %s", s, write)
	case prefix != prefix.Masked():
		return is, fmt.Errorf("%s has bits beyond its length; write %v", s, prefix.Masked())
	case prefix.Addr().Is4In6():
		return is, fmt.Errorf("%s is IPv4 written as IPv6; %s", s, write)
	}
	return templateNeighbor{prefix: prefix}, nil
}

// at returns where the neighbours of a tenant are, each with our address towards it.
func (t templateNeighbor) at(s *Sight) (list [][2]netip.Addr) {
	for _, link := range s.Links {
		if t.first {
			if first, is := firstOf(link); is && len(list) == 0 {
				list = append(list, [2]netip.Addr{first, link.Addr()})
			}
			continue
		}
		for _, caller := range s.Callers {
			if t.prefix.Contains(caller) && link.Contains(caller) && caller != link.Addr() {
				list = append(list, [2]netip.Addr{caller, link.Addr()})
			}
		}
	}
	return list
}

// doors are where such a neighbour may dial in.
func (t templateNeighbor) doors(s *Sight) (list []rib.Doorway) {
	for _, link := range s.Links {
		if t.prefix.IsValid() && t.prefix.Overlaps(link.Masked()) {
			from := t.prefix
			if link.Bits() > from.Bits() {
				from = link.Masked()
			}
			list = append(list, rib.Doorway{Netns: s.Name, Local: link.Addr(), From: from})
		}
	}
	return list
}

// firstOf is the first address of the subnet of a link, where it is not ours; on a link of two
// addresses it is the other one. Of an IPv4 subnet the first is its own name, and of an IPv6
// subnet that of any router there.
func firstOf(link netip.Prefix) (netip.Addr, bool) {
	ours, subnet := link.Addr(), link.Masked()
	first := subnet.Addr()
	switch ours.BitLen() - link.Bits() {
	case 0:
		return first, false
	case 1:
		if first == ours {
			first = first.Next()
		}
		return first, true
	}
	first = first.Next()
	if first == ours && ours.Is4() && link.Bits() == 30 {
		first = first.Next()
	}
	return first, first != ours
}

// sample gives a tenant a link with such a neighbour.
func (t templateNeighbor) sample(s *Sight) {
	if t.first {
		s.Links = append(s.Links, netip.MustParsePrefix("192.0.2.2/24"))
		return
	}
	ours := t.prefix.Addr().Next()
	if theirs := ours.Next(); t.prefix.Contains(theirs) {
		s.Links, s.Callers = append(s.Links, netip.PrefixFrom(ours, t.prefix.Bits())), append(s.Callers, theirs)
	}
}
