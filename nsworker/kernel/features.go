package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// tryFeatures runs on a goroutine of its own, whose thread ends with it where the thread
// cannot be brought back to own.
func tryFeatures(ctx context.Context, own *namespace) (f rib.Features, err error) {
	err = elsewhere(own, func(s *client, failed error) error {
		f.ThrowAwayFailed = failed
		return features(ctx, s, &f)
	})
	return f, err
}

// elsewhere calls f with a socket in a namespace that is thrown away afterwards; where none could
// be made, in our own, and with the reason.
func elsewhere(own *namespace, f func(s *client, failed error) error) error {
	runtime.LockOSThread()
	inside := own
	var failed error
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		failed = fmt.Errorf("make a network namespace to try the kernel in: %w", err)
	} else {
		defer func() {
			if own.enter() == nil {
				runtime.UnlockOSThread()
			}
		}()
		if inside, err = ownNamespace(); err != nil {
			return err
		}
		defer inside.file.Close()
	}
	s, err := dialClient(inside, anyPort)
	if err != nil {
		return err
	}
	defer s.close()
	return f(s, failed)
}

// features fills in f. Where the namespace is not ours to try things in, it
// only looks.
func features(ctx context.Context, s *client, f *rib.Features) error {
	f.StrictChecking = rib.Yes
	err := s.c.SetsockoptInt(unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	if errors.Is(err, unix.ENOPROTOOPT) {
		f.StrictChecking = rib.No
	} else if err != nil {
		return fmt.Errorf("ask for strict checking: %w", err)
	}
	if f.ThrowAwayFailed != nil {
		all, err := s.dumpNexthops(ctx)
		if err != nil {
			return err
		}
		f.NexthopObjects = answer(all != nil)
		f.VRFDevices = vrfOnDisk()
		return nil
	}
	// A nexthop object, of a blackhole too, needs a loopback that is up.
	if _, err := try(ctx, s, unix.RTM_NEWLINK, 0, loopbackUp()); err != nil {
		return fmt.Errorf("bring up a loopback to try the kernel with: %w", err)
	}
	const create = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	f.NexthopObjects, err = try(ctx, s, unix.RTM_NEWNEXTHOP, create, blackholeNexthop())
	if err != nil {
		return fmt.Errorf("try a nexthop object: %w", err)
	}
	f.VRFDevices, err = try(ctx, s, unix.RTM_NEWLINK, create, vrfDevice())
	if err != nil {
		return fmt.Errorf("try a VRF device: %w", err)
	}
	return nil
}

func answer(yes bool) rib.Answer {
	if yes {
		return rib.Yes
	}
	return rib.No
}

// try makes one request, and tells whether this kernel knows the kind of object in it.
func try(ctx context.Context, s *client, typ, flags uint16, body []byte) (rib.Answer, error) {
	errno, text, err := s.do(ctx, typ, flags, body)
	switch {
	case err != nil:
		return rib.Unknown, err
	case errno == 0:
		return rib.Yes, nil
	case errno == unix.EOPNOTSUPP || errno == unix.EINVAL:
		return rib.No, nil
	}
	return rib.Unknown, &requestError{errno, text}
}

func loopbackUp() []byte {
	b := append(make([]byte, 0, unix.SizeofIfInfomsg), unix.AF_UNSPEC, 0, 0, 0)
	for _, v := range []uint32{1, unix.IFF_UP, unix.IFF_UP} { // index, flags, which of them change
		b = native.AppendUint32(b, v)
	}
	return b
}

func blackholeNexthop() []byte {
	b := append(make([]byte, 0, 32), unix.AF_INET, 0, rib.ProtoOwn, 0, 0, 0, 0, 0)
	b = appendAttrU32(b, unix.NHA_ID, 1)
	return appendAttr(b, unix.NHA_BLACKHOLE, nil)
}

func vrfDevice() []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	b = appendAttr(b, unix.IFLA_IFNAME, []byte("vrf\x00"))
	info := appendAttr(nil, unix.IFLA_INFO_KIND, []byte("vrf\x00"))
	info = appendAttr(info, unix.IFLA_INFO_DATA, appendAttrU32(nil, unix.IFLA_VRF_TABLE, 10))
	return appendAttr(b, unix.IFLA_LINKINFO, info)
}

// vrfOnDisk looks for the module that makes VRF devices, where none can be made to try.
func vrfOnDisk() rib.Answer {
	if _, err := os.Stat("/proc/sys/net/vrf"); err == nil {
		return rib.Yes
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return rib.Unknown
	}
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		b, err := os.ReadFile(filepath.Join("/lib/modules", unix.ByteSliceToString(u.Release[:]), list))
		if err == nil && strings.Contains(string(b), "drivers/net/vrf.ko") {
			return rib.Yes
		}
	}
	return rib.Unknown
}

// Capabilities returns the effective capabilities of this process, a bit for
// each by its number in linux/capability.h.
func Capabilities() (uint64, error) {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return 0, fmt.Errorf("read this process's capabilities: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "CapEff:"); ok {
			var set uint64
			if _, err := fmt.Sscanf(strings.TrimSpace(rest), "%x", &set); err != nil {
				return 0, fmt.Errorf("read this process's capabilities: %w", err)
			}
			return set, nil
		}
	}
	return 0, errors.New("read this process's capabilities: /proc/thread-self/status has no CapEff")
}

func vxlanDevice() []byte {
	b := appendAttr(beginLink(0, 0, 0), unix.IFLA_IFNAME, []byte("vxlan\x00"))
	return appendVXLANInfo(b, appendAttrU32(nil, unix.IFLA_VXLAN_ID, 1))
}
