package conf

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/config"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"golang.org/x/sys/unix"
)

// parsing serialises the reading of configurations: GoBGP keeps neighbours with a peer
// group in a package variable without a lock.
var parsing sync.Mutex

// parse reads a configuration as gobgpd does. A file is the only way in: GoBGP's functions
// that take a struct cannot tell keys that were set from keys that were not.
func parse(text []byte) (set *oc.BgpConfigSet, err error) {
	rest, vrfs, apart := withoutVRFs(text)
	if !apart {
		return parseAll(text)
	}
	if set, err = parseAll(rest); err != nil {
		return nil, err
	}
	set.Vrfs = vrfs
	return set, nil
}

// parseAll has GoBGP read all of a configuration.
func parseAll(text []byte) (set *oc.BgpConfigSet, err error) {
	file, err := memoryFile(text)
	if err != nil {
		return nil, fmt.Errorf("write GoBGP's configuration: %w", err)
	}
	defer file.Close()
	parsing.Lock()
	defer parsing.Unlock()
	defer func() { // it asserts types without a check in places
		if p := recover(); p != nil {
			err = fmt.Errorf("GoBGP cannot read it: %v", p)
		}
	}()
	return config.ReadConfigFile(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), "json")
}

// memoryFile returns a file that has a name in /proc alone: its text, which may have
// secrets in it, is on no disk, and nothing is left of it however the process ends.
func memoryFile(text []byte) (*os.File, error) {
	const name = "gobgp.json"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // Linux before 6.3 does not know the seal
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := file.Write(text); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
