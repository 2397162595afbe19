package nexthop

import (
	"reflect"
	"testing"
)

// TestSizes: what a VRF has for each other PE stays within the size that Go's allocator rounds it up to
// today.
func TestSizes(t *testing.T) {
	for _, tc := range []struct {
		of   reflect.Type
		most uintptr
	}{{reflect.TypeFor[Way](), 416}, {reflect.TypeFor[Set](), 256}, {reflect.TypeFor[Forwarding](), 64}, {reflect.TypeFor[object](), 32}} {
		if n := tc.of.Size(); n > tc.most {
			t.Errorf("a %v has %d bytes, and may have %d", tc.of, n, tc.most)
		}
	}
}
