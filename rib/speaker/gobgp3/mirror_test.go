package gobgp3

import (
	"reflect"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/server"
)

// TestOtherInternals: what is not as expected is said, and not read.
func TestOtherInternals(t *testing.T) {
	type inner struct{ A, B uint32 }
	type theirs struct {
		Inner *inner
		Bytes []byte
		Flag  bool
		List  []theirsElem
	}
	for name, ours := range map[string]any{
		"a field more": struct {
			Inner *inner
			Bytes []byte
			Flag  bool
			List  []theirsElem
			More  int
		}{},
		"another name": struct {
			Inner *inner
			Text  []byte
			Flag  bool
			List  []theirsElem
		}{},
		"another type": struct {
			Inner *inner
			Bytes []uint16
			Flag  bool
			List  []theirsElem
		}{},
		"another order": struct {
			Inner *inner
			Flag  bool
			Bytes []byte
			List  []theirsElem
		}{},
		"another inner one": struct {
			Inner *struct{ B, A uint32 }
			Bytes []byte
			Flag  bool
			List  []theirsElem
		}{},
		"another element": struct {
			Inner *inner
			Bytes []byte
			Flag  bool
			List  []struct{ Y int }
		}{},
		"another kind": 5,
	} {
		if err := same(reflect.TypeFor[theirs](), reflect.TypeOf(ours)); err == nil || !strings.Contains(err.Error(), "v3.37.0") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := same(reflect.TypeFor[theirs](), reflect.TypeFor[struct {
		Inner *struct{ A, _ uint32 }
		_     []byte
		Flag  bool
		List  []struct{ X int }
	}]()); err != nil {
		t.Error(err)
	}
	var s shapes
	for _, ev := range []any{5, "x", nil, &bestEvent{}, &server.BgpServer{}} {
		if _, _, _, err := s.read(ev); err == nil {
			t.Errorf("%T is an event", ev)
		}
	}
	if follow(reflect.TypeFor[server.BgpServer](), "globalRib", "none") != nil || follow(reflect.TypeFor[theirs](), "Bytes") != nil {
		t.Error("there is a type where a field does not lead")
	}
}

type theirsElem struct{ X int }

// TestFilters: what a filter is called with must be as expected.
func TestFilters(t *testing.T) {
	for wrong, typ := range map[string]reflect.Type{
		"no map":          reflect.TypeFor[[]func(any) bool](),
		"another key":     reflect.TypeFor[map[int]func(any) bool](),
		"no function":     reflect.TypeFor[map[string]bool](),
		"another event":   reflect.TypeFor[map[string]func(*int) bool](),
		"a fuller event":  reflect.TypeFor[map[string]func(error) bool](),
		"more arguments":  reflect.TypeFor[map[string]func(any, any) bool](),
		"another answer":  reflect.TypeFor[map[string]func(any) int](),
		"no answer":       reflect.TypeFor[map[string]func(any)](),
		"several answers": reflect.TypeFor[map[string]func(any) (bool, error)](),
	} {
		if isFilters(typ) {
			t.Errorf("%s: %v passes", wrong, typ)
		}
	}
	type kind string
	type event interface{}
	if !isFilters(reflect.TypeFor[map[kind]func(event) bool]()) {
		t.Error("other names of the same do not pass")
	}
}
