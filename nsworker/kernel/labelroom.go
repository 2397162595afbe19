package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// roomEvery is how often the room for labels is looked at. The kernel says nothing of a change:
// neither an event of netlink, nor one of a file of /proc/sys, which inotify does not see.
const roomEvery = 2 * time.Second

// labelRoom is how many labels a namespace has room for. The kernel takes routes of labels out
// when the number is lowered, and brings none back when it is raised again
// (resize_platform_label_table in net/mpls/af_mpls.c).
type labelRoom struct {
	within  func(func() error) error // the namespace
	changed func()                   // is called when the number is another

	stop chan struct{} // closed at the end; nil: it is not watched yet
	done chan struct{}
	told chan uint32 // the number that the owner knows
}

// read returns the number; there is none where the kernel has no MPLS.
func (r *labelRoom) read() (number uint32, has bool, err error) {
	var text []byte
	err = r.within(func() error {
		text, err = os.ReadFile("/proc/sys/net/mpls/platform_labels")
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return 0, false, fmt.Errorf("net.mpls.platform_labels is %q: %w", text, err)
	}
	return uint32(n), true, nil
}

// watch has changed called when the number is another than the owner knows.
func (r *labelRoom) watch(known uint32) {
	if r.stop == nil {
		r.stop, r.done, r.told = make(chan struct{}), make(chan struct{}), make(chan uint32)
		go r.run(known)
		return
	}
	r.told <- known
}

func (r *labelRoom) run(known uint32) {
	defer close(r.done)
	tick := time.NewTicker(roomEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case known = <-r.told:
		case <-tick.C:
			// Where it cannot be read, the owner cannot either.
			if now, _, err := r.read(); err == nil && now != known {
				known = now
				r.changed()
			}
		}
	}
}

func (r *labelRoom) close() {
	if r.stop != nil {
		close(r.stop)
		<-r.done
	}
}
