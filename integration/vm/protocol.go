package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// task is what the guest's init is told to do. It travels in the initramfs.
type task struct {
	Machine    string   // the kind of machine
	Args       []string // Args[0] is an absolute path
	Env        []string
	Dir        string
	Shares     []string // folders of the host that the command may write
	Modules    []string // files in the initramfs, in the order to load them
	ModuleTree string   // folder of the host that stands for /lib/modules
	Seed       []byte   // for the guest's random numbers
	Systemd    bool     // systemd is to be process 1, and to run the command
}

// result is how the command ended, or why it could not be run.
type result struct {
	Exit   int    `json:"exit"`
	Signal string `json:"signal,omitempty"`
	Error  string `json:"error,omitempty"`
	// Took is how long the command ran, by the guest's clock.
	Took time.Duration `json:"took"`
}

// Everything that the guest says travels as frames through one port, so that
// the result cannot overtake the output before it, as it could where each had
// a port of its own. A frame is its kind, the length of its body (4 bytes, big
// endian) and the body.
type frameKind byte

const (
	frameStarted frameKind = 's' // the command starts; no body
	frameStdout  frameKind = 'o'
	frameStderr  frameKind = 'e'
	frameResult  frameKind = 'r' // a result, as JSON; nothing follows
)

const (
	frameHeader = 5
	maxBody     = 32 << 10
)

// errNoResult says that the guest's side ended before it sent a result.
var errNoResult = errors.New("the machine ended without a result")

// sender writes frames. Its methods may be called from several goroutines.
type sender struct {
	mu sync.Mutex
	to io.Writer
}

func (s *sender) send(kind frameKind, body []byte) error {
	frame := make([]byte, frameHeader, frameHeader+len(body))
	frame[0] = byte(kind)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(body)))
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.to.Write(append(frame, body...))
	return err
}

func (s *sender) sendResult(r result) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.send(frameResult, body)
}

// copy sends what it reads as frames of one kind, until the end.
func (s *sender) copy(kind frameKind, from io.Reader) error {
	buf := make([]byte, maxBody)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if err := s.send(kind, buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// receive passes the output on until the result comes. Without one the error is
// errNoResult or says what came instead.
func receive(from io.Reader, started func(), stdout, stderr io.Writer) (result, error) {
	var header [frameHeader]byte
	buf := make([]byte, maxBody)
	for {
		if _, err := io.ReadFull(from, header[:]); err != nil {
			return result{}, cutShort(err)
		}
		kind, length := frameKind(header[0]), binary.BigEndian.Uint32(header[1:])
		if length > maxBody {
			return result{}, fmt.Errorf("the machine sent a frame %q of %d bytes, more than %d", kind, length, maxBody)
		}
		body := buf[:length]
		if _, err := io.ReadFull(from, body); err != nil {
			return result{}, cutShort(err)
		}
		var err error
		switch kind {
		case frameStarted:
			started()
		case frameStdout:
			_, err = stdout.Write(body)
		case frameStderr:
			_, err = stderr.Write(body)
		case frameResult:
			var r result
			if err := json.Unmarshal(body, &r); err != nil {
				return result{}, fmt.Errorf("read the machine's result %q: %w", body, err)
			}
			return r, nil
		default:
			return result{}, fmt.Errorf("the machine sent a frame of the unknown kind %q", kind)
		}
		if err != nil {
			return result{}, fmt.Errorf("pass the command's output on: %w", err)
		}
	}
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errNoResult
	}
	return fmt.Errorf("read from the machine: %w", err)
}
