package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	netnslib "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Features finds out what this kernel can. It tries in a namespace that it makes
// and throws away; where it may not make one (that needs CAP_SYS_ADMIN), it only
// looks, and Features.ThrowAwayFailed says why.
func (h *Host) Features(ctx context.Context) (rib.Features, error) {
	var f rib.Features
	if h.own == nil {
		return f, h.ownErr
	}
	type result struct {
		f   rib.Features
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := h.tryFeatures(ctx)
		done <- result{f, err}
	}()
	r := <-done
	return r.f, r.err
}

// tryFeatures runs on a goroutine of its own, whose thread ends with it where it
// cannot be brought back.
func (h *Host) tryFeatures(ctx context.Context) (f rib.Features, err error) {
	runtime.LockOSThread()
	inside := h.own
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		f.ThrowAwayFailed = fmt.Errorf("make a network namespace to try the kernel in: %w", err)
	} else {
		defer func() {
			if netnslib.Set(netnslib.NsHandle(h.own.file.Fd())) == nil {
				runtime.UnlockOSThread()
			}
		}()
		if inside, err = ownNamespace(); err != nil {
			return f, err
		}
		defer inside.file.Close()
	}
	s, err := dial(inside, h.bufs, replyBuffer, nil)
	if err != nil {
		return f, err
	}
	defer s.close()
	return f, s.features(ctx, &f)
}

// features fills in f. Where the namespace is not ours to try things in, it
// only looks.
func (s *sock) features(ctx context.Context, f *rib.Features) error {
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
	if _, err := s.try(ctx, unix.RTM_NEWLINK, 0, loopbackUp()); err != nil {
		return fmt.Errorf("bring up a loopback to try the kernel with: %w", err)
	}
	const create = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	f.NexthopObjects, err = s.try(ctx, unix.RTM_NEWNEXTHOP, create, blackholeNexthop())
	if err != nil {
		return fmt.Errorf("try a nexthop object: %w", err)
	}
	f.VRFDevices, err = s.try(ctx, unix.RTM_NEWLINK, create, vrfDevice())
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

// try makes one request, and tells whether this kernel knows such things.
func (s *sock) try(ctx context.Context, typ, flags uint16, body []byte) (rib.Answer, error) {
	release, err := s.within(ctx)
	if err != nil {
		return rib.Unknown, err
	}
	defer release()
	seq := s.next()
	b := beginMessage(nil, typ, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags, seq)
	if err := s.send(endMessage(append(b, body...), 0)); err != nil {
		return rib.Unknown, err
	}
	result := rib.Unknown
	for answered := false; !answered; {
		err := s.receive(func(b []byte) error {
			m, _, err := nextMessage(b)
			if err != nil || m.seq != seq {
				return err
			}
			answered = true
			errno, text, err := m.status()
			switch {
			case err != nil:
				return err
			case errno == 0:
				result = rib.Yes
			case errno == unix.EOPNOTSUPP || errno == unix.EINVAL:
				result = rib.No
			default:
				return &requestError{errno, text}
			}
			return nil
		})
		if err != nil {
			return rib.Unknown, lapse(ctx, err)
		}
	}
	return result, nil
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

// vrfOnDisk looks for the module that makes VRF devices where none can be made.
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
