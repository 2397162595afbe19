package gobgp3

import (
	"fmt"
	"reflect"
)

// same compares a type of GoBGP with our mirror of it, and the types in them.
func same(theirs, ours reflect.Type) error {
	return sameSince(theirs, ours, make(map[reflect.Type]bool))
}

func sameSince(theirs, ours reflect.Type, seen map[reflect.Type]bool) error {
	if theirs == ours || seen[ours] || ours.Kind() == reflect.UnsafePointer && theirs.Kind() == reflect.Pointer {
		return nil
	}
	if theirs.Kind() != ours.Kind() || theirs.Size() != ours.Size() {
		return internalsError("%s is not as %s", theirs, ours)
	}
	switch ours.Kind() {
	case reflect.Pointer, reflect.Slice:
		return sameSince(theirs.Elem(), ours.Elem(), seen)
	case reflect.Map:
		if err := sameSince(theirs.Key(), ours.Key(), seen); err != nil {
			return err
		}
		return sameSince(theirs.Elem(), ours.Elem(), seen)
	case reflect.Chan:
		if theirs.ChanDir() == ours.ChanDir() {
			return sameSince(theirs.Elem(), ours.Elem(), seen)
		}
	case reflect.Func:
		return sameFunc(theirs, ours, seen)
	case reflect.Interface:
		if theirs.NumMethod() == 0 && ours.NumMethod() == 0 {
			return nil
		}
	case reflect.Int, reflect.String:
		return nil // a type of their own with nothing in it
	case reflect.Struct:
		return sameStruct(theirs, ours, seen)
	}
	return internalsError("%s is not %s", theirs, ours)
}

// sameFunc compares the types of functions.
func sameFunc(theirs, ours reflect.Type, seen map[reflect.Type]bool) error {
	if theirs.NumIn() != ours.NumIn() || theirs.NumOut() != ours.NumOut() || theirs.IsVariadic() != ours.IsVariadic() {
		return internalsError("%s is not as %s", theirs, ours)
	}
	for i := range ours.NumIn() {
		if err := sameSince(theirs.In(i), ours.In(i), seen); err != nil {
			return err
		}
	}
	for i := range ours.NumOut() {
		if err := sameSince(theirs.Out(i), ours.Out(i), seen); err != nil {
			return err
		}
	}
	return nil
}

// sameStruct compares structs field by field; _ in ours stands for any name.
func sameStruct(theirs, ours reflect.Type, seen map[reflect.Type]bool) error {
	seen[ours] = true
	if theirs.NumField() != ours.NumField() {
		return internalsError("%s has %d fields, want %d", theirs, theirs.NumField(), ours.NumField())
	}
	for i := range ours.NumField() {
		t, o := theirs.Field(i), ours.Field(i)
		if t.Offset != o.Offset || o.Name != "_" && t.Name != o.Name {
			return internalsError("field %d of %s is %s, want %s", i, theirs, t.Name, o.Name)
		}
		if err := sameSince(t.Type, o.Type, seen); err != nil {
			return err
		}
	}
	return nil
}

// follow returns the type that a path of fields leads to, through pointers, lists
// and maps; nil: nowhere.
func follow(t reflect.Type, fields ...string) reflect.Type {
	for _, name := range fields {
		f, has := t.FieldByName(name)
		if !has {
			return nil
		}
		t = f.Type
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil
		}
	}
	return t
}

func internalsError(format string, args ...any) error {
	return fmt.Errorf("the GoBGP in this program is not the one that it was written for, "+gobgpVersion+", whose insides it reads: "+format, args...)
}

// gobgpVersion is the GoBGP that this package was written for.
const gobgpVersion = "v3.37.0"
