package gobgp3

import (
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

// TestNotificationsInWords: what came and what was sent, with what the other side wrote.
func TestNotificationsInWords(t *testing.T) {
	said := func(text string) []byte { return append([]byte{byte(len(text))}, text...) }
	for _, tc := range []struct {
		code, sub uint8
		data      []byte
		want      string
	}{
		{2, 2, []byte{0xfd, 0xe9}, "OPEN message error, bad peer AS (2/2)"},
		{4, 0, nil, "hold timer expired (4/0)"},
		{6, 2, said("new cable"), "cease, administrative shutdown: new cable (6/2)"},
		{6, 4, said("again\x1b[2J"), "cease, administrative reset: again [2J (6/4)"},
		{6, 2, []byte{200, 'x'}, "cease, administrative shutdown (6/2)"},
		{6, 2, []byte{2, 0xff, 0xfe}, `cease, administrative shutdown: "\xff\xfe" (6/2)`},
		{6, 9, append([]byte{6, 2}, said("bye")...), "cease, hard reset: cease, administrative shutdown: bye (6/9)"},
		{6, 77, nil, "cease, subcode 77 (6/77)"},
		{99, 1, nil, "error 99, subcode 1 (99/1)"},
	} {
		n := guard.Notice{Code: tc.code, Subcode: tc.sub, Data: tc.data, At: time.Unix(1, 0)}
		if got := notification(n).String(); got != tc.want {
			t.Errorf("%d/%d: %q, want %q", tc.code, tc.sub, got, tc.want)
		}
	}
	if got := notification(guard.Notice{}).String(); got != "" {
		t.Errorf("none: %q", got)
	}
}

// TestReasonsOfNotifications: who has to correct what.
func TestReasonsOfNotifications(t *testing.T) {
	at := time.Unix(1, 0)
	for want, got := range map[string]string{
		"wrong AS: its AS is 65102, and peer-as says 65103":                    saidReason(guard.Notice{Code: 2, Subcode: 2, At: at}, 65102, 65103),
		"nothing was heard of it for the hold time":                            saidReason(guard.Notice{Code: 4, At: at}, 1, 1),
		"its router-id is ours, or none":                                       saidReason(guard.Notice{Code: 2, Subcode: 3, At: at}, 1, 1),
		"we ended the session: cease, administrative reset (6/4)":              saidReason(guard.Notice{Code: 6, Subcode: 4, At: at}, 1, 1),
		"it does not take AS 65000 for ours; compare its peer-as":              heardReason(guard.Notice{Code: 2, Subcode: 2, At: at}, 65000),
		"a capability (MultiProtocol of ipv6-unicast)":                         strings.ReplaceAll(heardReason(guard.Notice{Code: 2, Subcode: 7, Data: []byte{1, 4, 0, 2, 0, 1}, At: at}, 65000), "multiprotocol", "MultiProtocol"),
		"we told it more prefixes than it takes":                               heardReason(guard.Notice{Code: 6, Subcode: 1, At: at}, 65000),
		"its operator shut the session down: cease, administrative shutdown":   heardReason(guard.Notice{Code: 6, Subcode: 2, At: at}, 65000),
		"it has us as a neighbour no more":                                     heardReason(guard.Notice{Code: 6, Subcode: 3, At: at}, 65000),
		"it rejects the connection; has it us as a neighbour, by this address": heardReason(guard.Notice{Code: 6, Subcode: 5, At: at}, 65000),
		"it ended the session: UPDATE message error, malformed attribute list": heardReason(guard.Notice{Code: 3, Subcode: 1, At: at}, 65000),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q has no %q", got, want)
		}
	}
}

// TestStrangersAreToldOnce, and no scan fills memory or the log.
func TestStrangersAreToldOnce(t *testing.T) {
	var s strangers
	if !s.isNew("192.0.2.1") || s.isNew("192.0.2.1") {
		t.Error("one is told once")
	}
	for i := range 10 * mostStrangers {
		s.isNew(strings.Repeat("x", i))
	}
	if len(s.seen) > mostStrangers {
		t.Errorf("%d are remembered", len(s.seen))
	}
}
