package lab

import (
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// BIRD is a BIRD in a namespace. Its configurations here have no kernel
// protocol, where it is no PE: it speaks BGP and touches no kernel table.
type BIRD struct {
	*Process
	lab    *Lab
	config string
	socket string
}

func (b *BIRD) try(command string) (string, error) {
	args := append([]string{"-s", b.socket}, strings.Fields(command)...)
	out, err := b.lab.peer("birdc", args...).CombinedOutput()
	return string(out), err
}

// thousandths of a second are not told of: BIRD keeps monotonic times, works the wall's
// out whenever it shows one, and is a millisecond off at times.
var thousandths = regexp.MustCompile(`(\d\d:\d\d:\d\d)\.\d+`)

// attribute is how BIRD 3 names an attribute of a path: in BIRD 2 bgp_next_hop is
// BGP.next_hop, and bgp_path BGP.as_path.
var attribute = regexp.MustCompile(`(?m)^(\s+)bgp_(\w+:)`)

// asBIRD2 is what BIRD 3 prints, as BIRD 2 does.
func asBIRD2(printed string) string {
	return strings.ReplaceAll(attribute.ReplaceAllString(printed, "${1}BGP.$2"), "BGP.path:", "BGP.as_path:")
}

// Show runs a command of birdc. Times in what it prints are in seconds, and attributes are
// named as BIRD 2 does.
func (b *BIRD) Show(command string) string {
	b.lab.T.Helper()
	out, err := b.try(command)
	if err != nil {
		b.lab.T.Fatalf("birdc %s: %v: %s", command, err, out)
	}
	return asBIRD2(thousandths.ReplaceAllString(out, "$1"))
}

// Reconfigure replaces BIRD's configuration.
func (b *BIRD) Reconfigure(config string) {
	b.lab.T.Helper()
	b.lab.File(b.config, config)
	if out := b.Show("configure"); !strings.Contains(out, "Reconfigured") && !strings.Contains(out, "Reconfiguration in progress") {
		b.lab.T.Fatalf("bird refused its configuration: %s", out)
	}
}

var birdPrefix = regexp.MustCompile(`(?m)^([0-9a-f.:]+/[0-9]+)\s`)

// Path returns an attribute ("next_hop", "as_path") of the path that BIRD has of a prefix;
// "" where it has none.
func (b *BIRD) Path(prefix, attribute string) string {
	b.lab.T.Helper()
	// By a filter, because it is an error to name a network that is not there.
	for line := range strings.Lines(b.Show("show route where net = " + prefix + " all")) {
		if _, value, is := strings.Cut(line, "BGP."+attribute+":"); is {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Received returns the prefixes that BIRD holds from one of its protocols, sorted: each
// version has an order of its own.
func (b *BIRD) Received(protocol string) []string {
	b.lab.T.Helper()
	prefixes := []string{}
	for _, m := range birdPrefix.FindAllStringSubmatch(b.Show("show route protocol "+protocol), -1) {
		prefixes = append(prefixes, m[1])
	}
	sort.Strings(prefixes)
	return prefixes
}

var birdAttribute = regexp.MustCompile(`(?m)^\s+BGP\.(\w+): (.*)$`)

// Paths returns what BIRD holds from one of its protocols: the attributes ("next_hop", "as_path") of
// each prefix.
func (b *BIRD) Paths(protocol string) map[string]map[string]string {
	b.lab.T.Helper()
	out := b.Show("show route protocol " + protocol + " all")
	paths, found := make(map[string]map[string]string), birdPrefix.FindAllStringSubmatchIndex(out, -1)
	for i, at := range found {
		end := len(out)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		attributes := make(map[string]string)
		for _, m := range birdAttribute.FindAllStringSubmatch(out[at[0]:end], -1) {
			attributes[m[1]] = m[2]
		}
		paths[out[at[2]:at[3]]] = attributes
	}
	return paths
}

var birdLabel = regexp.MustCompile(`(?m)^\s+(?:BGP\.|bgp_)mpls_label_stack: (\d+)$`)

// Label is the label of the VPN route of a family ("4" or "6") that BIRD has in the table vpn_4 or vpn_6;
// 0: there is no such route, or it has more of them.
func (b *BIRD) Label(family, rd, prefix string) int {
	b.lab.T.Helper()
	m := birdLabel.FindAllStringSubmatch(b.Show("show route table vpn_"+family+" where net = "+rd+" "+prefix+" all"), -1)
	if len(m) != 1 {
		return 0
	}
	label, err := strconv.Atoi(m[0][1])
	if err != nil {
		b.lab.T.Fatal(err)
	}
	return label
}
