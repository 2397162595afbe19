package speaker

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Kind is the kind of a Thing.
type Kind string

// The kinds of things that a configuration claims to be in BGP.
const (
	KindVRF        Kind = "VRF"
	KindNeighbor   Kind = "neighbour"
	KindGroup      Kind = "peer group"
	KindDynamic    Kind = "dynamic neighbours"
	KindSet        Kind = "defined set"
	KindPolicy     Kind = "policy"
	KindAssignment Kind = "policy assignment"
)

// Thing is something that a configuration claims to be in BGP.
type Thing struct {
	Kind Kind
	Name string
}

// Difference is a thing of the configuration that BGP has no more, or otherwise,
// because another client of the API changed it.
type Difference struct {
	Kind    Kind
	Name    string // of a neighbour: the address that BGP calls it by
	Shown   string // what people call it, where that is another name
	VRF     string // whose it is; "": it concerns every VRF
	PeerAS  uint32 // of a neighbour
	Missing bool   // else it is there, and is another
	Keys    []string
	By      string // who did it; "": nobody saw it
	Since   time.Time
}

// Thing is the thing that differs.
func (d Difference) Thing() Thing { return Thing{d.Kind, d.Name} }

// String says how BGP differs, and who made it so.
func (d Difference) String() string {
	name := fmt.Sprintf("%s %s", d.Kind, cmp.Or(d.Shown, d.Name))
	if d.Kind == KindVRF {
		name = fmt.Sprintf("%s %q", d.Kind, d.Name)
	}
	return name + ": " + d.Reason()
}

// Reason is String without the name.
func (d Difference) Reason() string {
	is, did := "BGP has another one than the configuration", "changed"
	if d.Missing {
		is, did = "BGP has it no more", "deleted"
	}
	if len(d.Keys) > 0 {
		is += " (" + strings.Join(d.Keys, ", ") + ")"
	}
	if d.By == "" {
		return is
	}
	return fmt.Sprintf("%s: %s by %s", is, did, d.By)
}

// Addition is something in BGP that is of no configuration: another client of the API
// added it, and it stays until one deletes it, or the daemon ends.
type Addition struct {
	Kind     Kind
	Name, By string
}
