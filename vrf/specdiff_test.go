package vrf

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Every key of a Spec that differs is named: a new field that is not would make
// a plan say too little.
func TestDifferencesNameEveryField(t *testing.T) {
	t.Parallel()
	var walk func(spec *Spec, v reflect.Value, path string)
	walk = func(spec *Spec, v reflect.Value, path string) {
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[rib.Binding]() && v.NumField() > 0 && v.Type().PkgPath() != "net/netip" {
			for i := range v.NumField() {
				walk(spec, v.Field(i), path+"."+v.Type().Field(i).Name)
			}
			return
		}
		if v.Kind() == reflect.Array && v.Type() != reflect.TypeFor[rib.MAC]() { // by family
			for i := range v.Len() {
				walk(spec, v.Index(i), fmt.Sprintf("%s[%s]", path, rib.Family(i)))
			}
			return
		}
		if path == ".Name" {
			return
		}
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		set(t, v, path)
		if got := (Spec{}).Differences(*spec); len(got) != 1 {
			t.Errorf("with another %s the differences are %q, want one", path, got)
		}
		v.Set(old)
	}
	var spec Spec
	walk(&spec, reflect.ValueOf(&spec).Elem(), "")
	if got := spec.Differences(spec); len(got) != 0 {
		t.Errorf("a spec differs from itself: %q", got)
	}
}

// set gives a field a value that is not its zero.
func set(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	if v.Type() == reflect.TypeFor[rib.Judge]() {
		v.Set(reflect.ValueOf(someJudge{}))
		return
	}
	switch v.Interface().(type) {
	case rib.MAC:
		v.Set(reflect.ValueOf(rib.MAC{2}))
		return
	case rib.Binding:
		v.Set(reflect.ValueOf(rib.Binding{Table: 7}))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("2001:db8::/64")))
		return
	case time.Duration:
		v.SetInt(int64(time.Second))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.String:
		v.SetString("x")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		addr := "2001:db8::1"
		if path == ".Export.PrefSrc[ipv4]" {
			addr = "192.0.2.1"
		}
		if err := v.Addr().Interface().(interface{ UnmarshalText([]byte) error }).UnmarshalText([]byte(addr)); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("%s: no value for a %s", path, v.Type())
	}
}

type someJudge struct{}

func (someJudge) Name() string                               { return "to-kernel" }
func (someJudge) String() string                             { return "to-kernel (1 rule)" }
func (someJudge) Judge(rib.Subject, *rib.Hearing) rib.Ruling { return rib.Ruling{} }
