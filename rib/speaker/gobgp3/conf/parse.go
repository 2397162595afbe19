package conf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/config"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// parsing serialises the reading of configurations: GoBGP keeps neighbours with a peer
// group in a package variable without a lock.
var parsing sync.Mutex

// parse reads a configuration as gobgpd does. A file is the only way in: GoBGP's functions
// that take a struct cannot tell keys that were set from keys that were not.
func parse(text []byte) (set *oc.BgpConfigSet, err error) {
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

// parseRD is strict where GoBGP is not: it makes 65535:1 of 70000:1.
func parseRD(text string) (rib.RD, error) {
	rd, err := bgp.ParseRouteDistinguisher(text)
	if err != nil || rd.String() != text {
		return 0, fmt.Errorf("%q is no route distinguisher: write AS:number with an AS up to 65535, IPv4:number, or high.low:number for a 32-bit AS", text)
	}
	b, err := rd.Serialize()
	if err != nil {
		return 0, fmt.Errorf("route distinguisher %q: %w", text, err)
	}
	return rib.RD(binary.BigEndian.Uint64(b)), nil
}

func parseRT(text string) (rib.RT, error) {
	rt, err := bgp.ParseRouteTarget(text)
	if err != nil || rt.String() != text {
		return 0, fmt.Errorf("%q is no route target: write AS:number with an AS up to 65535, IPv4:number, or high.low:number for a 32-bit AS", text)
	}
	b, err := rt.Serialize()
	if err != nil || len(b) != 8 {
		return 0, fmt.Errorf("%q is no route target of 8 bytes", text)
	}
	return rib.RT(binary.BigEndian.Uint64(b)), nil
}

// ParseRTs returns the route targets of a list, sorted and unique.
func ParseRTs(list []string) ([]rib.RT, error) {
	rts := make([]rib.RT, 0, len(list))
	for _, text := range list {
		rt, err := parseRT(text)
		if err != nil {
			return nil, err
		}
		rts = append(rts, rt)
	}
	slices.Sort(rts)
	return slices.Compact(rts), nil
}
