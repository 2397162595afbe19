package kernel

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	// answerTime is how long an owner may take to say who it is. An owner that does not,
	// because it is stopped, is believed all the same.
	answerTime = time.Second
	// answerSize bounds its answer.
	answerSize = 8 << 10
)

// rival is a program that holds a name which we want.
type rival struct {
	conn *net.UnixConn // nil: it takes none
	cred unix.Ucred
	full bool // it listens, and its queue of connections is full
	ours bool // it is this process
	says Owner
}

// believed tells whether the table is the rival's.
func (r rival) believed() bool { return (r.conn != nil || r.full) && trusted(r.cred.Uid) }

// errEnding: a process that ends closes its descriptors one after the other.
var errEnding = errors.New("the owner ends")

// askRival connects to the program that holds the name of a table. An error may be gone
// a moment later; with errEnding the rival was still there and says nothing any more.
func askRival(spaces *Namespaces, ns *namespace, key claimKey) (r rival, err error) {
	err = spaces.within(ns, func() (err error) {
		r.conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: key.socket(), Net: "unix"})
		return err
	})
	if errors.Is(err, unix.EAGAIN) {
		// Whoever is in the namespace can fill the queue of a stopped daemon.
		r.cred.Uid, r.full = listener(spaces, ns, key.socket())
	}
	if err != nil {
		return rival{cred: r.cred, full: r.full}, err
	}
	var ok bool
	if r.cred, ok = peerOf(r.conn); !ok {
		_ = r.conn.Close()
		return rival{}, fmt.Errorf("ask the kernel who listens on %s", key.socket())
	}
	if !r.believed() {
		return r, nil // its answer is of no interest
	}
	if r.ours = int(r.cred.Pid) == os.Getpid(); r.ours {
		return r, r.conn.Close()
	}
	if err := r.conn.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		return r, err
	}
	line, err := bufio.NewReader(io.LimitReader(r.conn, answerSize)).ReadBytes('\n')
	switch {
	case err == nil:
		_ = json.Unmarshal(line, &r.says) // an answer of another version is believed too
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return r, errEnding
	}
	return r, r.conn.SetReadDeadline(time.Time{})
}

// said describes the rival for a table to a person.
func (r rival) said(netns string, key claimKey) rib.Rival {
	out := rib.Rival{
		Netns: netns, Table: key.table, Protocol: key.protocol,
		Daemon: r.believed(), PID: int(r.cred.Pid), Who: "it takes no connection",
	}
	switch {
	case out.Daemon:
		out.Who = r.introduced()
	case r.conn != nil && out.PID != 0:
		out.Who = fmt.Sprintf("uid %d, pid %d", r.cred.Uid, out.PID)
	case r.conn != nil:
		out.Who = fmt.Sprintf("uid %d", r.cred.Uid)
	}
	return out
}

// introduced names a daemon by its pid, host name and configuration.
func (r rival) introduced() string {
	who := fmt.Sprintf("pid %d", r.cred.Pid)
	switch {
	case r.full:
		who = "it is stopped or overrun, and takes no connection: its pid is not known; `ss -xlp` in the namespace shows it"
	case r.cred.Pid == 0 && r.says.PID == 0:
		who = "its pid is not known here"
	case r.cred.Pid == 0:
		who = fmt.Sprintf("pid %d in a process namespace of its own", r.says.PID)
	}
	if r.says.Host != "" {
		who += " on host " + plain(r.says.Host)
	}
	if r.says.File != "" {
		who += ", configuration " + plain(r.says.File)
	}
	return who
}

// plain is text without control sequences for a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
