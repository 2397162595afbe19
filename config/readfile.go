package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Bounds of a file.
const (
	mostConfig  = 64 << 20
	mostOverlay = 64 << 20
	mostKept    = 3 * (mostConfig + mostOverlay) / 2 // both of them, in base64
	mostPEM     = 1 << 20
)

// ReadFile returns the content of a configuration file, as Load reads it.
func ReadFile(path string) ([]byte, error) {
	data, _, err := readFile(path, mostConfig)
	return data, err
}

// readFile returns a plain file with the mode of just that file, or what comes
// through a pipe that has no name, as of `check -f <(…)`. Everything else is not
// read: a FIFO would hold the caller until somebody writes to it, a device has no
// end, and to open one may do something.
func readFile(path string, most int) (data []byte, mode fs.FileMode, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if err := readable(path, info); err != nil {
		return nil, 0, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err = f.Stat(); err != nil {
		return nil, 0, err
	}
	if err := readable(path, info); err != nil { // another by now
		return nil, 0, err
	}
	if info.Size() <= int64(most) { // of a pipe it says nothing
		data, err = io.ReadAll(io.LimitReader(f, int64(most)+1))
	}
	if err == nil && max(int64(len(data)), info.Size()) > int64(most) {
		err = fmt.Errorf("%s is larger than %d MiB", path, most>>20)
	}
	return data, info.Mode(), err
}

func readable(path string, info fs.FileInfo) error {
	var kind string
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		if nameless(info) {
			return nil
		}
		kind = "a FIFO"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	default:
		kind = "something else"
	}
	return fmt.Errorf("%s is no plain file, but %s", path, kind)
}

// nameless tells whether a pipe is on the kernel's own file system for pipes, and
// so has its writer already: those have one number of device, that of any pipe
// that this process makes.
func nameless(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	r, w, err := os.Pipe()
	if !ok || err != nil {
		return false
	}
	defer r.Close()
	defer w.Close()
	own, err := r.Stat()
	if err != nil {
		return false
	}
	o, ok := own.Sys().(*syscall.Stat_t)
	return ok && o.Dev == st.Dev
}
