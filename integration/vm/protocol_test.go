package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// say returns what a guest sends that calls these.
func say(t *testing.T, sends ...func(s *sender) error) []byte {
	t.Helper()
	var b bytes.Buffer
	s := &sender{to: &b}
	for _, send := range sends {
		if err := send(s); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func output(kind frameKind, text string) func(*sender) error {
	return func(s *sender) error { return s.copy(kind, strings.NewReader(text)) }
}

func ended(r result) func(*sender) error {
	return func(s *sender) error { return s.sendResult(r) }
}

func begun(s *sender) error { return s.send(frameStarted, nil) }

func TestOutputAndResultArrive(t *testing.T) {
	long := strings.Repeat("0123456789", 3*maxBody)
	want := result{Exit: 137, Signal: "killed"}
	wire := say(t, begun, output(frameStdout, "one "), output(frameStderr, "two"), output(frameStdout, long), ended(want))

	var stdout, stderr bytes.Buffer
	starts := 0
	// A byte at a time, as a slow pipe might.
	got, err := receive(iotest.OneByteReader(bytes.NewReader(wire)), func() { starts++ }, &stdout, &stderr)
	if err != nil || got != want || starts != 1 {
		t.Errorf("got %+v after %d starts, %v; want %+v after one", got, starts, err, want)
	}
	if stdout.String() != "one "+long || stderr.String() != "two" {
		t.Errorf("got %d and %d bytes of output, want %d and %d", stdout.Len(), stderr.Len(), len("one "+long), len("two"))
	}
}

func TestOutputOfTwoStreamsIsNotMixedUp(t *testing.T) {
	var wire bytes.Buffer
	s := &sender{to: &wire}
	text := strings.Repeat("x", 100*1000)
	var group sync.WaitGroup
	for _, kind := range []frameKind{frameStdout, frameStderr} {
		group.Go(func() {
			if err := s.copy(kind, iotest.HalfReader(strings.NewReader(text))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := s.sendResult(result{}); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if _, err := receive(&wire, func() {}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	if stdout.String() != text || stderr.String() != text {
		t.Errorf("got %d and %d bytes, want %d of each", stdout.Len(), stderr.Len(), len(text))
	}
}

// Wherever a machine ends before its result is complete, that is no success.
func TestEveryCutIsNoResult(t *testing.T) {
	wire := say(t, begun, output(frameStdout, "PASS\n"), ended(result{}))
	for n := range wire {
		_, err := receive(bytes.NewReader(wire[:n]), func() {}, io.Discard, io.Discard)
		if !errors.Is(err, errNoResult) {
			t.Errorf("cut after %d of %d bytes: %v, want %v", n, len(wire), err, errNoResult)
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ wire, want string }{
		"unknown kind": {"x\x00\x00\x00\x00", "unknown kind"},
		"too long":     {"o\xff\xff\xff\xff", "more than"},
		"no JSON":      {"r\x00\x00\x00\x02{]", "read the machine's result"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := receive(strings.NewReader(c.wire), func() {}, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got the error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestLostOutputIsAnError(t *testing.T) {
	full := errors.New("full")
	wire := say(t, output(frameStdout, "text"), ended(result{}))
	if _, err := receive(bytes.NewReader(wire), func() {}, failing{full}, io.Discard); !errors.Is(err, full) {
		t.Errorf("got the error %v, want %v", err, full)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("s\x00\x00\x00\x00o\x00\x00\x00\x02hir\x00\x00\x00\x0a{\"exit\":7}"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		r, err := receive(bytes.NewReader(wire), func() {}, io.Discard, io.Discard)
		if err == nil && !bytes.Contains(wire, []byte{byte(frameResult), 0, 0}) {
			t.Errorf("a result %+v without a frame of it", r)
		}
	})
}
