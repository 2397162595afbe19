package gobgp3

import (
	"reflect"
	"testing"
)

// TestSignatures: a linked method with another signature is refused.
func TestSignatures(t *testing.T) {
	path := reflect.PointerTo(pathType())
	m, has := path.MethodByName("Clone")
	for name, mirror := range map[string]any{
		"another parameter":  func(int) *bgpPath { return nil },
		"a parameter more":   func(bool, bool) *bgpPath { return nil },
		"another result":     func(bool) bool { return false },
		"no result":          func(bool) {},
		"another kind of it": func(bool) bgpPath { return bgpPath{} },
	} {
		var s signatures
		if s.check(path, "Clone", has, m, mirror); s.err == nil {
			t.Errorf("%s passes", name)
		}
	}
	var s signatures
	if s.check(path, "None", false, reflect.Method{}, func() {}); s.err == nil {
		t.Error("a method that is not there passes")
	}
}
