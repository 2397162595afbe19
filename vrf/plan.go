package vrf

import (
	"iter"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// PlanOp is the change that a plan makes to a thing.
type PlanOp uint8

// The operations of a plan.
const (
	PlanNone PlanOp = iota // the thing itself stays as it is
	PlanAdd
	PlanRemove
	PlanChange
)

func (o PlanOp) String() string {
	return [...]string{"", "add", "remove", "change"}[o]
}

// PlannedRoute is one change of a kernel table: a route that is replaced is a
// PlanRemove followed by a PlanAdd.
type PlannedRoute struct {
	Op     PlanOp
	Prefix netip.Prefix
	Text   string      // as `ip route` prints it, in one line
	Where  rib.Binding // of its table
}

// PlannedAnnouncement is one change of a VRF's announcements to BGP.
type PlannedAnnouncement struct {
	Op           PlanOp // PlanChange: with other attributes
	Announcement rib.Announcement
}

// PlanCounts count the changes of a plan.
type PlanCounts struct {
	Added, Removed, Changed, Kept     int // routes of kernel tables
	Announced, Withdrawn, Reannounced int // routes in BGP
}

// Changes is how many routes and announcements would change.
func (c PlanCounts) Changes() int {
	return c.Added + c.Removed + c.Changed + c.Announced + c.Withdrawn + c.Reannounced
}

// RouteLines is how many changes of routes there are, of which one that is replaced is two.
func (c PlanCounts) RouteLines() int { return c.Added + c.Removed + 2*c.Changed }

// Plus adds the counts of another VRF.
func (c PlanCounts) Plus(o PlanCounts) PlanCounts {
	return PlanCounts{
		c.Added + o.Added, c.Removed + o.Removed, c.Changed + o.Changed, c.Kept + o.Kept,
		c.Announced + o.Announced, c.Withdrawn + o.Withdrawn, c.Reannounced + o.Reannounced,
	}
}

// PlannedTable are the changes of one VRF's routes. Nobody changes it.
type PlannedTable struct {
	// Routes yields the changes ordered by prefix, and makes each as it is yielded; nil: there are
	// none. It is good as long as the rehearsal that it is of says.
	Routes        iter.Seq[PlannedRoute]
	Announcements []PlannedAnnouncement // ordered by prefix
	Counts        PlanCounts
	// Unreached and Confirmed are what the VRF's worker would tell BGP of its paths, on which
	// hangs what neighbours are told; of a VRF without a table nothing.
	Unreached map[rib.PathNexthop]struct{}
	Confirmed []netip.Prefix
	Notes     []string // on what the outcome depends that is not known before, a sentence each
}

// PlanKind is the kind of thing that a PlanItem changes.
type PlanKind string

// The kinds of items, in the order in which they come. The items of a VRF follow each
// other.
const (
	PlanSetting      PlanKind = "setting"
	PlanNeighbor     PlanKind = "neighbor"
	PlanVRF          PlanKind = "vrf"
	PlanRoute        PlanKind = "route"
	PlanAnnouncement PlanKind = "announcement"
	PlanOfVRF        PlanKind = "counts"  // of one VRF, behind its routes
	PlanHearer       PlanKind = "hearer"  // a neighbour that would be told otherwise, with counts
	PlanTold         PlanKind = "told"    // what it would be told, behind it
	PlanSummary      PlanKind = "summary" // the last item
)

// PlanItem is one change that a configuration would make.
type PlanItem struct {
	Kind    PlanKind
	Op      PlanOp
	VRF     string
	Text    string   // the thing in a line
	Details []string // the changes of the thing, a line each
	Notes   []string // on what the outcome depends that is not known before, or is worth knowing
	Prefix  netip.Prefix
	Where   rib.Binding // of a route
	// Neighbor is the neighbour of PlanHearer and PlanTold: its own address, where BGP has it
	// under an alias.
	Neighbor string
	Totals   *PlanTotals // of PlanOfVRF, PlanHearer and PlanSummary
}

// PlanTotals count the items of a VRF, or of a whole plan.
type PlanTotals struct {
	PlanCounts
	Told      ToldCounts
	Unlisted  int // routes, announcements and what neighbours are told that were not yielded
	VRFs      int // of the summary, as the two below
	Neighbors int
	Settings  int
}

// ToldCounts count of how many prefixes neighbours would be told otherwise, each neighbour by
// itself.
type ToldCounts struct{ Announced, Withdrawn, Changed int }

// Any tells whether there are any.
func (c ToldCounts) Any() bool { return c != ToldCounts{} }

// Plus adds the counts of another neighbour.
func (c ToldCounts) Plus(o ToldCounts) ToldCounts {
	return ToldCounts{c.Announced + o.Announced, c.Withdrawn + o.Withdrawn, c.Changed + o.Changed}
}

// PlanRequest asks what a configuration would change.
type PlanRequest struct {
	File    string // its name: the extension says the format
	Content []byte
	VRF     string // the routes of this VRF alone, and what its neighbours are told; "": of all
	Lines   int    // at most so many routes and announcements of a VRF; -1: all
}
