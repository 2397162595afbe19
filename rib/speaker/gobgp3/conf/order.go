package conf

import (
	"reflect"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/server"
)

// neighborsFirst has each statement look at the neighbour before anything else. GoBGP looks
// at the prefix first, for which it makes a string of it, and most statements are about
// other neighbours. All conditions of a statement have to hold, in whatever order. Where
// GoBGP's structs are others than these, the order stays.
func neighborsFirst(policies unsafe.Pointer) {
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
			conditions := fieldOf(statements.Index(i), "Conditions", reflect.Slice)
			for n := range lengthOf(conditions) {
				c := conditions.Index(n)
				if c.Kind() == reflect.Interface && !c.IsNil() && c.Elem().Type().String() == "*table.NeighborCondition" {
					toFront(conditions, n)
				}
			}
		}
	}
}

// fieldOf is a field of the struct that a pointer leads to; invalid: it has none such.
func fieldOf(pointer reflect.Value, name string, kind reflect.Kind) reflect.Value {
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() || pointer.Elem().Kind() != reflect.Struct {
		return reflect.Value{}
	}
	f := pointer.Elem().FieldByName(name)
	if !f.IsValid() || f.Kind() != kind {
		return reflect.Value{}
	}
	return f
}

func lengthOf(list reflect.Value) int {
	if !list.IsValid() {
		return 0
	}
	return list.Len()
}

// toFront moves an element of a slice of interfaces, which reflection does not let be set,
// before the others.
func toFront(list reflect.Value, n int) {
	type iface [2]unsafe.Pointer
	all := unsafe.Slice((*iface)(list.UnsafePointer()), list.Len())
	first := all[n]
	copy(all[1:n+1], all[:n])
	all[0] = first
}
