package main

import (
	"fmt"
	"io"
)

// archive writes an initramfs: a cpio archive of the "newc" kind, the only one
// that the kernel unpacks (Documentation/driver-api/early-userspace).
type archive struct {
	to      io.Writer
	written int
	inodes  int
	err     error // the first one; nothing is written after it
}

const (
	cpioDir  = 0o040000
	cpioFile = 0o100000
)

func (a *archive) dir(name string) { a.entry(name, cpioDir|0o755, nil) }

func (a *archive) file(name string, perm int, content []byte) {
	a.entry(name, cpioFile|perm, content)
}

// close ends the archive, and returns the first error of all that was written.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, nil)
	return a.err
}

func (a *archive) entry(name string, mode int, content []byte) {
	a.inodes++
	// Inode, mode, uid, gid, links, mtime, size, device and rdev (major and
	// minor each), length of the name with its zero, checksum.
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inodes, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	a.write([]byte(header + name + "\x00"))
	a.align()
	a.write(content)
	a.align()
}

func (a *archive) align() { a.write(make([]byte, -a.written&3)) }

func (a *archive) write(b []byte) {
	if a.err != nil {
		return
	}
	var n int
	n, a.err = a.to.Write(b)
	a.written += n
}
