// Since Go 1.24 a listener is an MPTCP one by default, which takes no MD5 key
// (ENOPROTOOPT) and no TTL: GoBGP's would accept whatever comes from an alias.
//go:debug multipathtcp=0

package relay_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/rib"
)

// inside marks the process that has a network namespace of its own.
const inside = "RELAY_TEST_NAMESPACE"

// run is what the labs of this process share.
var run = &lab.Run{Protocol: 179}

// TestMain runs the tests in a network namespace of their own, which plays the
// daemon's: its loopback has the BGP server and the aliases.
func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		os.Exit(again())
	}
	if file := os.Getenv(serveGoBGP); file != "" {
		os.Exit(serve(file))
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bring the loopback up: %v: %s\n", err, out)
		os.Exit(1)
	}
	if err := lab.Waiting(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// again runs this program in a new network namespace.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	// The parent-death signal comes when the thread that started it ends.
	runtime.LockOSThread()
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "run the tests in a network namespace (this takes root): %v\n", err)
		return 1
	}
	return 0
}

// sockets enters namespaces as the daemon's wiring does.
type sockets struct {
	links chan rib.LinkFate // nil: none is told of
}

// WatchLinks implements relay.Sockets: a test that has links go tells of it itself.
func (s sockets) WatchLinks(ctx context.Context, netns string, told func(rib.LinkFate)) error {
	if s.links == nil {
		<-ctx.Done()
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-s.links:
			told(l)
		}
	}
}

func (sockets) InNetns(netns string, f func() error) error {
	path := netns
	if !strings.HasPrefix(path, "/") {
		path = "/run/netns/" + netns
	}
	there, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return rib.Absent(fmt.Sprintf("netns %s is not there", netns))
	}
	if err != nil {
		return err
	}
	defer there.Close()
	// The thread is to live on: programs that the lab started from it are killed
	// when it ends.
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter netns %s: %w", netns, err)
	}
	failed := f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // locked for ever, in another's namespace
	}
	runtime.UnlockOSThread()
	return failed
}
