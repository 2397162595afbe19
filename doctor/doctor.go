// Package doctor finds the faults and risks of vrfredist on a host.
//
// It promises that each finding says in a sentence what is wrong, and has a command that
// mends it where one can, fit for a root shell; and that looking changes nothing. Begin
// reading at Judge, which is pure: facts in, findings out, so that each check is a row of
// a table in its test. It keeps no state: whoever asks gathers the Facts, of which
// ReadHost reads those that lie in files.
package doctor

import (
	"cmp"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Level says how bad a finding is.
type Level uint8

// The levels, the worst first.
const (
	// Broken: something that is configured does not work.
	Broken Level = iota
	// Risk: it works, and can lose traffic, or send it to the wrong tenant.
	Risk
	// Advice: it works, and could work better.
	Advice
)

func (l Level) String() string { return [...]string{"broken", "risk", "advice"}[l] }

// Finding is a fault, or a risk, with the way to mend it.
type Finding struct {
	Level   Level
	Check   string // which check found it: "capabilities", "rp-filter"
	Subject string // a VRF, a namespace or a device; "": the host
	What    string // the fault, in a sentence
	Why     string // why it matters
	// Mend is a shell command after which the finding is gone; "" where no
	// command can do it, and What says what to do.
	Mend string
}

// Space has the facts of one network namespace.
type Space struct {
	rib.Survey
	Err error // why it could not be looked at; where it matches rib.ErrAbsent: it is not there
}

// Drift is a difference between BGP's state and the configuration.
type Drift struct {
	Subject string // "neighbour 192.0.2.1"
	What    string // the difference, and who made it
	Added   bool   // it is in no configuration, and What says who added it
}

// Hint is what a configuration is likely to lack.
type Hint struct {
	At   string // a key, with its file and line: "f.toml:7: neighbors[0].config.peer-as"
	What string // in a sentence that goes on behind the key
}

// Overlooked is what may do less than it seems to.
type Overlooked struct {
	Hints    []Hint       // what the configuration is likely to lack
	Policies []vrf.Policy // of the running daemon
	// Sessions are the BGP neighbours of the running daemon, by VRF.
	Sessions map[string][]vrf.Session
	// ByDefault counts, by VRF, routes that are not resolved because a default route alone leads
	// to their nexthop; of the running daemon.
	ByDefault map[string]int
	// LeftOut is what was applied over the API and is not in force; of the running daemon.
	LeftOut []vrf.Layer
}

// Facts are the input of Judge. They are not changed afterwards.
type Facts struct {
	// File is the configuration's path; "": there is none, and what follows of
	// the configuration is empty.
	File      string
	Specs     []vrf.Spec // the VRFs to run
	Neighbors []rib.Neighbor
	Bound     []string // neighbours bound to an interface in a VRF, as config has them
	Open      []string // neighbours for whom another host may pose, as config.Config.Open has them
	Deaf      []string // VRFs with neighbours that import no route targets
	Overlooked
	BGPPort       uint16 // 0: BGP does not listen
	ManageSysctls bool

	// Running: the running daemon gathered the facts; otherwise another process did, which
	// looks for the daemon's sake.
	Running      bool
	States       []vrf.Status      // of the running daemon
	Rivals       []rib.Rival       // of its tables
	Drift        []Drift           // the same
	Limits       []vrf.PrefixLimit // the same
	Capabilities uint64
	Features     rib.Features
	Spaces       map[string]Space // by the netns of a binding, "" for the daemon's own
	Host         Host
	Carriage     Carriage

	tables *tables // Judge's
}

// Judge returns the findings, the worst first.
func Judge(f Facts) []Finding {
	f.tables = newTables(f)
	var all []Finding
	for _, check := range []func(Facts) []Finding{
		capabilities, features, places, states, sharedTables, rivals, guards, protocolRoutes, protocolNumber,
		carriage, sessions, settings, networkd, restart, passwords, drift, applied, limits, lost, deaf, unwanted,
		untargeted, patterns, loopback, defaultAlone, written, matchless,
	} {
		all = append(all, check(f)...)
	}
	Sort(all)
	return all
}

// Sort puts the worst first, and findings of one check beside each other.
func Sort(all []Finding) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Subject, b.Subject))
	})
}

// IsBroken tells whether something does not work.
func IsBroken(all []Finding) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return f.Level == Broken })
}

// netnsOf are the namespaces that the configuration names, the daemon's own
// first, each with its VRFs.
func (f Facts) netnsOf() []netnsVRFs {
	byName := map[string][]vrf.Spec{"": nil}
	for _, s := range f.Specs {
		byName[s.Binding.Netns] = append(byName[s.Binding.Netns], s)
	}
	out := make([]netnsVRFs, 0, len(byName))
	for name, specs := range byName {
		out = append(out, netnsVRFs{name, specs})
	}
	slices.SortFunc(out, func(a, b netnsVRFs) int { return cmp.Compare(a.netns, b.netns) })
	return out
}

type netnsVRFs struct {
	netns string
	specs []vrf.Spec
}

// in names a namespace in a sentence.
func in(netns string) string {
	if netns == "" {
		return "in the daemon's own namespace"
	}
	return "in netns " + netns
}
