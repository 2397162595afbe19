package api

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"golang.org/x/net/http2"
)

// TestFrames: whatever pieces a connection is read in, the frames are the same.
func TestFrames(t *testing.T) {
	var wire bytes.Buffer
	f := http2.NewFramer(&wire, nil)
	for _, err := range []error{
		f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}),
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("abc"), EndHeaders: true}),
		f.WriteData(1, false, make([]byte, 300)), f.WriteData(1, true, nil), f.WriteWindowUpdate(0, 5),
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1<<31 - 1, BlockFragment: []byte("d"), EndStream: true}),
		f.WriteRSTStream(3, http2.ErrCodeCancel),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []frame{
		{kind: http2.FrameSettings, length: 6},
		{kind: http2.FrameHeaders, flags: http2.FlagHeadersEndHeaders, stream: 1, length: 3},
		{kind: http2.FrameData, stream: 1, length: 300}, {kind: http2.FrameData, flags: http2.FlagDataEndStream, stream: 1},
		{kind: http2.FrameWindowUpdate, length: 4},
		{kind: http2.FrameHeaders, flags: http2.FlagHeadersEndStream, stream: 1<<31 - 1, length: 1},
		{kind: http2.FrameRSTStream, stream: 3, length: 4},
	}
	ends := []bool{false, false, false, true, false, true, true}
	for range 200 {
		var got []frame
		bodies := make(map[http2.FrameType]int)
		w := frames{skip: preface}
		for b := append([]byte(http2.ClientPreface), wire.Bytes()...); len(b) > 0; {
			n := 1 + rand.IntN(min(len(b), 40))
			w.walk(b[:n], func(f frame) { got = append(got, f) }, func(f frame, b []byte) {
				if f.stream > 0 {
					bodies[f.kind] += len(b)
				}
			})
			b = b[n:]
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		if bodies[http2.FrameData] != 300 || bodies[http2.FrameHeaders] != 4 {
			t.Fatalf("the bodies have %v bytes", bodies)
		}
	}
	for i, f := range want {
		if f.ends() != ends[i] {
			t.Errorf("%v ends its stream: %v", f, f.ends())
		}
	}
}
