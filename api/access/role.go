// Package access decides which caller may use which method of the API: which roles the
// configuration gives a caller, and which of them a method needs.
//
// It promises that a method without a rule is denied, and that a VRF which a caller may
// not see is answered as one that does not exist. It is pure: it neither finds out who
// calls nor answers, and holds no state. Begin reading at Policy, which makes a caller's
// Grant, and at Grant.Enter and Grant.Ask, which judge a call before and after its
// request was read.
package access

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Role is a right that the configuration gives a caller: "admin" does everything,
// "read" sees everything, "provision" makes, sees and changes the VRFs that are made over the API,
// and "vrf:NAME" sees one VRF, and changes what is a tenant's own of it; the name may be a pattern.
type Role string

// The roles that are about no single VRF.
const (
	Admin     Role = "admin"
	Read      Role = "read"
	Provision Role = "provision"
)

const vrfPrefix = "vrf:"

// OfVRF is the role that covers one VRF.
func OfVRF(name string) Role { return Role(vrfPrefix + name) }

// Covers tells whether a role of one VRF is about a VRF.
func (r Role) Covers(vrf string) bool {
	name, of := r.VRF()
	if !of {
		return false
	}
	matches, err := path.Match(name, vrf)
	return name == vrf || err == nil && matches
}

// Pattern tells whether a role is about every VRF whose name matches.
func (r Role) Pattern() bool {
	name, of := r.VRF()
	return of && strings.ContainsAny(name, "*?[")
}

// VRF returns the VRF that a role covers, and whether it is a role of one VRF.
func (r Role) VRF() (string, bool) { return strings.CutPrefix(string(r), vrfPrefix) }

// ParseRole reads a role. Whether there is the VRF it does not know.
func ParseRole(text string) (Role, error) {
	r := Role(text)
	name, ofVRF := r.VRF()
	switch {
	case ofVRF && r.Pattern():
		if _, err := path.Match(name, ""); err != nil {
			return "", fmt.Errorf(`%q is no pattern; write a name with *, ? or a closed [a-z], as in "vrf:tenant-*"`, name)
		}
		return r, nil
	case r == Admin, r == Read, r == Provision, ofVRF && name != "":
		return r, nil
	case ofVRF:
		return "", errors.New(`"vrf:" names no VRF; write it behind the colon, as in "vrf:tenant-a"`)
	}
	return "", fmt.Errorf(`%q is no role; write "admin", "read", "provision", or "vrf:" and the name of a VRF`, text)
}

// Grant is the sum of a caller's roles. The zero value may
// do nothing.
type Grant struct {
	roles []Role // sorted, each once
	made  func(vrf string) bool
}

// Making returns a grant that knows which VRFs were made over the API: those of who provisions.
func (g Grant) Making(made func(vrf string) bool) Grant {
	g.made = made
	return g
}

// NewGrant joins roles.
func NewGrant(roles ...Role) Grant {
	roles = slices.Clone(roles)
	slices.Sort(roles)
	return Grant{roles: slices.Compact(roles)}
}

func (g Grant) has(r Role) bool { return slices.Contains(g.roles, r) }

// None tells whether there is no role at all.
func (g Grant) None() bool { return len(g.roles) == 0 }

// Admin tells whether everything is allowed.
func (g Grant) Admin() bool { return g.has(Admin) }

// SeesAll tells whether nothing has to be hidden from the caller.
func (g Grant) SeesAll() bool { return g.has(Admin) || g.has(Read) }

// Sees tells whether the caller may know of a VRF.
func (g Grant) Sees(vrf string) bool { return g.SeesAll() || g.covers(vrf) || g.provides(vrf) }

// Changes tells whether the caller may change a VRF.
func (g Grant) Changes(vrf string) bool { return g.Admin() || g.covers(vrf) || g.provides(vrf) }

// Provisions tells whether the caller may make VRFs.
func (g Grant) Provisions() bool { return g.Admin() || g.has(Provision) }

// Whole tells whether the caller may change all of a VRF: it is an administrator, or it provisions
// and the VRF was made over the API.
func (g Grant) Whole(vrf string) bool { return g.Admin() || g.provides(vrf) }

func (g Grant) covers(vrf string) bool {
	return slices.ContainsFunc(g.roles, func(r Role) bool { return r.Covers(vrf) })
}

func (g Grant) provides(vrf string) bool { return g.has(Provision) && g.made != nil && g.made(vrf) }

// Equal tells whether two grants allow the same.
func (g Grant) Equal(o Grant) bool { return slices.Equal(g.roles, o.roles) }

// changesAny tells whether there is a VRF that the caller may change, be it one
// that is not configured.
func (g Grant) changesAny() bool {
	return slices.ContainsFunc(g.roles, func(r Role) bool { _, of := r.VRF(); return r == Admin || r == Provision || of })
}

// String reads "no role", "the role read", "the roles vrf:a and vrf:b".
func (g Grant) String() string {
	switch n := len(g.roles); n {
	case 0:
		return "no role"
	case 1:
		return "the role " + string(g.roles[0])
	default:
		var s []string
		for _, r := range g.roles[:n-1] {
			s = append(s, string(r))
		}
		return "the roles " + strings.Join(s, ", ") + " and " + string(g.roles[n-1])
	}
}
