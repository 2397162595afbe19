package conf

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// Graceful shutdown (RFC 8326). Of a neighbour whose session is about to be ended here the paths get
// LOCAL_PREF 0, so that any other is preferred, and what it is told carries the community (4.1 and
// 4.2); one of our AS is told LOCAL_PREF 0 as well. The statements stand before those of neighbours
// and of the file, whose own LOCAL_PREF is the last word. What a neighbour itself marks with the
// community is the guard's (4.3; guard/shutdown.go).

const (
	setDraining    = ruleName + "draining"
	setDrainInside = ruleName + "draining, inside"
	shutdown       = "65535:0"
)

// least is LOCAL_PREF in the statements until GoBGP has made its own of them: it takes a 0
// for none that is to be set (NewLocalPrefAction in internal/pkg/table/policy.go).
const least = 1

// addDraining writes the statements.
func addDraining(r *rules, c *Config) {
	pref := oc.Actions{BgpActions: oc.BgpActions{SetLocalPref: least}}
	draining := func(p party) bool { return slices.Contains(c.Extras.Draining, p.name) }
	if len(c.Extras.Draining) == 0 || !r.neighbors(setDraining, draining) {
		return
	}
	r.words[setDraining] = "the neighbour's graceful shutdown (RFC 8326)"
	r.in = append(r.in, oc.Statement{Name: setDraining, Conditions: to(setDraining), Actions: pref})
	tell := oc.Actions{BgpActions: oc.BgpActions{SetCommunity: oc.SetCommunity{
		Options:            string(oc.BGP_SET_COMMUNITY_OPTION_TYPE_ADD),
		SetCommunityMethod: oc.SetCommunityMethod{CommunitiesList: []string{shutdown}},
	}}}
	r.words[setDraining+", out"] = r.words[setDraining]
	r.out = append(r.out, oc.Statement{Name: setDraining + ", out", Conditions: to(setDraining), Actions: tell})
	if r.neighbors(setDrainInside, func(p party) bool { return draining(p) && p.inside() }) {
		r.words[setDrainInside] = r.words[setDraining]
		r.out = append(r.out, oc.Statement{Name: setDrainInside, Conditions: to(setDrainInside), Actions: pref})
	}
}

// leastPreferred puts the LOCAL_PREF 0 into the statements, of GoBGP's own policies. Where
// its structs are others than these, they have the least that can be configured.
func leastPreferred(policies unsafe.Pointer) {
	field, has := reflect.TypeFor[server.BgpServer]().FieldByName("policy")
	if !has || field.Type.Kind() != reflect.Pointer {
		return
	}
	all := reflect.NewAt(field.Type.Elem(), policies).Elem().FieldByName("policyMap")
	if all.Kind() != reflect.Map {
		return
	}
	for _, key := range all.MapKeys() {
		statements := fieldOf(all.MapIndex(key), "Statements", reflect.Slice)
		for i := range lengthOf(statements) {
			name := fieldOf(statements.Index(i), "Name", reflect.String)
			if !name.IsValid() || !slices.Contains([]string{setDraining, setDrainInside}, name.String()) {
				continue
			}
			actions := fieldOf(statements.Index(i), "ModActions", reflect.Slice)
			for n := range lengthOf(actions) {
				a := actions.Index(n)
				if a.Kind() != reflect.Interface || a.IsNil() || a.Elem().Type().String() != "*table.LocalPrefAction" {
					continue
				}
				if v := fieldOf(a.Elem(), "value", reflect.Uint32); v.IsValid() && v.CanAddr() {
					*(*uint32)(unsafe.Pointer(v.UnsafeAddr())) = 0
				}
			}
		}
	}
}
