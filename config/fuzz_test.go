package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse holds that no file makes the parser panic, that every error has
// words, and that an accepted file, written again as JSON, says the same.
func FuzzParse(f *testing.F) {
	for format, name := range []string{"good.toml", "good.yaml", "good.json", "design.toml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(format), string(data))
	}
	f.Add(uint8(0), policiesFile)
	f.Fuzz(func(t *testing.T, format uint8, data string) {
		file := []string{"f.toml", "f.yaml", "f.json"}[format%3]
		bgp := fakeBGP()
		bgp.Check = func(conf []byte) error {
			if !json.Valid(conf) {
				t.Errorf("GoBGP is handed what is not JSON: %q", conf)
			}
			return nil
		}
		c, err := Parse(file, []byte(data), bgp)
		if err != nil {
			for _, m := range messages(t, err, file) {
				if strings.HasSuffix(m, ": ") || strings.Contains(m, "%!") && !strings.Contains(data, "%") {
					t.Errorf("an error without its words: %q", m)
				}
			}
			return
		}
		again, err := json.Marshal(readTree(&problems{}, file, []byte(data)).plain())
		if err != nil {
			t.Fatal(err)
		}
		second, err := Parse("f.json", again, bgp)
		if err != nil {
			t.Fatalf("accepted as %s, refused as JSON: %v\n%s", file, err, again)
		}
		c.Notes, second.Notes, c.Changed, second.Changed = nil, nil, nil, nil // they have lines, and keys as they are spelled
		if diff := cmp.Diff(c, second, compareAddrs); diff != "" {
			t.Errorf("as JSON it says something else (-%s +JSON):\n%s", file, diff)
		}
	})
}

// FuzzOverlay holds that what is read from an overlay survives being written.
func FuzzOverlay(f *testing.F) {
	f.Add(`{"version":1,"vrfs":{"a":{"import":{"enabled":true,"interface_list":["eth*"]},"export":{"enabled":true,"community":"no-export","community_list":["1:2","3"],"large_community_list":["1:2:3"]}}}}`)
	f.Add(`{"version":1,"vrfs":{"":{"import":{"enabled":false}},"b":{}}}`)
	f.Fuzz(func(t *testing.T, data string) {
		first, err := decodeOverlay([]byte(data))
		if err != nil {
			return
		}
		again, err := encodeOverlay(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := decodeOverlay(again)
		if err != nil {
			t.Fatalf("it was written as %s: %v", again, err)
		}
		third, err := encodeOverlay(second)
		if err != nil || string(third) != string(again) {
			t.Errorf("written %s, then %s (%v)", again, third, err)
		}
	})
}
