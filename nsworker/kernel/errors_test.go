package kernel

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

func TestErrorText(t *testing.T) {
	e := &Error{Op: rib.OpAdd, Route: route("10.0.0.0/24"), Errno: unix.ENETUNREACH, Text: "Nexthop has invalid gateway"}
	const want = `the kernel refused 10.0.0.0/24: network is unreachable ("Nexthop has invalid gateway")`
	if e.Error() != want {
		t.Errorf("%v\nwant: %s", e, want)
	}
	for _, tt := range []struct {
		op     rib.Op
		errno  unix.Errno
		exists bool
	}{
		{rib.OpAdd, unix.EEXIST, true}, {rib.OpReplace, unix.EEXIST, false}, {rib.OpAdd, unix.EINVAL, false},
	} {
		if got := errors.Is(&Error{Op: tt.op, Errno: tt.errno}, rib.ErrExists); got != tt.exists {
			t.Errorf("%v %v matches ErrExists: %v", tt.op, tt.errno, got)
		}
	}
}
