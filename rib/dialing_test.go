package rib

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestDialing: each failure says what to look at, in the same words wherever the session runs.
func TestDialing(t *testing.T) {
	plain := Dialing{Port: 179, Local: netip.MustParseAddr("192.0.2.1"), Where: "here"}
	inside := Dialing{Port: 1790, Local: netip.MustParseAddr("10.0.0.1"), Password: true, Where: "in that namespace"}
	for _, tc := range []struct {
		of   Dialing
		err  error
		want string
	}{
		{plain, syscall.ECONNREFUSED, "it refuses connections on port 179; does BGP run there, and does it expect us as 192.0.2.1?"},
		{Dialing{Port: 179, Where: "here"}, syscall.ECONNREFUSED, "it refuses connections on port 179; does BGP run there?"},
		{inside, os.NewSyscallError("connect", syscall.ECONNREFUSED), "it refuses connections on port 1790; does BGP run there, and does it expect us as 10.0.0.1?"},
		{plain, syscall.ECONNRESET, "it reset the connection; does it expect us as 192.0.2.1?"},
		{plain, syscall.ETIMEDOUT, "the connection timed out; is the peer up, and does it want a password?"},
		{plain, os.ErrDeadlineExceeded, "the connection timed out; is the peer up, and does it want a password?"},
		{inside, syscall.ETIMEDOUT, "the connection timed out; is the password the same on both sides?"},
		{Dialing{TTLSecurity: true}, syscall.ETIMEDOUT, "the connection timed out; is the peer up, and does it have TTL security too?"},
		{plain, syscall.EHOSTUNREACH, "there is no way to it; look at the routes and links here"},
		{inside, syscall.ENETUNREACH, "there is no way to it; look at the routes and links in that namespace"},
		{plain, syscall.EADDRNOTAVAIL, "our address 192.0.2.1 is on no interface here; add it, or change local-address"},
		{inside, syscall.EADDRNOTAVAIL, "our address 10.0.0.1 is on no interface there; add it, or change local-address"},
		{plain, errors.New("something else"), "something else"},
	} {
		if got := tc.of.Failure(tc.err); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
	if got := plain.Failure(syscall.ENODEV); !strings.Contains(got, "an interface that it needs is not there") {
		t.Errorf("without its interface: %q", got)
	}
	if got := plain.Failure(syscall.EPERM); !strings.Contains(got, "CAP_NET_ADMIN") {
		t.Errorf("without capabilities: %q", got)
	}
	if got := inside.Silence(); got != "it does not answer; is the password the same on both sides?" {
		t.Errorf("silence: %q", got)
	}
}
