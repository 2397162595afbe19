package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// setsHead is a file with two VRFs.
const setsHead = `[global.config]
as = 65000
router-id = "192.0.2.1"
[[vrfs]]
config = {name = "red", rd = "65000:1"}
[[vrfs]]
config = {name = "blue", rd = "65000:2"}
`

// setNeighborInside is a neighbour in a namespace.
func setNeighborInside(vrf, addr, local string) string {
	return fmt.Sprintf("[[neighbors]]\nconfig = {neighbor-address = %q, peer-as = 65001, vrf = %q, netns = \"ns-%s\"}\ntransport = {config = {local-address = %q}}\n", addr, vrf, vrf, local)
}

// TestNeighborSets: sets name neighbours in namespaces by their own addresses, and GoBGP
// gets its own for them.
func TestNeighborSets(t *testing.T) {
	t.Parallel()
	const head = setsHead
	inside := setNeighborInside
	plain := func(addr, vrf string) string {
		if vrf != "" {
			vrf = fmt.Sprintf(", vrf = %q", vrf)
		}
		return fmt.Sprintf("[[neighbors]]\nconfig = {neighbor-address = %q, peer-as = 65001%s}\n", addr, vrf)
	}
	red, blue := inside("red", "192.0.2.2", "192.0.2.1"), inside("blue", "192.0.2.2", "192.0.2.1")
	six := inside("red", "2001:db8::2", "2001:db8::1")
	link := inside("red", "fe80::2%eth0", "fe80::1%eth0") + inside("blue", "fe80::2%eth1", "fe80::1%eth1")
	// The aliases of these are what they are: the hash of who the neighbour is.
	alias := func(text string) string { return aliasesIn(t, head+text)[0] }
	r, b, s := alias(red), alias(blue), alias(six)
	l := aliasesIn(t, head+link)
	for name, tc := range map[string]struct {
		neighbors string
		set       []string
		want      []string // unordered; the error that begins with "!"
	}{
		"no neighbour in a namespace":    {plain("192.0.2.2", ""), []string{"192.0.2.2", "10.0.0.0/8"}, []string{"192.0.2.2", "10.0.0.0/8"}},
		"its address":                    {red, []string{"192.0.2.2"}, []string{"192.0.2.2/32", r}},
		"another's address":              {red, []string{"192.0.2.3"}, []string{"192.0.2.3"}},
		"a prefix that holds it":         {red, []string{"192.0.2.0/24"}, []string{"192.0.2.0/24", r}},
		"its alias":                      {red, []string{r}, []string{r}},
		"the loopback":                   {red, []string{"127.0.0.0/8"}, []string{"127.0.0.0/8"}},
		"its address, in IPv6":           {six, []string{"2001:db8::2"}, []string{"2001:db8::2/128", s}},
		"all of IPv6":                    {red + six, []string{"::/0"}, []string{"::/0", s}},
		"in two VRFs":                    {red + blue, []string{"192.0.2.2"}, []string{"192.0.2.2/32", r, b}},
		"in one of two VRFs":             {red + blue, []string{"192.0.2.2@blue"}, []string{b}},
		"in a VRF, by a prefix":          {red + blue + six, []string{"0.0.0.0/0@red"}, []string{r}},
		"in a VRF, without a namespace":  {plain("192.0.2.7", "red") + blue, []string{"192.0.2.0/24@red"}, []string{"192.0.2.7/32"}},
		"in none":                        {red + plain("192.0.2.7", "") + plain("192.0.2.6", "blue"), []string{"192.0.2.0/29@default"}, []string{"192.0.2.0/30", "192.0.2.4/31", "192.0.2.7/32"}},
		"in a VRF that has none":         {red, []string{"192.0.2.2@blue"}, []string{"255.255.255.255/32"}},
		"in a VRF that has none, beside": {red, []string{"192.0.2.2@blue", "192.0.2.9"}, []string{"192.0.2.9"}},
		"on a link":                      {link, []string{"fe80::2%eth1"}, []string{l[1], "fe80::2/128"}},
		"on any link":                    {link, []string{"fe80::2"}, []string{l[0], l[1], "fe80::2/128"}},
		"on a link here":                 {plain("fe80::3%eth0", ""), []string{"fe80::3%eth0"}, []string{"fe80::3/128"}},
		"on one of two links here":       {plain("fe80::3%eth0", "") + plain("fe80::3%eth1", ""), []string{"fe80::3%eth0"}, []string{"!cannot be told from fe80::3%eth1"}},
		"no address":                     {red, []string{"router2"}, []string{`!"router2" is no neighbour`}},
		"no VRF":                         {red, []string{"192.0.2.2@"}, []string{"!names no VRF behind the @"}},
		"no such VRF":                    {red, []string{"192.0.2.2@rde"}, []string{`!there is no VRF "rde"; did you mean "red"?`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := head + tc.neighbors + "[[defined-sets.neighbor-sets]]\nneighbor-set-name = \"s\"\nneighbor-info-list = [\"" + strings.Join(tc.set, `", "`) + "\"]\n"
			c, err := Parse("f.toml", []byte(text), setsBGP())
			if message, fails := strings.CutPrefix(tc.want[0], "!"); fails {
				if err == nil || !strings.Contains(err.Error(), message) || !strings.Contains(err.Error(), "neighbor-info-list[0]") {
					t.Errorf("it says %v, want %q", err, message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := make(map[string]bool)
			for _, m := range tc.want {
				want[strings.TrimSuffix(m, "/32")] = true
			}
			got := make(map[string]bool)
			for _, m := range setIn(t, c.BGP) {
				got[strings.TrimSuffix(m, "/32")] = true
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("GoBGP gets %v, want %v", got, want)
			}
		})
	}
}

// TestAllOfIPv4IsNoneOfIPv6: all addresses of IPv4 are not the alias of a neighbour of IPv6.
func TestAllOfIPv4IsNoneOfIPv6(t *testing.T) {
	t.Parallel()
	red, six := setNeighborInside("red", "192.0.2.2", "192.0.2.1"), setNeighborInside("red", "2001:db8::2", "2001:db8::1")
	r, s := aliasesIn(t, setsHead+red)[0], aliasesIn(t, setsHead+six)[0]
	c, err := Parse("f.toml", []byte(setsHead+red+six+"[[defined-sets.neighbor-sets]]\nneighbor-set-name = \"s\"\nneighbor-info-list = \"0.0.0.0/0\"\n"), setsBGP())
	if err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[string]bool{r: true, s: false, "192.0.2.77": true, "127.0.0.9": true} {
		if got := inPrefixes(t, setIn(t, c.BGP), alias); got != want {
			t.Errorf("%s is in it: %v, want %v", alias, got, want)
		}
	}
}

// setsBGP is sessionsBGP with sets of neighbours.
func setsBGP() BGP {
	bgp := sessionsBGP()
	bgp.Schema["defined-sets"] = map[string]any{"neighbor-sets": []any{map[string]any{"neighbor-set-name": nil, "neighbor-info-list": nil}}}
	return bgp
}

func aliasesIn(t *testing.T, text string) (list []string) {
	t.Helper()
	c, err := Parse("f.toml", []byte(text), setsBGP())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Neighbors {
		list = append(list, n.Alias.String())
	}
	return list
}

// inPrefixes tells whether an address is in one of some addresses and prefixes.
func inPrefixes(t *testing.T, list []string, addr string) bool {
	t.Helper()
	for _, text := range list {
		m, err := setMemberOf(text)
		if err != nil {
			t.Fatal(err)
		}
		if m.prefix.Contains(netip.MustParseAddr(addr)) {
			return true
		}
	}
	return false
}

func setIn(t *testing.T, conf []byte) []string {
	t.Helper()
	var all struct {
		Sets struct {
			Neighbors []struct {
				List []string `json:"neighbor-info-list"`
			} `json:"neighbor-sets"`
		} `json:"defined-sets"`
	}
	if err := json.Unmarshal(conf, &all); err != nil || len(all.Sets.Neighbors) != 1 {
		t.Fatalf("GoBGP gets %s: %v", conf, err)
	}
	return all.Sets.Neighbors[0].List
}

// TestPoliciesKnowNeighborsInNamespaces: the paths of a neighbour in a network namespace are of its
// alias, and a rule names it by its address.
func TestPoliciesKnowNeighborsInNamespaces(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		key, entry string
		names      bool
	}{
		{"neighbors", "192.0.2.2", true},
		{"neighbors", "192.0.2.0/24", true},
		{"neighbors", "192.0.2.2@red", true},
		{"neighbors", "192.0.2.2@default", false},
		{"neighbors", "192.0.2.3", false},
		{"not_neighbors", "192.0.2.2", false},
		{"not_neighbors", "192.0.2.3", true},
	} {
		c, err := Parse("f.toml", fmt.Appendf(nil, `%s[[netlink.policies]]
name = "p"
default = "accept"
[[netlink.policies.rules]]
%s = [%q]
action = "reject"
`, appliedHead, x.key, x.entry), appliedBGP())
		if err != nil {
			t.Fatal(err)
		}
		s := rib.Subject{
			Prefix: netip.MustParsePrefix("10.0.0.0/8"), VRF: "red",
			Attrs: &rib.Attrs{Via: &rib.Via{Peer: c.Neighbors[0].Alias, Source: "red"}, Tags: new(rib.Tags), Rare: new(rib.Rare)},
		}
		if got := c.Policies[0].Judge(s, nil).Rejected; got != x.names {
			t.Errorf("%s = [%q]: rejects what 192.0.2.2 in VRF red sent: %t, want %t", x.key, x.entry, got, x.names)
		}
	}
}
