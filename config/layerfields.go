package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/vrf"
)

// badField says why a path names no field; "": it does.
func badField(key vrf.LayerKey, path string) string {
	var known any = tenantFieldsSchema()
	if key.Neighbor {
		known = neighborFieldsSchema()
	}
	if path == "name" || path == "address" {
		return fmt.Sprintf("%q says which one it is, and cannot be changed; apply another one", path)
	}
	for _, part := range strings.Split(path, ".") {
		in, is := known.(schema)
		if !is && known == nil && key.Neighbor && strings.HasPrefix(path, "more.") {
			return "" // GoBGP's schema says more of it when it is read
		}
		sub, has := in[canonical(part)]
		if !is || !has {
			near, distance := nearest(part, strings.Split(snake(strings.Join(slices.Sorted(maps.Keys(in)), " ")), " "))
			if len(in) > 0 && distance <= max(2, len(part)/3) {
				return fmt.Sprintf("%q is no field; did you mean %s?", path, near)
			}
			return fmt.Sprintf("%q is no field", path)
		}
		known = sub
	}
	return ""
}

// Fields are the paths of the fields of a VRF's section, or of a neighbour's. Those in lists of
// sections have [] behind the list's name.
func Fields(neighbor bool) []string {
	if neighbor {
		return fieldsOf(neighborFieldsSchema(), "")
	}
	return fieldsOf(tenantFieldsSchema(), "")
}

func fieldsOf(known schema, at string) (list []string) {
	for _, key := range slices.Sorted(maps.Keys(known)) {
		path := join(at, snake(key))
		switch sub := known[key].(type) {
		case schema:
			list = append(list, fieldsOf(sub, path)...)
		case []any:
			item, _ := sub[0].(schema)
			list = append(list, fieldsOf(item, path+"[]")...)
		default:
			list = append(list, path)
		}
	}
	return list
}

// tenantFieldsSchema are the fields of a VRF's section.
func tenantFieldsSchema() schema {
	of, _ := netlinkSchema()["vrfs"].([]any)[0].(schema)
	all := maps.Clone(of)
	for _, key := range tenantFields[:4] {
		all[key] = nil
	}
	all["policies"] = policySchema()
	return all
}

func neighborFieldsSchema() schema {
	all := schema{"more": nil}
	for _, f := range neighborFields {
		all[f.field] = nil
	}
	return all
}

// withPath adds a path to some, of which none covers another.
func withPath(paths []string, path string) []string {
	var out []string
	for _, p := range paths {
		if p == path || strings.HasPrefix(path, p+".") {
			return paths
		}
		if !strings.HasPrefix(p, path+".") {
			out = append(out, p)
		}
	}
	out = append(out, path)
	slices.Sort(out)
	return out
}

// concern tells whether fields say something of a section; none say all.
func concern(fields []string, section string) bool {
	return len(fields) == 0 || slices.ContainsFunc(fields, func(f string) bool {
		return f == section || strings.HasPrefix(f, section+".")
	})
}

// difference is a field that two sections have otherwise; nil: one has it not.
type difference struct{ was, is any }

// differing are the fields that two sections have otherwise, by path.
func differing(before, after map[string]any, at string) map[string]difference {
	all := make(map[string]difference)
	keys := slices.Collect(maps.Keys(before))
	for _, key := range append(keys, slices.Collect(maps.Keys(after))...) {
		a, b := before[key], after[key]
		was, sectionA := a.(map[string]any)
		is, sectionB := b.(map[string]any)
		switch {
		case sectionA && (sectionB || b == nil), sectionB && a == nil:
			maps.Copy(all, differing(was, is, join(at, key)))
		case !reflect.DeepEqual(a, b):
			all[join(at, key)] = difference{a, b}
		}
	}
	return all
}
