package access

import (
	"fmt"
	"strings"
)

// Rule is the right that a caller needs for a method.
type Rule uint8

// The rules. Five are about some VRFs: One is for methods whose request names one VRF
// ("": the default VRF); Some for methods where "" stands for all VRFs that the caller may
// see, or change, and that then answer about these alone.
const (
	Denied     Rule = iota // nobody: the method has no rule
	Anyone                 // any caller with a role: the answer is about no VRF
	AdminOnly              //
	ReadAll                // admin or read: the answer is about every VRF
	ReadOne                //
	ReadSome               //
	ChangeOne              //
	ChangeSome             //
	MakeOne                // admin, provision, or a role of the VRF, which may change some fields
)

// rules has every method that is served. A method without a line here is denied to
// everyone. A method that a role of a VRF may call must answer about the role's VRFs
// alone.
var rules = map[string]Rule{
	"/vrfredist.v1.Redistribution/EnableRedistribution":  ChangeOne,
	"/vrfredist.v1.Redistribution/DisableRedistribution": ChangeOne,
	"/vrfredist.v1.Redistribution/GetRedistribution":     ReadOne,
	"/vrfredist.v1.Redistribution/ListVrfs":              ReadSome,
	"/vrfredist.v1.Redistribution/GetVrf":                ReadOne,
	"/vrfredist.v1.Redistribution/WatchVrfs":             ReadSome,
	"/vrfredist.v1.Redistribution/ListRoutes":            ReadOne,
	"/vrfredist.v1.Redistribution/ListNeighbors":         ReadSome,
	"/vrfredist.v1.Redistribution/WatchNeighbors":        ReadSome,
	"/vrfredist.v1.Redistribution/ListNeighborRoutes":    ReadSome,
	"/vrfredist.v1.Redistribution/ResetNeighbor":         ChangeSome,
	"/vrfredist.v1.Redistribution/DisableNeighbor":       ChangeSome,
	"/vrfredist.v1.Redistribution/EnableNeighbor":        ChangeSome,
	"/vrfredist.v1.Redistribution/GetLogLevel":           ReadAll,
	"/vrfredist.v1.Redistribution/SetLogLevel":           AdminOnly,
	"/vrfredist.v1.Redistribution/ListPolicies":          ReadSome, // of a VRF's role those that are called after the VRF
	"/vrfredist.v1.Redistribution/GetPolicy":             ReadSome,
	"/vrfredist.v1.Redistribution/GetConfig":             ReadSome, // of a VRF's role what is about the VRF
	"/vrfredist.v1.Redistribution/ExplainRoute":          ReadOne,
	"/vrfredist.v1.Redistribution/Resync":                ChangeSome,
	"/vrfredist.v1.Redistribution/Diagnose":              ReadAll,
	"/vrfredist.v1.Redistribution/Plan":                  AdminOnly, // of every VRF, as are the next two
	"/vrfredist.v1.Redistribution/Reload":                AdminOnly,
	"/vrfredist.v1.Redistribution/Confirm":               AdminOnly,
	"/vrfredist.v1.Redistribution/ApplyVrf":              MakeOne,
	"/vrfredist.v1.Redistribution/DeleteVrf":             MakeOne,
	"/vrfredist.v1.Redistribution/ApplyNeighbor":         MakeOne,
	"/vrfredist.v1.Redistribution/DeleteNeighbor":        MakeOne,
	"/vrfredist.v1.Redistribution/ListApplied":           ReadSome,
	"/vrfredist.v1.Redistribution/WatchAudit":            ReadAll,

	"/grpc.health.v1.Health/Check": ReadSome,
	"/grpc.health.v1.Health/List":  ReadSome,
	"/grpc.health.v1.Health/Watch": ReadSome,
}

// services have one rule for all of their methods, later ones too.
var services = map[string]Rule{
	"apipb.GobgpApi": AdminOnly, // GoBGP's own service knows no VRFs: its callers may do everything

	"grpc.reflection.v1.ServerReflection":      Anyone, // the list of methods, as the documentation has it
	"grpc.reflection.v1alpha.ServerReflection": Anyone,
}

// RuleOf returns the rule of a method, written /package.Service/Method.
func RuleOf(method string) Rule {
	if r, ok := rules[method]; ok {
		return r
	}
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return services[service]
}

// Audited tells whether calls of a method are written down: those that change something.
func Audited(method string) bool {
	if strings.HasSuffix(method, "/Plan") {
		return false
	}
	switch rules[method] {
	case ChangeOne, ChangeSome, MakeOne, AdminOnly:
		return true
	}
	return false
}

// smallRequest is the most that a request about one VRF may have, in bytes: there is room
// for a list of thousands of communities.
const smallRequest = 64 << 10

// MostOf is the size that a request of a method may have; most is that of any request.
func MostOf(method string, most int) int {
	if RuleOf(method) == AdminOnly {
		return most // a file to plan, paths to announce
	}
	return min(most, smallRequest)
}

// NoRole is why a caller without a role may do nothing.
func NoRole(c Caller) error {
	return fmt.Errorf("%s has no role; an administrator can give it one under [[netlink.api.roles]] of the configuration file", c)
}

// Enter judges a call before its request is read. The error says why it is
// refused.
func (g Grant) Enter(c Caller, method string) error {
	name := method[strings.LastIndexByte(method, '/')+1:]
	rule := RuleOf(method)
	switch {
	case g.None():
		return NoRole(c)
	case rule == Denied:
		return fmt.Errorf("nobody may call %s: it has no rule that says who may", name)
	case rule == AdminOnly && !g.Admin():
		return fmt.Errorf("%s has %s, and %s needs the role admin", c, g, name)
	case rule == ReadAll && !g.SeesAll():
		return fmt.Errorf("%s has %s, and %s, which is about every VRF, needs the role admin or read", c, g, name)
	case (rule == ChangeOne || rule == ChangeSome || rule == MakeOne) && !g.changesAny():
		return fmt.Errorf("%s has %s, which changes nothing: %s needs the role admin, or that of the VRF", c, g, name)
	}
	return nil
}

// Ask judges a request that names a VRF, or with "" none. A VRF that the caller
// may not see and one that does not exist get the same answer.
func (g Grant) Ask(c Caller, method, vrf, byDefault string) error {
	rule := RuleOf(method)
	if rule == Anyone && !g.None() {
		return nil
	}
	if vrf == "" {
		if rule == ReadSome || rule == ChangeSome {
			return nil
		}
		vrf = byDefault
	}
	var allowed bool
	switch rule {
	case ReadOne, ReadSome:
		allowed = g.Sees(vrf)
	case ChangeOne, ChangeSome:
		allowed = g.Changes(vrf)
	case MakeOne: // whether the VRF is one that a provisioner may make, who knows it says
		allowed = g.Changes(vrf) || g.Provisions() && vrf != byDefault
	case ReadAll:
		allowed = g.SeesAll()
	case AdminOnly:
		allowed = g.Admin()
	}
	if allowed {
		return nil
	}
	return fmt.Errorf("%s has %s, which does not cover the VRF that was asked for, %q", c, g, vrf)
}
