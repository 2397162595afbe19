package config

import (
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// The keys below are those of GoBGP's own sections that vrfredist needs, and those whose
// faults GoBGP would accept and trip over later. The rest is BGP.Check's.

type global struct {
	as       uint32
	routerID netip.Addr
}

var globalKeys = keys[global]{
	"as":        numbered(func(g *global) *uint32 { return &g.as }),
	"router-id": one(routerID, func(g *global) *netip.Addr { return &g.routerID }),
}

// peer is a neighbour, a peer-group or a dynamic neighbour.
type peer struct {
	address, group, groupName, vrf, netns string
	peerAS, localAS                       uint32
	secret                                string
}

var peerKeys = keys[peer]{
	"neighbor-address": one(text, func(n *peer) *string { return &n.address }),
	"peer-group":       one(text, func(n *peer) *string { return &n.group }),
	"peer-group-name":  one(text, func(n *peer) *string { return &n.groupName }),
	"vrf":              one(text, func(n *peer) *string { return &n.vrf }),
	"netns":            one(text, func(n *peer) *string { return &n.netns }),
	"peer-as":          peerNumbered(func(n *peer) *uint32 { return &n.peerAS }),
	"local-as":         numbered(func(n *peer) *uint32 { return &n.localAS }),
	"auth-password":    one(secret, func(n *peer) *string { return &n.secret }),
}

type tenant struct {
	name                 string
	rd                   rib.RD
	both, imports, exprt []rib.RT
}

var tenantKeys = keys[tenant]{
	"name":           one(text, func(t *tenant) *string { return &t.name }),
	"rd":             one(distinguisher, func(t *tenant) *rib.RD { return &t.rd }),
	"both-rt-list":   many(routeTarget, func(t *tenant) *[]rib.RT { return &t.both }),
	"import-rt-list": many(routeTarget, func(t *tenant) *[]rib.RT { return &t.imports }),
	"export-rt-list": many(routeTarget, func(t *tenant) *[]rib.RT { return &t.exprt }),
}

// readBGP checks GoBGP's part and returns its VRFs, and a secret's key, if any.
func readBGP(p *problems, root *node) (vrfs []vrf.Spec, secret *node) {
	config := root.get("global").get("config")
	read(p, config, globalKeys, &global{})
	missing(p, config, root.get("global"), "global.config", "as", "write the AS number of this router")
	missing(p, config, root.get("global"), "global.config", "router-id", "write an IPv4 address of this router")
	vrfs = readTenants(p, root.get("vrfs"))
	return vrfs, readPeers(p, root, vrfs)
}

// numbered reads a key with an AS number. AS 65535 is taken, as gobgpd does.
func numbered[S any](field func(*S) *uint32) func(*problems, *node, *S) {
	set := one(asNumber, field)
	return func(p *problems, n *node, s *S) {
		set(p, n, s)
		if *field(s) == math.MaxUint16 {
			p.hint(n, "", "AS %d is reserved (RFC 7300), and other routers may refuse it; write the AS number you were given, or a private one such as 64512", math.MaxUint16)
		}
	}
}

// peerNumbered is numbered of a neighbour's own number, which may be 0: any.
func peerNumbered[S any](field func(*S) *uint32) func(*problems, *node, *S) {
	set := numbered(field)
	return func(p *problems, n *node, s *S) {
		if _, ok := word(n); !ok || n.text != "0" {
			set(p, n, s)
		}
	}
}

// missing blames a section, or the one around it where it is not there itself,
// for a key that it lacks.
func missing(p *problems, section, around *node, path, key, write string) {
	line := 0
	switch {
	case section.get(key) != nil:
		return
	case section != nil:
		line, path = section.line, section.path
	case around != nil:
		line = around.line
	}
	if section.isBad() || around.isBad() {
		return
	}
	p.add(line, join(path, key), "is missing; %s", write)
}

func readTenants(p *problems, list *node) []vrf.Spec {
	var specs []vrf.Spec
	names, rds := make(map[string]int), make(map[rib.RD]vrf.Spec)
	for _, item := range sections(list) {
		config := item.get("config")
		missing(p, config, item, item.path+".config", "name", "name the VRF")
		missing(p, config, item, item.path+".config", "rd", `write a route distinguisher, such as "65000:10"`)
		var t tenant
		read(p, config, tenantKeys, &t)
		spec := vrf.Spec{Name: t.name, RD: t.rd, ImportRTs: t.imports, ExportRTs: t.exprt}
		// import-rt-list and export-rt-list go before both-rt-list, as in GoBGP.
		if len(spec.ImportRTs) == 0 {
			spec.ImportRTs = slices.Clone(t.both)
		}
		if len(spec.ExportRTs) == 0 {
			spec.ExportRTs = slices.Clone(t.both)
		}
		if n := config.get("rd"); n != nil && t.rd != 0 {
			if other, taken := rds[t.rd]; taken {
				p.at(n, "%s is the RD of VRF %q too; give each VRF an RD of its own", t.rd.String(), other.Name)
			}
			rds[t.rd] = spec
		}
		n := config.get("name")
		first, taken := names[t.name]
		switch {
		case n == nil || n.kind != kindText:
			continue
		case t.name == "":
			p.at(n, "is empty; name the VRF")
			continue
		case t.name == vrf.Default:
			p.at(n, `"default" stands for the global routing table; give the VRF another name`)
			continue
		case strings.ContainsFunc(t.name, func(r rune) bool { return !unicode.IsPrint(r) }):
			// It is printed on terminals as it is.
			p.at(n, "%q has a character that is not printed; give the VRF another name", t.name)
			continue
		case taken:
			p.at(n, "%q is the name of another VRF, on line %d; give each a name of its own", t.name, first)
			continue
		}
		names[t.name] = n.line
		specs = append(specs, spec)
	}
	return specs
}

// readPeers checks references to other parts of the file, because GoBGP stops filling in
// defaults, without a word, at a peer-group that is not there.
func readPeers(p *problems, root *node, vrfs []vrf.Spec) (secret *node) {
	groups, addresses := []string{}, make(map[string]int)
	var configs []*node
	for _, item := range sections(root.get("peer-groups")) {
		var g peer
		config := item.get("config")
		read(p, config, peerKeys, &g)
		if n := config.get("peer-group-name"); n != nil && slices.Contains(groups, g.groupName) {
			p.at(n, "%q is the name of another peer-group; give each a name of its own", g.groupName)
		}
		groups = append(groups, g.groupName)
		configs = append(configs, config)
	}
	names := specNames(vrfs)
	for _, item := range append(sections(root.get("neighbors")), sections(root.get("dynamic-neighbors"))...) {
		var n peer
		config := item.get("config")
		read(p, config, peerKeys, &n)
		configs = append(configs, config)
		if n.group != "" && !slices.Contains(groups, n.group) {
			p.at(config.get("peer-group"), "there is no peer-group %q; %s", n.group, suggest(n.group, groups, "add it under [[peer-groups]]"))
		}
		if n.vrf != "" && !slices.Contains(names, n.vrf) {
			p.at(config.get("vrf"), "there is no VRF %q; %s", n.vrf, suggest(n.vrf, names, "add it under [[vrfs]]"))
		}
		who := n.address + "|" + n.netns // the relay gives each neighbour an address of its own
		if first, taken := addresses[who]; taken && n.address != "" {
			p.at(config.get("neighbor-address"), "%q is the neighbour of line %d too; GoBGP tells neighbours apart by their addresses alone, remove one", n.address, first)
		} else if n.address != "" {
			addresses[who] = config.get("neighbor-address").line
		}
	}
	for _, config := range configs {
		if n := config.get("auth-password"); n != nil && secret == nil {
			secret = n
		}
	}
	return secret
}

// suggest says what to do about a name that is not there.
func suggest(name string, known []string, add string) string {
	if near, distance := nearest(name, known); near != "" && distance <= max(2, len(name)/3) {
		return `did you mean "` + near + `"?`
	}
	return add
}

// keyPath finds a key in an error of GoBGP or its libraries: it has at least two parts,
// because a single one may be any word.
var keyPath = regexp.MustCompile(`[A-Za-z][\w-]*(\[\d+\]|\.[A-Za-z][\w-]*)+`)

// checkBGP has GoBGP itself judge its part, and maps its complaints to lines. A complaint
// that was made already, in words of our own, is not repeated.
func checkBGP(p *problems, bgp BGP, conf []byte, root *node) {
	if bgp.Check == nil {
		return
	}
	said := slices.ContainsFunc(p.list, func(e Error) bool { return !strings.HasPrefix(e.Key, "netlink") })
	for _, err := range leaves(bgp.Check(conf)) {
		key, n := locate(err.Error(), root)
		about, direct := strings.CutPrefix(err.Error(), key+": ")
		if n != nil && n.templated {
			key = n.path
		}
		switch {
		case n == nil && !said:
			p.add(0, "", "GoBGP refuses it: %v", err)
		case n != nil && p.blamed(n.line):
		case n != nil && direct:
			p.add(n.line, key, "%s", about)
		case n != nil:
			p.add(n.line, key, "GoBGP refuses it: %v", err)
		}
	}
}

// leaves takes joined errors apart.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, leaves(e)...)
	}
	return list
}

// locate returns the key that a message is about, and its node or the one
// nearest above it; nil where it names none that the file has.
func locate(message string, root *node) (string, *node) {
	for _, key := range keyPath.FindAllString(message, -1) {
		for at := key; at != ""; at = at[:max(0, strings.LastIndexAny(at, ".["))] {
			if n := root.find(canonical(at)); n != nil {
				return key, n
			}
		}
	}
	return "", nil
}

func specNames(specs []vrf.Spec) []string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	return names
}
