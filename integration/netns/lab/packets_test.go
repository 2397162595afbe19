package lab

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAnswerReadLate: an answer that is there already, and is read only after the time for it, is none
// that was lost.
func TestAnswerReadLate(t *testing.T) {
	t.Parallel()
	NeedRoot(t)
	WaitFor(t, "an answer is taken after its time", Patience, func() string {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
		if err != nil {
			t.Fatal(err)
		}
		// The kernel has answered when the request is sent, most often.
		const gone = time.Microsecond
		if err := errors.Join(echo(fd, "", netip.MustParseAddr("127.0.0.1"), 8, gone), unix.Close(fd)); err != nil {
			return err.Error()
		}
		return ""
	})
}
