// Package vrf has a VRF's configuration (Spec), its state (Status), and the Supervisor
// that keeps exactly the configured workers running. It makes workers through a Factory
// and knows them by the Worker interface alone.
//
// It promises that a worker which fails, panics or hangs costs no other: it is
// restarted with backoff, its status says why, and what it reported before counts
// on. Of one table there is one worker at a time; the next one starts when the
// one before it has taken its routes out.
//
// The Supervisor owns the statuses; what it hands out are snapshots. A worker owns
// its table, and what it says of itself (WorkerStatus) is taken over whole.
//
// Begin at Spec and Status here, then Supervisor.Begin (supervisor.go), and the life
// of one worker (keeper.go).
package vrf

import (
	"cmp"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Default is the name of the VRF that stands for the global routing table.
const Default = "default"

// OnExit rules whether a VRF's kernel routes stay when the daemon ends.
type OnExit uint8

// Keep leaves them for the next start to adopt; Remove takes them out.
const (
	Keep OnExit = iota
	Remove
)

// Spec is the validated configuration of one VRF. It is a value: a Spec that was handed
// on is not changed, nor are the slices in it.
type Spec struct {
	Name string
	// VRF is the VRF of GoBGP whose routes these are, where it is not Name: the
	// routes of one VRF can go to secondary tables than its own. Such a Spec
	// imports nothing, and its nexthops are resolved in its own table, or else in
	// that of the VRF. "" is Name.
	VRF       string
	RD        rib.RD // zero for Default
	ImportRTs []rib.RT
	ExportRTs []rib.RT
	Binding   rib.Binding
	// Makes is the VRF device of Binding, where the daemon makes it.
	Makes  rib.OwnDevice
	Import rib.ImportPolicy
	Export rib.ExportPolicy
	// Leaks are what the VRF takes of others beside its route targets, at most one rule for
	// each of them.
	Leaks      []rib.LeakRule
	Originates rib.Origination
	// Carriage is how its packets get to other PEs.
	Carriage rib.Carriage
	// Customers says of a VRF with a Carriage that it has neighbours of its own, who are told what
	// other PEs sent.
	Customers bool

	// MaxPrefixes is how many prefixes all sessions of the VRF may send together; 0:
	// any number.
	MaxPrefixes uint32

	Protocol       uint8         // of our routes: 5 to 255
	NexthopObjects bool          // hang routes on nexthop objects, where the kernel has them
	ResyncInterval time.Duration // of the slow reconcile
	SweepDelay     time.Duration // how long an adopted route may stay unheard of
	OnExit         OnExit
}

// Of is the VRF of GoBGP whose routes these are.
func (s Spec) Of() string { return cmp.Or(s.VRF, s.Name) }

// Untargeted tells whether nothing of BGP gets into the VRF's table, because it names no route
// targets and no VRF that leaks into it.
func (s *Spec) Untargeted() bool {
	return s.Export.Enabled && s.Of() != Default && len(s.ImportRTs) == 0 && len(s.Leaks) == 0
}

// LeakFrom is the rule by which paths of another VRF come in; false: there is none.
func (s *Spec) LeakFrom(vrf string) (rib.LeakRule, bool) {
	for _, l := range s.Leaks {
		if l.From == vrf {
			return l, true
		}
	}
	return rib.LeakRule{}, false
}

// SpecsByName has each of specs under its name.
func SpecsByName(specs []Spec) map[string]Spec {
	m := make(map[string]Spec, len(specs))
	for _, s := range specs {
		m[s.Name] = s
	}
	return m
}

// State is the state of a VRF.
type State string

// The states of a VRF.
const (
	Pending  State = "pending"  // its namespace, device or table is not there: Status.Reason says which
	Syncing  State = "syncing"  // reading the table, or taking in BGP's routes for the first time
	Ready    State = "ready"    // BGP and the kernel agree
	Degraded State = "degraded" // they agree but for some routes: Status.Counts says how many
	Failed   State = "failed"   // the worker ended in an error: Reason says which, Retry when it runs again
)

// Counts are the numbers of routes of a VRF in one family. They are a snapshot.
type Counts struct {
	Paths      int // prefixes that BGP has for this VRF
	Imported   int // kernel routes announced to BGP
	Installed  int
	Filtered   int
	Unresolved int
	Conflict   int
	OverQuota  int
	Failed     int
	Stale      int
	Foreign    int // foreign routes in the table
}

// Plus adds two counts.
func (c Counts) Plus(o Counts) Counts {
	return Counts{
		c.Paths + o.Paths, c.Imported + o.Imported, c.Installed + o.Installed, c.Filtered + o.Filtered, c.Unresolved + o.Unresolved,
		c.Conflict + o.Conflict, c.OverQuota + o.OverQuota, c.Failed + o.Failed, c.Stale + o.Stale, c.Foreign + o.Foreign,
	}
}

// Status is how a VRF fares: an immutable snapshot.
type Status struct {
	Spec Spec
	WorkerStatus
	Since    time.Time // when State was entered
	Retry    time.Time // Failed: when the worker runs again
	Restarts int       // of the worker, since the VRF was configured
	Sessions SessionCount
}

// WorkerStatus is the status that a worker reports. It is copied whole and compared with
// ==, so that a field which is added here reaches every reader.
type WorkerStatus struct {
	State     State
	Reason    string // for Pending, Degraded and Failed: one sentence
	ToTenant  string // Reason without what it says of the core; "": it says nothing of it
	Table     uint32 // the table in use; 0 while there is none
	Counts    rib.ByFamily[Counts]
	Totals    Totals // of this worker; in a Status of all workers since the VRF was configured
	Contested Contested
	Progress  Progress // of long work
	Objects   int      // nexthop objects of the kernel that are this VRF's
	Carried   Carried
}

// Carried is how a VRF's packets get to other PEs now; the zero value where they go plainly.
type Carried struct {
	Endpoints int  // other PEs that the VXLAN device has entries for
	Device    bool // its device, or with MPLS and SRv6 its label or SIDs and what leads to the core, is as it has to be
}

// Confined returns s as one may see it who may know of the VRF alone: without the core's
// addresses. What the VRF has on the wire, and its VXLAN device, stay.
func (s Status) Confined() Status {
	c := &s.Spec.Carriage
	c.Core, c.Router, c.Through, c.Awaits = rib.Core{}, rib.MAC{}, rib.Through{}, ""
	c.SRv6 = rib.SRv6{SID: c.SRv6.SID, SID6: c.SRv6.SID6, Trusted: c.SRv6.Trusted}
	s.Reason, s.ToTenant = cmp.Or(s.ToTenant, s.Reason), ""
	return s
}

// Contested counts the routes and objects that are left alone for a while, because
// another program keeps changing them.
type Contested struct {
	Routes    int // of ours
	Strangers int // routes that the other program adds under our protocol
	Nexthops  int // nexthop objects of ours
}

// Progress is how far long work is, such as a first sync. The zero Progress:
// there is none.
type Progress struct {
	Phase       string // "reading the table"
	Done, Total int    // Total 0: not known
}
