package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/vrfredist/vrfredist/rib"
)

// setting is a key of a rule with its value, as configurations write it. Two rules say the same
// where their settings are the same.
type setting struct {
	key     keyName
	negated bool
	value   string
}

func (s setting) String() string {
	if s.negated {
		return "not_" + s.key.String() + " = " + s.value
	}
	return s.key.String() + " = " + s.value
}

// settings are the conditions that are there. What is evaluated first is first: what costs
// least, and the regular expressions last.
func (c *Conditions) settings() (out []setting) {
	add := func(key keyName, list []string) {
		if len(list) > 0 {
			out = append(out, setting{key, false, "[" + strings.Join(list, ", ") + "]"})
		}
	}
	number := func(key keyName, n *Numbers) {
		if n != nil {
			out = append(out, setting{key, false, quote(n.String())})
		}
	}
	add(keyFamilies, quoted(c.Families))
	add(keyPrefixes, quoted(c.Prefixes))
	add(keySourceVRFs, quotedText(c.SourceVRFs))
	add(keyProtocols, protocols(c.Protocols))
	number(keyMetric, c.Metric)
	number(keyLocalPref, c.LocalPref)
	number(keyMED, c.MED)
	number(keyASPathLength, c.ASPathLength)
	add(keyRPKI, quoted(c.RPKI))
	add(keyOriginAS, numbers(c.OriginAS))
	add(keyCommunities, quoted(c.Communities))
	add(keyCommunitiesAll, quoted(c.CommunitiesAll))
	add(keyLarge, quoted(c.Large))
	add(keyLargeAll, quoted(c.LargeAll))
	add(keyRouteTargets, quoted(c.RouteTargets))
	add(keyExtended, quoted(c.Extended))
	add(keyNeighbors, quoted(c.Neighbors))
	add(keyNexthops, quoted(c.Nexthops))
	add(keyInterfaces, quotedText(c.Interfaces))
	add(keyASPath, quoted(c.ASPath))
	return out
}

// settings are the changes that are made, in the order in which they are.
func (c *Changes) settings() (out []setting) {
	add := func(key keyName, value string, is bool) {
		if is {
			out = append(out, setting{key, false, value})
		}
	}
	list := func(key keyName, values []string, is bool) {
		add(key, "["+strings.Join(values, ", ")+"]", is)
	}
	if c.LocalPref != nil {
		add(keySetLocalPref, utoa(*c.LocalPref), true)
	}
	if c.MED != nil {
		add(keySetMED, utoa(*c.MED), true)
	}
	add(keyPrepend, utoa(uint32(c.Prepend)), c.Prepend > 0)
	add(keySetNexthop, quote(c.Nexthop.String()), c.Nexthop != Nexthop{})
	list(keySetCommunities, quoted(c.Communities.Set), c.Communities.Replace)
	list(keyRemoveCommunities, quoted(c.Communities.Remove), len(c.Communities.Remove) > 0)
	list(keyAddCommunities, quoted(c.Communities.Add), len(c.Communities.Add) > 0)
	list(keySetLarge, quoted(c.Large.Set), c.Large.Replace)
	list(keyRemoveLarge, quoted(c.Large.Remove), len(c.Large.Remove) > 0)
	list(keyAddLarge, quoted(c.Large.Add), len(c.Large.Add) > 0)
	add(keySetMetric, utoa(c.Metric), c.Metric > 0)
	var sources []string
	for _, a := range c.PrefSrc {
		if a.IsValid() {
			sources = append(sources, quote(a.String()))
		}
	}
	list(keySetPrefSrc, sources, len(sources) > 0)
	add(keySetWeight, utoa(c.Weight), c.Weight > 0)
	add(keyWeightBandwidth, "true", c.WeightBandwidth)
	return out
}

func (c *Conditions) keys() []keyName { return keysOf(c.settings()) }
func (c *Changes) keys() []keyName    { return keysOf(c.settings()) }

func keysOf(list []setting) []keyName {
	keys := make([]keyName, len(list))
	for i, s := range list {
		keys[i] = s.key
	}
	return keys
}

// conditions are those of the rule, the negated ones with not_.
func (r *Rule) conditions() []setting {
	out := r.When.settings()
	for _, s := range r.Unless.settings() {
		s.negated = true
		out = append(out, s)
	}
	return out
}

// Text is the policy as a configuration may write it. Two with the same text are the same.
func (d *Definition) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "name = %s\ndefault = %q\n", quote(d.Name), d.Default)
	for i := range d.Rules {
		r := &d.Rules[i]
		b.WriteString("\n[[rules]]\n")
		if r.Name != "" {
			fmt.Fprintf(&b, "name = %s\n", quote(r.Name))
		}
		for _, s := range r.conditions() {
			fmt.Fprintln(&b, s)
		}
		for _, s := range r.Set.settings() {
			fmt.Fprintln(&b, s)
		}
		fmt.Fprintf(&b, "action = %q\n", r.Action)
	}
	return b.String()
}

// words says the changes for a person: "sets local preference 200".
func (c *Changes) words() (out []string) {
	what := map[keyName]string{
		keySetLocalPref: "sets local preference ", keySetMED: "sets MED ", keySetMetric: "sets metric ", keySetWeight: "sets weight ",
	}
	for _, s := range c.settings() {
		switch s.key {
		case keyPrepend:
			out = append(out, "makes the AS path "+s.value+" longer")
		case keySetNexthop:
			out = append(out, "sets nexthop "+c.Nexthop.String())
		case keySetPrefSrc:
			out = append(out, "sets source address "+bare(s.value))
		case keyWeightBandwidth:
			out = append(out, "takes the weight from the link bandwidth")
		case keySetCommunities, keyAddCommunities, keyRemoveCommunities, keySetLarge, keyAddLarge, keyRemoveLarge:
			verb, kind, _ := strings.Cut(s.key.String(), "_")
			out = append(out, strings.TrimSpace(verb+"s "+strings.ReplaceAll(kind, "_", " ")+" "+bare(s.value)))
		default:
			out = append(out, what[s.key]+s.value)
		}
	}
	return out
}

// bare is a list without its brackets and quotes.
func bare(list string) string { return strings.ReplaceAll(strings.Trim(list, "[]"), `"`, "") }

func quoted[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = quote(v.String())
	}
	return out
}

func quotedText(list []string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = quote(v)
	}
	return out
}

func numbers(list []uint32) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = utoa(v)
	}
	return out
}

func protocols(list []uint8) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = quote(rib.ProtocolName(v))
	}
	return out
}

// quote renders text so that TOML and YAML read it back.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= math.MaxUint16:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func utoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
