package vrf

import (
	"errors"
	"strings"
	"time"
)

// LayerKey says which VRF or neighbour something that was applied over the API is about.
type LayerKey struct {
	Neighbor bool
	// Name of a VRF, or address of a neighbour, with @ and the namespace of its session behind it
	// where it has one.
	Name string
	// Template: it is not about what was applied, but about the VRF that a template makes of a
	// namespace or VRF device, which is below the file.
	Template bool
}

// String names it in a message.
func (k LayerKey) String() string {
	if k.Neighbor {
		return "neighbour " + k.Name
	}
	if k.Template {
		return `VRF "` + k.Name + `" of a template`
	}
	return `VRF "` + k.Name + `"`
}

// NeighborKey is the key of a neighbour with a session in a namespace; "": in the daemon's own.
func NeighborKey(address, netns string) LayerKey {
	if netns != "" {
		address += "@" + netns
	}
	return LayerKey{Neighbor: true, Name: address}
}

// Address is that of a neighbour's key, and the namespace.
func (k LayerKey) Address() (address, netns string) {
	address, netns, _ = strings.Cut(k.Name, "@")
	return address, netns
}

// ApplyRequest asks that a VRF or a neighbour is as it says, whatever the file says of it.
type ApplyRequest struct {
	Key LayerKey
	// Section is a JSON object with the keys of the configuration, as the API's VrfSpec and
	// NeighborSpec have them.
	Section []byte
	// Fields are those that Section is about: "rd", "export.metric". None: it is the whole.
	Fields []string
	// Generation is the one that must be in place: 0, that nothing was applied. nil: any.
	Generation *uint64
	// Alone: there may be nothing of the file below it.
	Alone bool
	// Owner marks who applied it; "": nobody in particular.
	Owner string
	// May says why a field may not be changed from one value to another; nil: every field may be.
	May func(field string, was, value any) error
}

// DeleteRequest asks that what was applied to a VRF or a neighbour goes.
type DeleteRequest struct {
	Key        LayerKey
	Generation *uint64
	May        func(field string, was, value any) error // as in ApplyRequest
}

// Layer is what was applied over the API to one VRF or neighbour, without its values.
type Layer struct {
	Key        LayerKey
	VRF        string   // that it is about: of a neighbour the VRF of its session
	Fields     []string // none: the whole
	Made       bool     // nothing is below it
	Generation uint64
	Owner      string
	Changed    time.Time
	// Failed says why it is not in force, where it is not: what is below it is.
	Failed string
}

// FieldFault is what is wrong with one field of a request.
type FieldFault struct {
	Field string // "" where the whole is wrong
	Why   string
}

// FieldFaults is the error of a request that cannot be applied as it is. Nothing of it was.
type FieldFaults []FieldFault

func (f FieldFaults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.Why
		if one.Field != "" {
			lines[i] = one.Field + ": " + one.Why
		}
	}
	return strings.Join(lines, "\n")
}

// ErrStale is matched by the error of a request whose generation is not the one in place.
var ErrStale = errors.New("it was changed since")

// ErrNothingApplied is matched by the error of a deletion of what was never applied.
var ErrNothingApplied = errors.New("nothing was applied over the API to it")

// ErrBelow is matched by the error of a request about what the file has, of who may make others
// alone.
var ErrBelow = errors.New("the configuration file has it")

// Incomplete is the error of a change that is in force although not all of it went well.
type Incomplete struct{ Err error }

func (e *Incomplete) Error() string { return e.Err.Error() }
func (e *Incomplete) Unwrap() error { return e.Err }
