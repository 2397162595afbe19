package conf

import (
	"reflect"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// Schema returns the keys of GoBGP's configuration file as a tree: for a
// section a nested map[string]any, for a list of sections a []any with one such
// map, for a value nil. Keys are in kebab-case, as GoBGP spells them. The tree
// is the caller's.
func Schema() map[string]any { return schemaOf(reflect.TypeFor[oc.BgpConfigSet]()) }

func schemaOf(t reflect.Type) map[string]any {
	tree := make(map[string]any, t.NumField())
	for f := range fieldsOf(t) {
		switch {
		case f.Type.Kind() == reflect.Struct:
			tree[tagOf(f)] = schemaOf(f.Type)
		case isSectionList(f.Type):
			tree[tagOf(f)] = []any{schemaOf(f.Type.Elem())}
		default:
			tree[tagOf(f)] = nil
		}
	}
	return tree
}

// fieldsOf yields the fields of a configuration struct that have a key.
func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); tagOf(f) != "" && !yield(f) {
				return
			}
		}
	}
}

func tagOf(f reflect.StructField) string { return f.Tag.Get("mapstructure") }

func isSectionList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}
